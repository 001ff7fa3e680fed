"""`line fit`: the expectation step is exact, known rates are found again, and what is worse is refused."""

from __future__ import annotations

import io
import json
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughline.line.backtest.reading import Observations, Roster, Shapes, read_events, read_roster
from throughline.line.backtest.reading import read_truths as read_truth_file
from throughline.line.learning.expect import expect, likelihood
from throughline.line.learning.fit import FitRefused, Fitted, _held_out, fit
from throughline.line.learning.sequences import Past, Sequences, past
from throughline.line.parameters import document_of, parse_params, rates_of, read_params, shipped
from throughline.line.state import INDEX, STATES

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 90
FLAGS = {
    "active": ("active", "active"),
    "out_suspended": ("active", "suspended"),
    "suspended": ("suspended", "suspended"),
}


def stated() -> dict[str, Any]:
    return document_of(shipped())


def wrong(number: int, member: str, expected: str) -> None:
    pytest.fail(f"{number}: {member}: {expected}")


# --- the expectation step --------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.05, 400), st.lists(st.floats(-5, 0), min_size=len(STATES), max_size=len(STATES))
        ),
        min_size=3,
        max_size=12,
    ),
    st.integers(1, 2),
)
def test_expected_changes_are_the_slope_of_the_likelihood(
    rows: list[tuple[float, list[float]]], lines: int
) -> None:
    """By Fisher's identity d log L / d log q is what is expected of a change less its rate times the time."""
    count = len(rows)
    if count < 2 * lines:
        lines = 1
    first = np.array([0, count] if lines == 1 else [0, count // 2, count])
    at = np.cumsum([gap for gap, _ in rows]) * 3600
    block = Sequences(first, at, np.array([one for _, one in rows]), np.full(count, -1))
    history = Past((block,), ())
    by, rates = read_params(stated()), rates_of(stated())
    even = np.full(len(STATES), 1 / len(STATES))
    found = expect(history, rates, by.prior, even)
    assert found.log_likelihood == pytest.approx(likelihood(history, rates, by.prior, even))
    spans = at[first[1:] - 1] - at[first[:-1]]
    assert found.time_h.sum() == pytest.approx(spans.sum() / 3600, rel=1e-6)
    assert found.begun.sum() == pytest.approx(lines)
    for pair in zip(*np.nonzero(rates), strict=True):
        up, down = rates.copy(), rates.copy()
        up[pair] *= math.exp(1e-4)
        down[pair] *= math.exp(-1e-4)
        slope = (likelihood(history, up, by.prior, even) - likelihood(history, down, by.prior, even)) / 2e-4
        assert found.changes[pair] - rates[pair] * found.time_h[pair[0]] == pytest.approx(
            slope, abs=2e-4, rel=1e-3
        )


# --- known rates -----------------------------------------------------------------------------------


def lives(
    names: list[str], seed: int, stop: float, two_way: float, paid: float, every_h: float = 12
) -> tuple[Roster, Observations, Shapes, list[dict[str, Any]]]:
    """Lines that live by these rates an hour, and what a carrier answers twice a day. Also the truth. A one-way
    stop goes on by schedule: the time to the two-way stop varies less than one without memory would."""
    chance = random.Random(seed)
    rows, truths = [], []
    for name in names:
        at, state, spans = 0.0, "active", []
        while at < DAYS * 24:
            if state == "active":
                stay, then = chance.expovariate(stop), "out_suspended"
            elif state == "out_suspended":
                stay, then = chance.gammavariate(3, 1 / (3 * two_way)), "suspended"
            else:
                stay, then = chance.expovariate(paid), "active"
            spans.append((at, min(at + stay, DAYS * 24), state))
            at, state = at + stay, then
        for begins, ends, stood in spans:
            truths.append({"line": name, "from": _iso(begins), "to": _iso(ends), "state": stood})
        at = chance.uniform(0, every_h)
        while at < DAYS * 24:
            stood = next(one for begins, ends, one in spans if begins <= at < ends)
            inbound, outbound = FLAGS[stood]
            rows.append(
                {
                    "line": name, "observed_at": _iso(at), "received_at": _iso(at),
                    "source": "camara.subscription-status", "provider": "cmcc", "code": None,
                    "attributes": {"voiceSmsIn": inbound, "voiceSmsOut": outbound, "dataService": outbound},
                }
            )  # fmt: skip
            at += chance.uniform(0.5, 1.5) * every_h
    roster = read_roster(_file([{"line": name, "carrier": "cmcc"} for name in names]), wrong)
    shapes = Shapes()
    seen = read_events(_file(rows), roster, shapes, _until(), wrong)
    return roster, seen, shapes, truths


def _iso(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


def _until() -> float:
    return (START + timedelta(days=DAYS)).timestamp()


def _file(rows: list[dict[str, Any]]) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def numbered(count: int, first: int = 0) -> list[str]:
    return [f"+8613800{number:06d}" for number in range(first, first + count)]


def rate(found: Fitted, origin: str, target: str) -> float:
    return float(
        next(row["rate"] for row in found.document["rates"] if (row["from"], row["to"]) == (origin, target))
    )


@pytest.mark.parametrize(
    ("seed", "stop", "two_way", "paid"), [(1, 5e-4, 1 / 60, 1 / 40), (2, 2e-4, 1 / 20, 1 / 150)]
)
def test_known_rates_are_found(seed: int, stop: float, two_way: float, paid: float) -> None:
    """About 200 to 400 changes of each kind: within a fifth."""
    roster, seen, shapes, _ = lives(numbered(500), seed, stop, two_way, paid)
    found = fit(stated(), roster, seen, shapes, _until())
    assert found.after > found.before
    assert rate(found, "active_on", "out_suspended_on") == pytest.approx(stop, rel=0.2)
    assert rate(found, "active_off", "out_suspended_off") == pytest.approx(stop, rel=0.2)
    assert rate(found, "out_suspended_on", "suspended") == pytest.approx(two_way, rel=0.25)
    assert rate(found, "suspended", "active_on") == pytest.approx(paid, rel=0.2)
    # Nobody was seen there: about what it began with.
    assert rate(found, "pre_cancelled", "cancelled_1") == pytest.approx(1.3889e-3, rel=0.25)
    # The document is one that can be read, and names its content.
    assert read_params(found.document).version == found.document["version"] != stated()["version"]
    again = fit(stated(), roster, seen, shapes, _until())
    assert again.document == found.document


def test_little_data_changes_little_and_much_weight_nothing() -> None:
    roster, seen, shapes, _ = lives(numbered(500), 3, 5e-4, 1 / 60, 1 / 40)
    heavy = fit(stated(), roster, seen, shapes, _until(), pseudo_count=100_000)
    assert rate(heavy, "active_on", "out_suspended_on") == pytest.approx(5.5e-5, rel=0.02)
    few, seen, shapes, _ = lives(numbered(110), 3, 5e-4, 1 / 60, 1 / 40)
    light = fit(stated(), few, seen, shapes, _until(), pseudo_count=20)
    strong = fit(stated(), few, seen, shapes, _until(), pseudo_count=500)
    moved = [math.log(rate(one, "active_on", "out_suspended_on") / 5.5e-5) for one in (light, strong)]
    assert 0 < moved[1] < 0.6 * moved[0]


def test_too_few_data_are_refused() -> None:
    roster, seen, shapes, _ = lives(numbered(40), 4, 5e-4, 1 / 60, 1 / 40)
    with pytest.raises(FitRefused, match="40 lines have evidence"):
        fit(stated(), roster, seen, shapes, _until())
    roster, seen, shapes, _ = lives(numbered(120), 4, 1e-9, 1 / 60, 1 / 40)
    with pytest.raises(FitRefused, match="changes of subscriptions"):
        fit(stated(), roster, seen, shapes, _until())


def test_what_is_worse_on_lines_held_out_is_refused() -> None:
    """The lines that are learned from live otherwise than those that judge."""
    names = numbered(1_500)
    learning = [name for name in names if not _held_out(name)][:300]
    judging = [name for name in names if _held_out(name)][:150]
    roster, seen, shapes, _ = lives(learning + judging, 5, 1e-3, 1 / 400, 1 / 400)
    others, calm, _, _ = lives(learning + judging, 5, 5.5e-5, 1 / 36, 1 / 100)
    assert others.names == roster.names
    held = np.array([_held_out(roster.names[one]) for one in seen.line])
    quiet = np.array([_held_out(roster.names[one]) for one in calm.line])
    mixed = [
        np.concatenate([getattr(seen, name)[~held], getattr(calm, name)[quiet]])
        for name in ("line", "observed_s", "received_s")
    ]
    both = Shapes()
    numbers = np.array([both.adopt(one) for one in shapes.all])
    _, calm_again, calm_shapes, _ = lives(learning + judging, 5, 5.5e-5, 1 / 36, 1 / 100)
    calm_numbers = np.array([both.adopt(one) for one in calm_shapes.all])
    shape = np.concatenate([numbers[seen.shape[~held]], calm_numbers[calm_again.shape[quiet]]])
    with pytest.raises(FitRefused, match="worse than the ones to begin with"):
        fit(stated(), roster, Observations(*mixed, shape, {}, len(shape)), both, _until())


def test_truth_is_told_from_the_beginning_of_its_time_to_the_end() -> None:
    """With answers a month apart, what is known otherwise is most of what can be learned."""
    roster, seen, shapes, truths = lives(numbered(800), 6, 5e-4, 1 / 60, 1 / 40, every_h=700)
    known = read_truth_file(_file(truths), roster, wrong)
    blind = fit(stated(), roster, seen, shapes, _until())
    told = fit(stated(), roster, seen, shapes, _until(), known)
    assert rate(told, "active_on", "out_suspended_on") == pytest.approx(5e-4, rel=0.2)
    assert rate(told, "suspended", "active_on") == pytest.approx(1 / 40, rel=0.2)
    assert abs(math.log(rate(blind, "suspended", "active_on") * 40)) > abs(
        math.log(rate(told, "suspended", "active_on") * 40)
    )


def test_a_history_of_rows_is_what_the_filter_makes_of_it() -> None:
    _, seen, shapes, _ = lives(numbered(3), 7, 5e-4, 1 / 60, 1 / 40)
    found = past(seen, shapes, np.arange(3), _until(), parse_params(shipped()))
    (block,) = found.blocks
    assert (found.lines, len(block.first)) == (3, 4)
    assert len(block.at_s) == len(seen.line) + 3  # and the end of each
    ends = block.first[1:] - 1
    assert set(block.at_s[ends]) == {_until()}
    assert (np.diff(block.at_s)[np.setdiff1d(np.arange(len(block.at_s) - 1), ends)] >= 0).all()
    odds = block.evidence[0] - block.evidence[0, INDEX["suspended"]]
    assert odds[INDEX["active_on"]] == pytest.approx(math.log(1000))
