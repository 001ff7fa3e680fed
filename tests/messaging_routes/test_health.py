"""Sensors, weights and choice of routes: pure, with time and chance given."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.messaging.ports import Verdict
from throughline.messaging.routes.choose import Candidate, choose
from throughline.messaging.routes.limits import LIMITS
from throughline.messaging.routes.receipts import Counted, grey
from throughline.messaging.routes.submits import Submits
from throughline.messaging.routes.weight import Phase, Weight, probed, ticked, tripped

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def sent(sensor: Submits, verdicts: list[Verdict], *, each_s: float = 0.05, from_s: float = 0.0) -> float:
    for number, verdict in enumerate(verdicts):
        from_s += each_s
        sensor.began(number, from_s)
        sensor.ended(number, verdict, from_s + 0.01)
    return from_s


def test_five_failures_in_a_row_trip_and_one_success_begins_anew() -> None:
    sensor = Submits()
    last = sent(sensor, [Verdict.UNKNOWN] * 4 + [Verdict.ACCEPTED] + [Verdict.UNKNOWN] * 4)
    assert sensor.sick(last) is None
    sent(sensor, [Verdict.NOT_SENT], from_s=last)
    assert sensor.sick(last + 1) == "failures-in-a-row"


def test_half_of_twenty_failing_trips_and_less_does_not() -> None:
    turns = [Verdict.UNKNOWN, Verdict.ACCEPTED, Verdict.UNKNOWN]
    assert Submits().sick(0) is None
    sensor = Submits()
    last = sent(sensor, turns * 10)
    assert sensor.sick(last) == "share-of-failures"
    few = Submits()
    assert few.sick(sent(few, turns * 5)) is None  # too few samples
    mild = Submits()
    assert mild.sick(sent(mild, [Verdict.UNKNOWN, *[Verdict.ACCEPTED] * 3] * 20)) is None
    assert mild.sick(1e6) is None


@given(st.lists(st.sampled_from([Verdict.THROTTLED, Verdict.REJECTED_FINAL, Verdict.ACCEPTED]), max_size=200))
def test_throttles_and_refused_messages_never_trip(verdicts: list[Verdict]) -> None:
    sensor = Submits()
    assert sensor.sick(sent(sensor, verdicts)) is None


def test_three_answers_that_stay_away_trip_within_the_limit() -> None:
    sensor = Submits()
    last = sent(sensor, [Verdict.ACCEPTED] * 50)
    for key in ("a", "b", "c"):
        sensor.began(key, last)
    assert sensor.sick(last + 0.9) is None
    assert sensor.sick(last + 1.01) == "no-answers"  # answers usually take 10 ms, so the least limit holds
    slow = Submits()
    for number in range(50):
        slow.began(number, number)
        slow.ended(number, Verdict.ACCEPTED, number + 0.8)
    assert slow.stale_after_s() == pytest.approx(3.2)
    slow.forget()
    assert slow.sick(1e6) is None


def test_a_route_that_delivers_nothing_is_told_from_a_carrier_that_fails() -> None:
    good, dead = Counted(400, 8), Counted(50, 45)
    assert grey({"a": dead, "b": good}) == {"a"}
    assert grey({"a": dead}) == {"a"}
    assert grey({"a": Counted(100, 40)}) == frozenset()  # alone: many phones may be off
    assert grey({"a": Counted(29, 29), "b": good}) == frozenset()  # too few
    assert grey({"a": Counted(100, 14), "b": good}) == frozenset()  # slow, not sick
    both = {"a": Counted(100, 90), "b": Counted(300, 268)}
    assert grey(both) == frozenset()


@given(st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 300), st.integers(0, 300))))
def test_never_are_all_routes_of_a_carrier_grey(drawn: dict[str, tuple[int, int]]) -> None:
    counts = {name: Counted(many, min(late, many)) for name, (many, late) in drawn.items()}
    if sum(one.old_enough > 0 for one in counts.values()) > 1:
        assert grey(counts) < {name for name, one in counts.items() if one.old_enough}


def test_a_fall_rests_is_probed_and_climbs() -> None:
    fallen = tripped(Weight(), "link", at(0))
    assert (fallen.phase, fallen.share, fallen.until) == (Phase.RESTING, 0.0, at(5))
    assert ticked(fallen, at(4.9)) == fallen
    probing = ticked(fallen, at(5))
    assert (probing.phase, probing.share) == (Phase.PROBING, 0.0)
    again = tripped(probing, "probe", at(6))
    assert again.until == at(16)
    assert again.moved_at == at(0)  # nothing moved: it had no traffic
    waiting = probed(ticked(again, at(16)), at(17))
    assert (waiting.phase, waiting.until) == (Phase.WAITING, at(120))
    climbing = ticked(waiting, at(120))
    assert (climbing.phase, climbing.share) == (Phase.CLIMBING, 0.1)
    assert ticked(climbing, at(150)).share == 0.5
    assert ticked(climbing, at(180)).share == 1.0
    healthy = ticked(climbing, at(1_000))
    assert (healthy.phase, healthy.share, healthy.until) == (Phase.HEALTHY, 1.0, None)
    assert tripped(healthy, "link", at(2_000)).until == at(2_005)  # forgotten by then


def test_up_and_down_each_ten_seconds_for_ten_minutes_moves_traffic_at_most_twelve_times() -> None:
    weight, moves = Weight(), 0
    for tenth in range(6_000):
        now, down = at(tenth / 10), (tenth // 100) % 2 == 0
        before = weight.share
        weight = ticked(weight, now)
        if down and weight.phase is not Phase.RESTING:
            weight = tripped(weight, "link", now)
        elif not down and weight.phase is Phase.PROBING:
            weight = probed(weight, now)
        moves += weight.share != before
    assert moves <= 12


@given(st.lists(st.tuples(st.sampled_from(["trip", "probe", "tick"]), st.floats(0, 400)), max_size=60))
def test_a_weight_never_rises_without_a_probe_and_falls_only_by_a_trip(acts: list[tuple[str, float]]) -> None:
    weight, clock_s = Weight(), 0.0
    for act, wait_s in acts:
        clock_s += wait_s
        before = weight
        match act:
            case "trip":
                weight = tripped(weight, "x", at(clock_s))
                assert weight.share == 0
            case "probe":
                weight = probed(weight, at(clock_s))
            case _:
                weight = ticked(weight, at(clock_s))
        if weight.share > before.share:
            assert before.phase in {Phase.WAITING, Phase.CLIMBING, Phase.PROBING}
            assert act == "probe" or before.phase is not Phase.PROBING
        if act != "trip":
            assert weight.share >= before.share
        if weight.phase is Phase.RESTING:
            assert weight.until is not None
            assert weight.until <= at(clock_s + LIMITS.longest_rest_s)


def many(candidates: list[Candidate], count: int = 20_000) -> dict[str, float]:
    chance = random.Random(7)
    chosen = [choose(candidates, [chance.random() for _ in range(5)]) for _ in range(count)]
    names = [one.name for one in chosen if one is not None]
    return {name: names.count(name) / count for name in {one.name for one in candidates}}


def test_the_first_carries_nearly_all_and_standbys_their_small_share() -> None:
    shares = many([Candidate("a", 1), Candidate("b", 2), Candidate("c", 3)])
    assert 0.95 < shares["a"] < 0.97
    assert all(0.015 < shares[name] < 0.025 for name in "bc")


def test_a_climbing_route_gets_its_share_and_a_full_one_spills() -> None:
    shares = many([Candidate("a", 1, share=0.1), Candidate("b", 2)])
    assert 0.08 < shares["a"] < 0.12
    assert many([Candidate("a", 1, full=True), Candidate("b", 2)])["b"] == 1


def test_a_probe_is_one_message_that_may_be_lost() -> None:
    routes = [Candidate("a", 1, share=0, probe=True), Candidate("b", 2)]
    chosen = choose(routes, [0.9] * 3)
    assert chosen is not None
    assert (chosen.name, chosen.probing) == ("a", True)
    spared = choose(routes, [0.9] * 3, may_probe=False)
    assert spared is not None
    assert spared.name == "b"


@given(
    st.lists(
        st.builds(
            Candidate,
            st.uuids().map(str),
            st.integers(0, 3),
            share=st.sampled_from([0.0, 0.1, 1.0]),
            up=st.booleans(),
            probe=st.booleans(),
            full=st.booleans(),
        ),
        max_size=4,
    ),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5),
)
def test_the_last_route_is_never_closed_and_a_dead_one_never_taken_while_another_is_well(
    candidates: list[Candidate], chances: list[float]
) -> None:
    chosen = choose(candidates, chances)
    if not candidates:
        assert chosen is None
        return
    assert chosen is not None
    one = next(one for one in candidates if one.name == chosen.name)
    if any(other.up and other.share > 0 for other in candidates) and not chosen.probing:
        assert one.up
        assert one.share > 0
