"""What must hold for every loan and every history (lending.md section 15)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lending.samples import History, loan_terms
from throughline.ledger.entries import check as check_lines
from throughline.lending.accrual import Accrued
from throughline.lending.books import earned_by, plan_entries, totals
from throughline.lending.delinquency import delinquency
from throughline.lending.history import ChargeKind, EventType, LoanEvent, Variation, VariationKind
from throughline.lending.quote import payoff_quote
from throughline.lending.replay import replay
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import (
    AllocationPreset,
    AllocationRule,
    Amortization,
    DayCount,
    Direction,
    FutureInstallments,
    LoanTerms,
    MonthBasis,
    OverdueInterest,
    YearBasis,
)

PAYOUT = date(2026, 1, 15)
LAST_DAY = 400
END = PAYOUT + timedelta(days=LAST_DAY)
PRESETS = [preset for preset in AllocationPreset if preset is not AllocationPreset.CUSTOM]

TERMS = st.builds(
    loan_terms,
    principal_minor=st.integers(1_000, 5_000_000),
    installments=st.integers(1, 12),
    annual_rate_percent=st.decimals(0, 36, places=2),
    amortization=st.sampled_from(list(Amortization)),
    day_count=st.builds(DayCount, st.sampled_from(list(YearBasis)), st.sampled_from(list(MonthBasis))),
    arrears_days=st.integers(0, 5),
    overdue_interest=st.none() | st.builds(OverdueInterest, st.decimals(0, 36, places=1), st.integers(0, 5)),
    allocation=st.builds(
        AllocationRule,
        st.sampled_from(PRESETS),
        st.sampled_from(list(Direction)),
        st.sampled_from(list(FutureInstallments)),
    ),
)

DAYS = st.integers(0, LAST_DAY)
PAUSES = [
    VariationKind.INTEREST_PAUSE,
    VariationKind.PENALTY_PAUSE,
    VariationKind.DELINQUENCY_PAUSE,
]
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), DAYS, st.integers(1, 900_000)),
        st.tuples(st.just("pay_off"), DAYS, st.none()),
        st.tuples(st.just("fee"), DAYS, st.integers(1, 20_000)),
        st.tuples(st.just("penalty"), DAYS, st.integers(1, 20_000)),
        st.tuples(st.sampled_from(PAUSES), DAYS, st.integers(1, 60)),
    ),
    max_size=10,
    unique_by=lambda act: act[1],
)


def _event(nr: int, act: tuple[object, int, int | None]) -> LoanEvent:
    kind, offset, number = act
    day = PAYOUT + timedelta(days=offset)
    if isinstance(kind, VariationKind):
        one = Variation(kind, day, day + timedelta(days=number or 1))
        return LoanEvent(f"e{nr}", EventType.VARIATION, day, variation=one, case="case")
    if kind in {"fee", "penalty"}:
        return LoanEvent(
            f"e{nr}",
            EventType.CHARGE,
            day,
            amount_minor=number,
            charge_kind=ChargeKind(str(kind)),
            due_date=day + timedelta(days=nr % 40),
        )
    event_type = EventType.PAY_OFF if kind == "pay_off" else EventType.REPAYMENT
    return LoanEvent(f"e{nr}", event_type, day, amount_minor=number)


def _history(terms: LoanTerms, acts: Sequence[tuple[object, int, int | None]]) -> list[LoanEvent]:
    loan = History(terms).disburse(PAYOUT, id="payout")
    for nr, act in enumerate(acts):
        loan.record(_event(nr, act))
    return loan.events


def _assert_identities(state: LoanState) -> None:
    for row in state.installments:
        for due, paid, waived, left in zip(row.due, row.paid, row.waived, row.outstanding, strict=True):
            assert due == paid + waived + left
            assert min(due, paid, waived, left) >= 0
    assert sum(row.due[0] for row in state.installments) == state.disbursed_minor
    money = [one for one in state.transactions if one.type in {EventType.REPAYMENT, EventType.PAY_OFF}]
    for one in money:
        assert one.amount_minor == sum(one.portions) + one.overpayment_minor
        assert sum(line.amount_minor for line in one.lines) == sum(one.portions)
    paid_in = sum(one.amount_minor for one in money)
    assert paid_in == sum(sum(row.paid) for row in state.installments) + state.overpaid_minor
    assert state.overpaid_minor == 0 or sum(state.outstanding) == 0
    assert (sum(state.outstanding) == 0) == state.closed
    for charge in state.charges:
        assert charge.amount_minor >= charge.paid_minor + charge.waived_minor


@given(TERMS, ACTS, DAYS)
def test_identities(terms: LoanTerms, acts: list[tuple[object, int, int | None]], offset: int) -> None:
    events = _history(terms, acts)
    _assert_identities(replay(terms, events, as_of=PAYOUT + timedelta(days=offset)))
    _assert_identities(replay(terms, events, as_of=END))


@given(TERMS, ACTS, st.randoms(use_true_random=False))
def test_the_order_of_recording_is_irrelevant(
    terms: LoanTerms, acts: list[tuple[object, int, int | None]], shuffle: random.Random
) -> None:
    events = _history(terms, acts)
    other = [events[0], *shuffle.sample(events[1:], len(events) - 1)]
    # Payments on the day of the payout come after it whatever was recorded first.
    one, two = replay(terms, events, as_of=END), replay(terms, other, as_of=END)
    assert one == two
    assert delinquency(one, END) == delinquency(two, END)


@given(TERMS, ACTS, st.data())
def test_revoked_and_reversed_is_never_applied(
    terms: LoanTerms, acts: list[tuple[object, int, int | None]], data: st.DataObject
) -> None:
    events = _history(terms, acts)
    variations = [event for event in events if event.type is EventType.VARIATION]
    payments = [event for event in events if event.type in {EventType.REPAYMENT, EventType.PAY_OFF}]
    gone = data.draw(st.lists(st.sampled_from(payments), unique_by=lambda one: one.id)) if payments else []
    undone = [
        *events,
        LoanEvent("revoke", EventType.REVOKE_VARIATIONS, END, case="case"),
        *(LoanEvent(f"r{one.id}", EventType.REVERSAL, END, target=one.id) for one in gone),
    ]
    never = [event for event in events if event not in variations and event not in gone]
    assert replay(terms, undone, as_of=END) == replay(terms, never, as_of=END)


@given(TERMS, ACTS)
def test_entries_balance_and_end_where_the_state_is(
    terms: LoanTerms, acts: list[tuple[object, int, int | None]]
) -> None:
    """Recorded one after another, with days closed between: each entry balances, and their sum is the books."""
    events = _history(terms, acts)
    recognised, through, before = Accrued(), None, None
    earned = Accrued()
    book: dict[str, int] = {}
    for nr in range(1, len(events) + 1):
        known = events[:nr]
        earned_before = earned
        through = PAYOUT + timedelta(days=40 * nr)
        earned = earned_by(terms, known, through)
        after = replay(terms, known, as_of=END)
        plan = plan_entries(
            before, after, recognised=recognised, earned_before=earned_before, earned_after=earned
        )
        for lines in (plan.event_lines, plan.accrual_lines):
            if lines:
                check_lines(lines)
            for line in lines:
                book[line.account] = book.get(line.account, 0) + line.debit_minor - line.credit_minor
        recognised, before = plan.recognised, after
        again = plan_entries(after, after, recognised=recognised, earned_before=earned, earned_after=earned)
        assert again.event_lines == again.accrual_lines == ()
    assert before is not None
    assert {k: v for k, v in book.items() if v} == {k: v for k, v in totals(before, recognised).items() if v}
    if before.closed:
        assert recognised == Accrued(
            *(sum(row.due[part] for row in before.installments) for part in (1, 2, 3))
        )


@given(TERMS, ACTS, DAYS)
def test_the_quote_leaves_nothing(
    terms: LoanTerms, acts: list[tuple[object, int, int | None]], offset: int
) -> None:
    day = PAYOUT + timedelta(days=offset)
    events = [event for event in _history(terms, acts) if event.value_date <= day]
    state = replay(terms, events, as_of=day)
    quote = payoff_quote(state, day)
    if quote.total_minor == 0:
        return
    paid = [*events, LoanEvent("last", EventType.PAY_OFF, day, amount_minor=quote.total_minor)]
    after = replay(terms, paid, as_of=day)
    assert after.status is LoanStatus.CLOSED
    assert (sum(after.outstanding), after.overpaid_minor) == (0, 0)
    _assert_identities(after)


@given(TERMS, ACTS)
def test_income_never_runs_backwards_over_the_days(
    terms: LoanTerms, acts: list[tuple[object, int, int | None]]
) -> None:
    events = _history(terms, acts)
    before = Accrued()
    for offset in range(0, LAST_DAY, 37):
        now = earned_by(terms, events, PAYOUT + timedelta(days=offset))
        assert now.interest_minor >= before.interest_minor
        assert now.fee_minor >= before.fee_minor
        assert now.penalty_minor >= before.penalty_minor
        before = now


def test_pauses_never_cost_the_borrower() -> None:
    loan = History(loan_terms(overdue_interest=OverdueInterest(Decimal(18)))).disburse(PAYOUT)
    plain = sum(sum(row.due) for row in loan.state(END).installments)
    for kind in PAUSES:
        loan.vary(kind, date(2026, 3, 1), date(2026, 3, 20))
    assert sum(sum(row.due) for row in loan.state(END).installments) < plain
