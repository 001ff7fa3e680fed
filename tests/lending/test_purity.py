"""Time alone changes nothing: an event without an effect, which only cuts the walk in two, leaves all as it was."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, note, settings
from hypothesis import strategies as st

from lending.test_wide_properties import ACTS, END, LAST_DAY, PAYOUT, any_terms, history_of
from throughline.lending.history import (
    AppliesTo,
    Calculation,
    ChargeKind,
    ChargeRule,
    EventType,
    LoanEvent,
)
from throughline.lending.replay import replay
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import Amortization, LoanTerms, Recalculation


@given(any_terms(), ACTS, st.lists(st.integers(0, LAST_DAY), min_size=1, max_size=4))
@settings(max_examples=200)
def test_events_without_effect_change_nothing(
    terms: LoanTerms, acts: list[tuple[object, int, int]], days: list[int]
) -> None:
    kind = EventType.SET_FUTURE_RULE
    events = [one for one in history_of(terms, acts) if one.type is not kind]
    note(f"{terms}\n" + "\n".join(map(str, events)))
    idle = [
        LoanEvent(f"idle{nr}", kind, PAYOUT + timedelta(days=day), future=terms.allocation.future)
        for nr, day in enumerate(days)
    ]
    assert replay(terms, [*events, *idle], as_of=END) == replay(terms, events, as_of=END)


def cut_anywhere(terms: LoanTerms, events: list[LoanEvent], as_of: date) -> LoanState:
    """The state, after an event without an effect was tried on every day."""
    whole = replay(terms, events, as_of=as_of)
    for day in range((as_of - PAYOUT).days):
        idle = LoanEvent(
            "idle", EventType.SET_FUTURE_RULE, PAYOUT + timedelta(days=day), future=terms.allocation.future
        )
        assert replay(terms, [*events, idle], as_of=as_of) == whole, day
    return whole


def test_a_charge_on_overdue_interest_is_of_its_own_day() -> None:
    """10 % of what was overdue the day after each due date, not of what it has grown to since."""
    terms = LoanTerms(
        "CNY", 100_000, Decimal(24), 3, recalculation=Recalculation(enabled=True), arrears_days=0
    )
    rule = ChargeRule(Calculation.PERCENT_OF_INTEREST, AppliesTo.OVERDUE_INSTALLMENT, Decimal(10))
    late = LoanEvent("late", EventType.CHARGE, PAYOUT, charge_kind=ChargeKind.FEE, charge_rule=rule)
    events = [LoanEvent("payout", EventType.DISBURSEMENT, PAYOUT, 100_000), late]
    state = cut_anywhere(terms, events, date(2026, 8, 1))
    assert [(one.due_date, one.amount_minor) for one in state.charges] == [
        (date(2026, 2, 16), 204),
        (date(2026, 3, 16), 184),
        (date(2026, 4, 16), 210),
    ]


def test_an_overpayment_that_eats_a_later_tranche_leaves_no_interest() -> None:
    terms = LoanTerms(
        "CNY", 40_000, Decimal(48), 6, Amortization.BULLET, recalculation=Recalculation(enabled=True)
    )
    events = [
        LoanEvent("payout", EventType.DISBURSEMENT, PAYOUT, 20_000),
        LoanEvent("paid", EventType.REPAYMENT, PAYOUT, 22_000),
        LoanEvent("more", EventType.DISBURSEMENT, date(2026, 7, 14), 1_000),
    ]
    state = cut_anywhere(terms, events, date(2026, 8, 1))
    assert (state.status, state.overpaid_minor) == (LoanStatus.OVERPAID, 1_000)
