"""Replay: allocation, penalties, pauses, reversals, pay-off, delinquency, on worked examples."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from lending.samples import History, loan_terms
from throughline.lending.accrual import accrued_to
from throughline.lending.allocation import Component, Debt, allocate
from throughline.lending.checks import HistoryError
from throughline.lending.delinquency import delinquency, frozen_range, paused_days
from throughline.lending.history import ChargeKind, VariationKind
from throughline.lending.quote import payoff_quote
from throughline.lending.rates import merge
from throughline.lending.replay import replay
from throughline.lending.state import LoanStatus
from throughline.lending.terms import (
    STANDARD_RANGES,
    AllocationPreset,
    AllocationRule,
    Direction,
    FutureInstallments,
    OverdueInterest,
    TermsError,
)

PAYOUT = date(2026, 1, 1)
FEB, MAR = date(2026, 2, 1), date(2026, 3, 1)


def test_a_payment_on_the_due_date_meets_the_installment() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    first = loan.state(PAYOUT).installments[0]
    loan.pay(FEB, first.outstanding_minor)
    state = loan.state(FEB)
    row = state.installments[0]
    assert (row.outstanding_minor, row.obligations_met_on, row.in_advance_minor, row.late_minor) == (
        0,
        FEB,
        0,
        0,
    )
    (_, payment) = state.transactions
    assert payment.portions == (row.due[0], row.due[1], 0, 0)
    assert state.status is LoanStatus.ACTIVE


def test_all_paid_closes_and_more_is_an_overpayment_that_a_later_charge_eats() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    owed = sum(loan.state(PAYOUT).outstanding)
    loan.pay(FEB, owed + 700)
    state = loan.state(FEB)
    assert (state.status, state.overpaid_minor, state.closed_on) == (LoanStatus.OVERPAID, 700, FEB)
    loan.charge(FEB + timedelta(days=1), 500)
    state = loan.state(MAR)
    assert (state.status, state.overpaid_minor) == (LoanStatus.OVERPAID, 200)
    assert state.charges[0].paid_minor == 500
    loan.charge(FEB + timedelta(days=2), 500)
    state = loan.state(MAR)
    assert (state.status, state.overpaid_minor, sum(state.outstanding)) == (LoanStatus.ACTIVE, 0, 300)
    assert state.closed_on is None


def test_reversal_is_as_if_it_never_was() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    without = loan.state(MAR)
    loan.pay(FEB, 20_000, id="p1").reverse("p1", FEB + timedelta(days=2))
    assert loan.state(MAR) == without
    with pytest.raises(HistoryError, match="reversed already"):
        loan.reverse("p1", MAR)


def test_a_returned_payout_brings_back_approved() -> None:
    loan = History(loan_terms()).disburse(PAYOUT, id="d1").reverse("d1", PAYOUT)
    state = loan.state(MAR)
    assert (state.status, state.installments, sum(state.outstanding)) == (LoanStatus.APPROVED, (), 0)
    again = loan.disburse(PAYOUT + timedelta(days=3)).state(MAR)
    assert again.disbursed_on == PAYOUT + timedelta(days=3)


def test_a_charge_belongs_to_the_period_of_its_due_date_and_may_come_after_the_last() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    loan.charge(PAYOUT, 1_000, due=FEB, id="c1").charge(PAYOUT, 300, due=date(2026, 9, 9))
    state = loan.state(PAYOUT)
    assert state.installments[0].due[2] == 1_000
    assert (state.installments[6].additional, state.installments[6].due) == (True, (0, 0, 300, 0))
    loan.waive("c1", FEB)
    state = loan.state(FEB)
    assert (state.installments[0].waived[2], state.charges[0].waived_minor) == (1_000, 1_000)


def test_penalty_interest_runs_on_overdue_principal_after_the_grace_without_paused_days() -> None:
    terms = loan_terms(overdue_interest=OverdueInterest(Decimal("18"), grace_days=3))
    loan = History(terms).disburse(PAYOUT)
    principal = loan.state(PAYOUT).installments[0].due[0]

    def penalty(days: int) -> int:
        return round(Decimal(principal * 18 * days) / 36_500)

    assert loan.state(FEB + timedelta(days=3)).installments[0].due[3] == 0
    assert loan.state(FEB + timedelta(days=13)).installments[0].due[3] == penalty(10)
    loan.vary(VariationKind.PENALTY_PAUSE, FEB + timedelta(days=5), FEB + timedelta(days=8))
    assert loan.state(FEB + timedelta(days=13)).installments[0].due[3] == penalty(6)
    # The clock of delinquency stands from … to-1; no penalty on those days, overlapping ones count once.
    loan.vary(VariationKind.DELINQUENCY_PAUSE, FEB + timedelta(days=7), FEB + timedelta(days=11))
    assert loan.state(FEB + timedelta(days=13)).installments[0].due[3] == penalty(4)


def test_pauses_of_delinquency_count_only_after_the_due_date() -> None:
    loan = History(loan_terms(arrears_days=3, first_due_date=date(2026, 3, 10))).disburse(date(2026, 2, 10))
    loan.vary(VariationKind.DELINQUENCY_PAUSE, date(2026, 3, 5), date(2026, 3, 25))
    late = delinquency(loan.state(date(2026, 3, 30)), date(2026, 3, 30))
    assert (late.past_due_days, late.paused_days, late.delinquent_days) == (20, 15, 2)
    assert (late.range, late.delinquent_since, late.paused) == ("RANGE_1", date(2026, 3, 13), False)
    assert delinquency(loan.state(date(2026, 3, 24)), date(2026, 3, 24)).paused
    loan.resume(date(2026, 3, 20))
    late = delinquency(loan.state(date(2026, 3, 30)), date(2026, 3, 30))
    assert (late.paused_days, late.delinquent_days) == (10, 7)


def test_overlapping_pauses_are_merged() -> None:
    pauses = merge([(date(2026, 3, 5), date(2026, 3, 20)), (date(2026, 3, 15), date(2026, 3, 25))])
    assert paused_days(pauses, date(2026, 3, 10), date(2026, 3, 30)) == 15


def test_a_frozen_range_improves_but_never_worsens() -> None:
    assert frozen_range("RANGE_2", "RANGE_3", STANDARD_RANGES, paused=True) == "RANGE_2"
    assert frozen_range("RANGE_2", None, STANDARD_RANGES, paused=True) is None
    assert frozen_range(None, "RANGE_1", STANDARD_RANGES, paused=True) is None
    assert frozen_range("RANGE_2", "RANGE_3", STANDARD_RANGES, paused=False) == "RANGE_3"


def test_accrual_is_rounded_from_the_start_of_the_period() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    state = loan.state(MAR)
    interest = [accrued_to(state, PAYOUT + timedelta(days=days)).interest_minor for days in range(60)]
    first, second = state.installments[:2]
    assert interest[31] == first.due[1]
    assert interest[59] == first.due[1] + second.due[1]
    assert interest[17] == round(Decimal(100_000 * 12 * 17) / 36_500)


def test_paying_the_quote_on_its_day_leaves_nothing() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    loan.charge(PAYOUT, 250, due=FEB).charge(PAYOUT, 990, due=date(2026, 5, 1))
    day = date(2026, 2, 15)
    quote = payoff_quote(loan.state(day), day)
    first, second = loan.state(day).installments[:2]
    assert quote.interest_minor == first.due[1] + round(Decimal(second.opening_minor * 12 * 14) / 36_500)
    assert quote.fee_minor == 250
    loan.pay_off(day, quote.total_minor)
    state = loan.state(MAR)
    assert (state.status, sum(state.outstanding), state.overpaid_minor) == (LoanStatus.CLOSED, 0, 0)
    short = History(loan_terms()).disburse(PAYOUT)
    short.pay_off(day, payoff_quote(short.state(day), day).total_minor - 1)
    assert short.state(day).status is LoanStatus.ACTIVE


def test_a_later_back_dated_event_turns_a_pay_off_into_a_repayment() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    day = date(2026, 2, 15)
    quote = payoff_quote(loan.state(day), day)
    loan.pay_off(day, quote.total_minor).charge(FEB, 5_000, due=FEB)
    state = loan.state(MAR)
    assert state.status is LoanStatus.ACTIVE
    assert sum(state.outstanding) > 5_000  # interest of later installments stands again


DEBTS = [
    Debt(1, FEB, [100, 10, 5, 2], [0, 0, 5, 2]),
    Debt(2, MAR, [100, 9, 0, 0], [0, 0, 0, 0]),
    Debt(3, date(2026, 4, 1), [100, 8, 7, 0], [0, 0, 7, 0]),
    Debt(4, date(2026, 5, 1), [100, 7, 0, 0], [0, 0, 0, 0]),
]
P, I, F, N = Component.PRINCIPAL, Component.INTEREST, Component.FEE, Component.PENALTY  # noqa: E741


@pytest.mark.parametrize(
    ("rule", "amount", "expected"),
    [
        (AllocationRule(), 20, [(1, N, 2), (1, F, 5), (1, I, 10), (1, P, 3)]),
        (AllocationRule(AllocationPreset.CN_STATUTORY), 20, [(1, F, 5), (1, I, 10), (1, N, 2), (1, P, 3)]),
        (
            AllocationRule(AllocationPreset.DUE_FIRST_IN_ADVANCE_PRINCIPAL),
            240,
            [(1, N, 2), (1, F, 5), (1, I, 10), (1, P, 100), (2, I, 9), (2, P, 100), (3, F, 7), (3, P, 7)],
        ),
        (
            AllocationRule(AllocationPreset.DUE_FIRST_INTEREST_PRINCIPAL),
            120,
            [(1, N, 2), (1, I, 10), (1, P, 100), (1, F, 5), (2, I, 3)],
        ),
        (
            AllocationRule(AllocationPreset.STANDARD, future=FutureInstallments.LAST),
            240,
            [(1, N, 2), (1, F, 5), (1, I, 10), (1, P, 100), (2, I, 9), (2, P, 100), (4, I, 7), (4, P, 7)],
        ),
        (
            AllocationRule(AllocationPreset.STANDARD, direction=Direction.VERTICAL),
            120,
            [(1, N, 2), (1, F, 5), (1, I, 10), (1, P, 100), (2, I, 3)],
        ),
        (
            AllocationRule(AllocationPreset.STANDARD, future=FutureInstallments.REAMORTIZE),
            227,
            [(1, N, 2), (1, F, 5), (1, I, 10), (1, P, 100), (2, I, 9), (2, P, 100), (4, I, 1)],
        ),
    ],
)
def test_presets(rule: AllocationRule, amount: int, expected: list[tuple[int, Component, int]]) -> None:
    lines = allocate(amount, MAR, DEBTS, rule)
    assert [(line.installment, line.component, line.amount_minor) for line in lines] == expected


def test_a_custom_order_needs_all_twelve() -> None:
    rule = AllocationRule(AllocationPreset.CUSTOM, order=("due.fee",) * 12)
    with pytest.raises(TermsError, match="12"):
        allocate(1, MAR, DEBTS, rule)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda loan: loan.pay(date(2025, 12, 31), 5), "before_disbursement"),
        (lambda loan: loan.pay(FEB, -5), "amount_out_of_range"),
        (lambda loan: loan.pay(FEB, 10**17), "amount_out_of_range"),
        (lambda loan: loan.disburse(FEB), "more_than_principal"),
        (lambda loan: loan.reverse("nothing", FEB), "not_reversible"),
        (lambda loan: loan.waive("nothing", FEB), "charge_not_found"),
        (lambda loan: loan.vary(VariationKind.INTEREST_PAUSE, MAR, FEB), "empty_pause"),
        (lambda loan: loan.vary(VariationKind.DELINQUENCY_PAUSE, MAR, MAR), "empty_pause"),
        (lambda loan: loan.pay(date(9999, 1, 1), 5), "date_out_of_range"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(act: object, code: str) -> None:
    assert callable(act)
    with pytest.raises(HistoryError) as caught:
        act(History(loan_terms()).disburse(PAYOUT))
    assert caught.value.code == code


def test_a_charge_kind_says_where_it_stands() -> None:
    loan = History(loan_terms()).disburse(PAYOUT)
    loan.charge(PAYOUT, 700, due=FEB, kind=ChargeKind.PENALTY)
    assert loan.state(PAYOUT).installments[0].due[3] == 700


def test_replay_without_events_is_an_approved_loan() -> None:
    assert replay(loan_terms(), [], as_of=MAR).status is LoanStatus.APPROVED
