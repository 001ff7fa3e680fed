"""What probes mean, by themselves: states, outages, and the share of time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.continuity.status import tasks
from throughline.continuity.status.judging import (
    Look,
    Outage,
    Seconds,
    history,
    letter,
    outages,
    state_now,
    uptime,
)

START = datetime(2026, 11, 30, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def looks(said: str, *, source: str = "a") -> list[Look]:
    """A look each minute: w working, d down, b down only because of another, . nobody looked."""
    return [
        Look(START + place * MINUTE, "working" if one == "w" else "down", 60, source, borrowed=one == "b")
        for place, one in enumerate(said)
        if one != "."
    ]


def minute(place: int) -> datetime:
    return START + place * MINUTE


def test_no_probe_for_three_intervals_is_unknown_and_never_working() -> None:
    (one,) = looks("w")
    assert state_now([one], minute(3)) == tasks.WORKING
    assert state_now([one], minute(3) + timedelta(seconds=1)) == tasks.UNKNOWN
    assert state_now([], START) == tasks.UNKNOWN


def test_two_networks_that_disagree_are_partly_down() -> None:
    up, down = looks("w")[0], looks("d", source="b")[0]
    assert state_now([up, down], START) == tasks.PARTLY
    assert state_now([down, looks("d", source="c")[0]], START) == tasks.DOWN


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("wwdww", []),
        ("wwddwd", []),
        ("wdddw", [(1, None)]),
        ("wdddwww", [(1, 4)]),
        ("wdddwwdwww", [(1, 7)]),
        ("wdd...dwww", [(1, 7)]),
        ("wbbbbbw", []),
        ("wdddwwwdddww", [(1, 4), (7, None)]),
    ],
)
def test_so_many_in_a_row_begin_and_end_an_outage(said: str, found: list[tuple[int, int | None]]) -> None:
    wanted = [Outage(minute(a), minute(b) if b is not None else None) for a, b in found]
    assert outages(looks(said), failures=3) == wanted


def test_an_outage_that_goes_on_is_followed_from_where_it_began() -> None:
    earlier = START - timedelta(hours=5)
    assert outages(looks("ddwww"), failures=3, since=earlier) == [Outage(earlier, minute(2))]


def test_one_network_that_still_gets_through_is_no_outage() -> None:
    both = sorted([*looks("dddddd"), *looks("wwwwww", source="b")], key=lambda one: one.at)
    assert outages(both, failures=3) == []
    both = sorted([*looks("wddddw"), *looks("wddddw", source="b")], key=lambda one: one.at)
    assert outages(both, failures=3) == [Outage(minute(1), None)]
    assert outages(both, failures=4) == []


@given(st.text("wdb.", max_size=60), st.integers(2, 5))
def test_outages_never_overlap_and_only_the_last_goes_on(said: str, failures: int) -> None:
    found = outages(looks(said), failures=failures)
    for one, following in pairwise(found):
        assert one.until is not None
        assert one.since < one.until <= following.since
    assert ("d" * failures in said.replace("b", "").replace(".", "")) == bool(found)


def test_uptime_counts_partly_as_half_and_leaves_out_what_nobody_saw() -> None:
    assert uptime(Seconds()) is None
    assert uptime(Seconds(maintenance=3_600)) is None
    assert uptime(Seconds(working=86_400 - 600, down=300, partly=300)) == pytest.approx(1 - 450 / 86_400)


def test_a_day_is_a_letter_and_ninety_make_the_history() -> None:
    today = date(2026, 11, 30)
    days = {
        today: Seconds(working=100),
        today - timedelta(days=1): Seconds(working=990, down=10),
        today - timedelta(days=2): Seconds(working=90, down=10),
        today - timedelta(days=3): Seconds(maintenance=60),
    }
    assert history(days, today) == "u" * 86 + "mdpw"
    assert letter(Seconds(working=60, maintenance=60)) == "m"


def test_a_task_is_as_good_as_itself_and_its_parts() -> None:
    assert tasks.whole("working", ["working", "unknown"]) == "working"
    assert tasks.whole("working", ["working", "down"]) == "partly"
    assert tasks.whole("working", ["down", "unknown"]) == "down"
    assert tasks.whole("working", ["slow", "working"]) == "slow"
    assert tasks.whole("unknown", ["down"]) == "unknown"
    assert tasks.touched("payment_channel", {"rail": "wechat"}) == ("repay",)
    assert set(tasks.touched("platform", {})) == set(tasks.TASKS)
    assert tasks.touched("platform", {"task": "apply"}) == ("apply",)
