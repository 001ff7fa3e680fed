"""Nothing that says anything goes to a number that is somebody else's; and carriers' dated data."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.lab.lines.population import DAY, START, Feeds, Habits, History, populate
from throughline.line import carriers, privacy
from throughline.line.backtest.engine import Question
from throughline.line.backtest.reading import Shapes, read_events, read_oracle, read_roster
from throughline.line.backtest.replay import replay
from throughline.line.parameters import params
from throughline.line.planner import Policy
from throughline.line.state import PublicState
from throughline.messaging import standing as messages
from throughline.messaging.classes import ContentClass
from throughline.parties.contact import ContactKind
from throughline.parties.records import ContactPoint

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FOREVER = timedelta(days=10_000)
POINT, SOMEBODY = uuid4(), uuid4()
HABITS = Habits(cancellations=0.05, never_paid=0.3, quarantine_days=65, beats_a_day=1, messages=2, calls=0.5)
FEEDS = {
    "push and status": (Feeds(), 11),
    "vendor": (Feeds(push=None, status=False, vendor=True), 21),
    "nobody who knows": (Feeds(push=None, status=False, vendor=False), 0),
}


# --- standing --------------------------------------------------------------------------------------


def stands(carrier: str = "cmcc", before: datetime | None = None, **chances: float) -> privacy.Standing:
    by_state = {PublicState(state): chance for state, chance in chances.items()}
    return privacy.standing(by_state, NOW - timedelta(days=2), carrier=carrier, before=before, now=NOW)


def test_a_number_is_off_from_when_it_stopped_whatever_its_state_is_called_since() -> None:
    long_ago = NOW - timedelta(days=50)
    assert stands(suspended=0.9).suspended_at == NOW - timedelta(days=2)
    assert stands(before=long_ago, suspended=0.3, pre_cancelled=0.3, active=0.4).suspended_at == long_ago
    assert stands(before=long_ago, active=0.9, suspended=0.1) == privacy.Standing(
        None, Decimal("0.0000"), None
    )


@pytest.mark.parametrize(
    ("carrier", "days", "chances", "freeze"),
    [
        ("cmcc", 2, {"reassigned": 0.21, "active": 0.79}, privacy.REASSIGNED),
        ("cmcc", 2, {"reassigned": 0.2, "active": 0.8}, None),
        ("cmcc", 2, {"cancelled": 0.85, "reassigned": 0.1}, privacy.ENDED),
        ("cmcc", 60, {"suspended": 0.99}, None),
        ("cmcc", 61, {"suspended": 0.99}, privacy.LONG_OFF),
        ("us-example", 46, {"suspended": 0.99}, privacy.LONG_OFF),
        ("nobody knows", 46, {"suspended": 0.99}, privacy.LONG_OFF),
        ("cmcc", 61, {"active": 0.99}, None),
    ],
)
def test_when_a_number_is_frozen(
    carrier: str, days: int, chances: dict[str, float], freeze: str | None
) -> None:
    assert stands(carrier, NOW - timedelta(days=days), **chances).freeze == freeze


# --- an audit of attempts --------------------------------------------------------------------------


def attempts(
    name: str, lines: int, days: int, seed: int, *, limited: bool = True
) -> tuple[int, int, int, float]:
    """(attempts that said something, of these to a stranger, to strangers without the fail-safe, line-years of
    strangers): each line is to be written to once a day, by what is believed of it and what messaging makes
    of its standing. Its owner proves the number anew each month while it is theirs."""
    feeds, budget = FEEDS[name]
    made = populate(lines, days, seed, habits=HABITS, feeds=feeds, evaders=0, claiming=0)
    histories = {one.line: one for one in made.histories}
    said = wrong = wrong_without = 0
    stored: dict[str, tuple[datetime | None, bool]] = {}
    for row in _beliefs(made, budget):
        history, at = histories[row["line"]], datetime.fromisoformat(row["at"])
        chances = {PublicState(state): chance for state, chance in row["p"].items()}
        before, frozen = stored.get(row["line"], (None, False))
        proved = _proved(history, (at - START).total_seconds())
        if proved == at:
            frozen = False
        now = privacy.standing(chances, at, carrier=history.carrier, before=before, now=at)
        frozen = frozen or now.freeze is not None
        stored[row["line"]] = now.suspended_at, frozen
        strange = history.state((at - START).total_seconds()) == "reassigned"
        says = _says(now.suspended_at, now.reassigned, frozen, proved, at, limited=limited)
        said += says
        wrong += says and strange
        wrong_without += strange and _says(None, Decimal(0), False, proved, at, limited=False)
    strange_s = sum(
        made.until.timestamp() - START.timestamp() - begins
        for one in made.histories
        for begins, state in one.spans
        if state == "reassigned"
    )
    return said, wrong, wrong_without, strange_s / DAY / 365


def _beliefs(made: Any, budget: int) -> Iterable[dict[str, Any]]:
    def wrong(number: int, member: str, expected: str) -> None:
        pytest.fail(f"{number}: {member}: {expected}")

    def rows(some: Iterable[Any]) -> io.BytesIO:
        return io.BytesIO(b"".join(json.dumps(row).encode() + b"\n" for row in some))

    shapes, until = Shapes(), made.until.timestamp()
    roster = read_roster(rows(made.roster), wrong)
    seen = read_events(rows(made.events), roster, shapes, until, wrong)
    asked = read_oracle(rows(made.oracle), roster, shapes, wrong)
    for text in replay(roster, seen, shapes, asked, Question(until, Policy(budget), DAY, params())):
        if text.startswith('{"kind":"belief"'):
            yield json.loads(text)


def _proved(history: History, at: float) -> datetime:
    """When its owner last proved the number: every 30 days, while it can receive and is theirs."""
    month = 30 * DAY
    last = at // month * month
    while last > 0 and history.state(last) not in {"active", "out_suspended"}:
        last -= month
    return START + timedelta(seconds=last)


def _says(
    suspended_at: datetime | None,
    reassigned: Decimal,
    frozen: bool,
    proved: datetime,
    at: datetime,
    *,
    limited: bool,
) -> bool:
    """`limited`: the proof counts for no longer than anybody's quarantine, as where nobody tells of the line."""
    point = ContactPoint(
        POINT, SOMEBODY, ContactKind.PHONE, "self", "138****0001", proved, suspended_at, reassigned,
        at if frozen else None, None, START, None if limited else proved + FOREVER,
    )  # fmt: skip
    return messages.obstacle(point, now=at) is None and messages.ceiling(point, now=at) > ContentClass.C0


@pytest.mark.parametrize("name", FEEDS)
def test_nothing_is_said_to_a_stranger(name: str) -> None:
    """About 500 line-years each. Without the fail-safe strangers would have been written to."""
    said, wrong, wrong_without, strange = attempts(name, 1_000, 180, 8)
    assert said > 80_000
    assert strange > 10
    assert wrong_without > 100
    assert wrong == 0


@pytest.mark.soak
@pytest.mark.parametrize("name", FEEDS)
def test_nothing_is_said_to_a_stranger_in_ten_thousand_line_years(name: str) -> None:
    for seed in range(100, 107):
        assert attempts(name, 3_000, 180, seed)[1] == 0


# --- dated data ------------------------------------------------------------------------------------


def test_each_carrier_has_its_facts_with_source_date_and_trust() -> None:
    for name in ("cmcc", "cucc", "ctcc", "cbn", "us-example"):
        rules = carriers.rules_of(name, date(2026, 6, 1))
        assert rules.carrier == name
        assert rules.facts["quarantine_days"].value >= 45
        for fact in rules.facts.values():
            assert fact.source
            assert fact.as_of <= date(2027, 1, 1)
    assert carriers.rules_of("China-Unicom", date(2026, 6, 1)).carrier == "cucc"
    # A weak source does not make a number safe for longer than the Regulations do.
    assert carriers.rules_of("cmcc", date(2026, 6, 1)).facts["cancellation_days"].value == 180
    assert carriers.rules_of("cmcc", date(2026, 6, 1)).number_is_safe_for == timedelta(days=60)
    assert carriers.rules_of("simulator", date(2026, 6, 1)).carrier == "other"


FILE = """
carrier: x
names: [x, Ex]
country: CN
periods:
  - from: 2020-01-01
    facts: {quarantine_days: {value: 90, trust: notice, as_of: 2020-01-01, source: somewhere}}
  - from: 2024-01-01
    facts:
      quarantine_days: {value: 90, trust: notice, as_of: 2024-01-01, source: somewhere}
      cancellation_least_days: {value: 60, trust: regulation, as_of: 2024-01-01, source: a law}
      cancellation_days: {value: 120, trust: contract, as_of: 2024-01-01, source: its terms}
"""


def test_a_proof_is_good_for_the_shortest_quarantine_until_a_contract_says_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = date(2026, 6, 1)
    # Three months by a notice of the MIIT, and still the 45 days that are the shortest known anywhere.
    assert carriers.rules_of("cmcc", day).facts["quarantine_days"].value == 90
    assert carriers.proof_is_good_for("cmcc", day) == timedelta(days=45)
    assert carriers.proof_is_good_for("nobody knows", day) == timedelta(days=45)
    agreed = carriers.parse_carrier("x.yaml", FILE.replace("trust: notice", "trust: contract"))
    monkeypatch.setattr(carriers, "_carriers", lambda: agreed)
    assert carriers.proof_is_good_for("ex", day) == timedelta(days=90)


def test_what_holds_depends_on_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    found = carriers.parse_carrier("x.yaml", FILE)
    assert set(found) == {"x", "ex"}
    monkeypatch.setattr(carriers, "_carriers", lambda: found)
    safe = [
        carriers.rules_of("EX", day).number_is_safe_for.days
        for day in (date(2019, 1, 1), date(2023, 12, 31), date(2024, 1, 1))
    ]
    assert safe == [90, 90, 120]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("trust: notice", "trust: rumour", "rumour"),
        ("value: 60", "value: -1", "cancellation_least_days: expected a number above 0"),
        ("value: 60", "value: .nan", "cancellation_least_days: expected a number above 0"),
        ("2024-01-01\n", "2019-01-01\n", "each later than the one before"),
        ("quarantine_days", "quarantine", "unknown"),
        ("from: 2020-01-01", "from: soon", "expected a date"),
        ("source: a law", "source: ''", "a source"),
        ("names: [x, Ex]", "", "a member is missing"),
        ("carrier: x", "carrier: [", "a member is missing"),
    ],
)
def test_a_wrong_file_is_named(old: str, new: str, problem: str) -> None:
    assert old in FILE
    with pytest.raises(carriers.CarrierDataError, match=f"x.yaml.*{problem}"):
        carriers.parse_carrier("x.yaml", FILE.replace(old, new))


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 400))
def test_a_number_that_may_be_a_strangers_always_has_an_obstacle(
    dark: float, reassigned: float, days: int
) -> None:
    chances = {
        "reassigned": reassigned * dark,
        "suspended": (1 - reassigned) * dark,
        "active": 1 - dark,
    }
    now = stands("cmcc", NOW - timedelta(days=days), **chances)
    if chances["reassigned"] > 0.2001 or dark >= 0.5:
        point = ContactPoint(
            uuid4(), uuid4(), ContactKind.PHONE, "self", "138****0001", NOW, now.suspended_at, now.reassigned,
            NOW if now.freeze else None, now.freeze, NOW,
        )  # fmt: skip
        assert messages.obstacle(point, now=NOW) is not None
