"""When we ask, when we repeat, and over which rails a payout may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.payments import router, schedule
from throughline.payments.ports import Capabilities
from throughline.payments.states import Direction, State

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LINE_STATES = (
    "active", "out_suspended", "suspended", "pre_cancelled", "cancelled", "reassigned", "device_off", "unknown",
)  # fmt: skip


def test_queries_come_at_the_planned_times() -> None:
    waits = [schedule.next_query_in(nr, 0.5).total_seconds() for nr in range(10)]
    assert waits == [5, 15, 30, 60, 120, 300, 600, 1800, 3600, 3600]


@given(st.integers(8, 10_000), st.floats(0, 1, exclude_max=True))
def test_later_queries_are_hourly_with_a_fifth_of_jitter(nr: int, chance: float) -> None:
    assert 2880 <= schedule.next_query_in(nr, chance).total_seconds() <= 4320


@pytest.mark.parametrize(
    ("state", "minutes", "sends", "one_order", "expected"),
    [
        (State.UNKNOWN, 10, 1, True, True),
        (State.UNKNOWN, 9.9, 1, True, False),
        (State.UNKNOWN, 60, 1, False, False),
        (State.UNKNOWN, 60, schedule.MAX_SENDS, True, False),
        (State.SENT, 60, 1, True, False),
        (State.FAILED, 60, 1, True, False),
    ],
)
def test_a_repeat_needs_a_not_found_for_longer_than_the_lag_and_a_rail_that_knows_repeats(
    state: State, minutes: float, sends: int, one_order: bool, expected: bool
) -> None:
    sent_at = NOW - timedelta(minutes=minutes)
    repeat = schedule.may_send_again(
        state, sent_at=sent_at, sends=sends, one_order=one_order, lag_s=600, now=NOW
    )
    assert repeat is expected


CANDIDATES = st.builds(
    router.Candidate,
    name=st.sampled_from(["bank", "wallet", "card", "express"]),
    capabilities=st.builds(
        Capabilities,
        direction=st.sampled_from(Direction),
        currency=st.sampled_from(["CNY", "INR"]),
        max_amount_minor=st.integers(1, 10_000_000),
        needs_payee_action=st.booleans(),
        same_ref_idempotent=st.booleans(),
        cost_minor=st.integers(0, 500),
    ),
    own_bank_account=st.booleans(),
)


@given(
    st.integers(1, 10_000_000),
    st.sampled_from(LINE_STATES),
    st.lists(CANDIDATES, max_size=4, unique_by=lambda rail: rail.name),
)
def test_a_dead_line_never_gets_a_rail_that_needs_a_phone(
    amount_minor: int, line_state: str, rails: list[router.Candidate]
) -> None:
    routing = router.route_payout(amount_minor, "CNY", line_state, rails)
    by_name = {rail.name: rail for rail in rails}
    for name in routing.choices:
        can = by_name[name].capabilities
        assert can.direction is Direction.OUT
        assert can.currency == "CNY"
        assert can.max_amount_minor >= amount_minor
        assert line_state == "active" or not can.needs_payee_action
    own = [by_name[name].own_bank_account for name in routing.choices]
    assert own == sorted(own, reverse=True)
    if not routing.choices:
        assert routing.reason
    out = {rail.name for rail in rails if rail.capabilities.direction is Direction.OUT}
    assert {*routing.choices, *(name for name, _ in routing.dropped)} == out


def test_with_a_dead_line_a_wallet_alone_leaves_a_visible_wait() -> None:
    wallet = Capabilities(Direction.OUT, "CNY", 1_000_000, needs_payee_action=True, same_ref_idempotent=True)
    routing = router.route_payout(1, "CNY", "suspended", [router.Candidate("wallet", wallet, False)])
    assert routing.choices == ()
    assert routing.reason == router.NEEDS_PHONE
    assert router.route_payout(1, "CNY", "suspended", []).reason == router.NO_RAIL
