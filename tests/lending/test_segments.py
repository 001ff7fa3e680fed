"""The accrual plan says of every day what a replay of that day says."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from lending.samples import History, loan_terms
from throughline.compliance.calendars import working_days
from throughline.compliance.working_days import Convention
from throughline.kernel.money import Rounding
from throughline.lending.accrual import accrued_to
from throughline.lending.checks import HistoryError
from throughline.lending.delinquency import delinquency
from throughline.lending.history import ChargeKind, Treatment, VariationKind
from throughline.lending.periods import ScheduleError
from throughline.lending.segments import accrual_plan
from throughline.lending.state import LoanStatus
from throughline.lending.terms import (
    NO_ADJUSTMENT,
    NO_FLOOR,
    Amortization,
    DayCount,
    DelinquencyFloor,
    DueDateAdjustment,
    Frequency,
    InterestDates,
    LoanTerms,
    MonthBasis,
    NonWorkingDays,
    OverdueBase,
    OverdueInterest,
    PeriodUnit,
    RoundingRules,
    YearBasis,
)

CALENDAR = working_days("CN", 2027, 2033)
ADJUSTMENTS = [DueDateAdjustment(one, interest) for one in Convention for interest in InterestDates]
LOANS = 3_000
LOANS_OF_A_SOAK = 30_000
DAYS_OF_LOAN = 6


def random_terms(chance: random.Random) -> LoanTerms:
    """Terms of every kind that the schedule knows."""
    every = chance.choice([Frequency(), Frequency(2, PeriodUnit.WEEKS), Frequency(10, PeriodUnit.DAYS)])
    return loan_terms(
        principal_minor=chance.choice([1_000, 99_999, 300_000, 4_999_999]),
        installments=chance.randint(1, 12),
        annual_rate_percent=Decimal(chance.randint(0, 3600)) / 100,
        amortization=chance.choice(list(Amortization)),
        day_count=DayCount(chance.choice(list(YearBasis)), chance.choice(list(MonthBasis))),
        repay_every=every,
        adjustment=chance.choice(ADJUSTMENTS) if every.days_at_least >= 14 else NO_ADJUSTMENT,
        rounding=RoundingRules(chance.choice(list(Rounding))),
        arrears_days=chance.randint(0, 4),
        floor=chance.choice([NO_FLOOR, DelinquencyFloor(1_000)]),
        calendar=CALENDAR,
        non_working_days=chance.choice(list(NonWorkingDays)),
        overdue_interest=chance.choice(
            [
                None,
                OverdueInterest(
                    Decimal(chance.randint(0, 240)) / 10,
                    chance.randint(0, 5),
                    chance.choice(list(OverdueBase)),
                ),
            ]
        ),
    )


def random_loan(chance: random.Random) -> History:
    """A loan with payments in time, late, early and none at all, charges, waivers, pauses, moved dates."""
    payout = date(2027, 1, 1) + timedelta(days=chance.randint(0, 500))
    loan = History(random_terms(chance)).disburse(payout, id="payout")
    day = payout
    for nr in range(chance.randint(0, 7)):
        day += timedelta(days=chance.randint(0, 45))
        try:
            match chance.choice(["pay", "pay", "fee", "penalty", "waive", "pause", "shift", "reverse"]):
                case "pay":
                    loan.pay(day, chance.randint(1, 1 + loan.terms.principal_minor // 4), id=f"p{nr}")
                case "fee":
                    loan.charge(
                        day,
                        chance.randint(1, 9_000),
                        due=day + timedelta(days=chance.randint(0, 60)),
                        id=f"c{nr}",
                    )
                case "penalty":
                    loan.charge(day, chance.randint(1, 9_000), kind=ChargeKind.PENALTY)
                case "waive":
                    loan.waive(f"c{nr - 1}", day)
                case "pause":
                    kind = chance.choice(
                        [
                            VariationKind.INTEREST_PAUSE,
                            VariationKind.DELINQUENCY_PAUSE,
                            VariationKind.PENALTY_PAUSE,
                        ]
                    )
                    first = day + timedelta(days=chance.randint(-20, 20))
                    loan.vary(
                        kind,
                        first,
                        first + timedelta(days=chance.randint(1, 40)),
                        treatment=chance.choice(list(Treatment))
                        if kind is VariationKind.INTEREST_PAUSE
                        else Treatment.FORGIVE,
                    )
                case "shift":
                    due = chance.choice(loan.state(day).installments).due_date
                    loan.vary(VariationKind.DUE_DATE_SHIFT, due, due + timedelta(days=chance.randint(1, 12)))
                    loan.state(day)
                case "reverse":
                    loan.reverse(f"p{nr - 1}", day)
        except HistoryError:
            continue
        except ScheduleError:
            loan.events.pop()
    return loan


@pytest.mark.parametrize("loans", [LOANS, pytest.param(LOANS_OF_A_SOAK, marks=pytest.mark.soak)])
def test_random_loans_accrue_by_lines_as_by_replay(loans: int) -> None:
    chance = random.Random(20261127)
    planned = active = 0
    for _ in range(loans):
        loan = random_loan(chance)
        last = max(event.value_date for event in loan.events) + timedelta(days=chance.choice([0, 0, 1, 40]))
        state = loan.state(last)
        if state.status is not LoanStatus.ACTIVE:
            continue
        active += 1
        plan = accrual_plan(loan.terms, loan.events, state)
        if plan is None:
            continue
        planned += 1
        for _ in range(DAYS_OF_LOAN):
            day = plan.valid_from + timedelta(days=chance.randint(0, 450))
            if not plan.covers(day):
                continue
            replayed = loan.state(day)
            rolled = plan.rolled(state, day)
            assert plan.at(day) == accrued_to(replayed, day, closed=False)
            assert rolled.installments == replayed.installments
            assert delinquency(rolled, day) == delinquency(replayed, day)
            assert plan.interest_limit_minor == sum(row.due[1] for row in replayed.installments)
            assert plan.fee_limit_minor == sum(row.due[2] for row in replayed.installments)
            meters = sum(amount for amount, _ in plan.meters(day).values())
            assert plan.penalty_charged_minor + meters == sum(row.due[3] for row in replayed.installments)
    assert active > loans // 2
    assert planned > 0.98 * active  # what lines do not describe must stay rare


def test_every_day_of_a_loan_across_a_leap_year_and_month_ends() -> None:
    for basis in YearBasis:
        terms = loan_terms(
            installments=3,
            day_count=DayCount(basis),
            overdue_interest=OverdueInterest(Decimal("18.3"), 2, OverdueBase.PRINCIPAL_AND_INTEREST),
        )
        loan = History(terms).disburse(date(2027, 10, 31)).pay(date(2027, 12, 20), 12_345)
        loan.vary(VariationKind.INTEREST_PAUSE, date(2027, 12, 28), date(2028, 1, 3))
        state = loan.state(date(2027, 12, 20))
        plan = accrual_plan(terms, loan.events, state)
        assert plan is not None
        for offset in range(800):
            day = plan.valid_from + timedelta(days=offset)
            assert plan.at(day) == accrued_to(loan.state(day), day, closed=False), day


def test_a_loan_that_is_not_active_has_no_plan() -> None:
    loan = History(loan_terms()).disburse(date(2027, 1, 1)).pay_off(date(2027, 1, 5))
    assert accrual_plan(loan.terms, loan.events, loan.state(date(2027, 1, 5))) is None


def test_a_penalty_pause_across_a_leap_year_is_in_the_plan() -> None:
    """The paused days of 2027 weigh 1/365, those of 2028 1/366; the lines are cut between them."""
    terms = loan_terms(day_count=DayCount(YearBasis.ACTUAL), overdue_interest=OverdueInterest(Decimal(18)))
    loan = History(terms).disburse(date(2027, 9, 1))
    loan.vary(VariationKind.PENALTY_PAUSE, date(2027, 12, 25), date(2028, 1, 9))
    plan = accrual_plan(terms, loan.events, loan.state(date(2027, 11, 1)))
    assert plan is not None
    assert plan.valid_until is not None
    assert plan.valid_until > date(2029, 1, 1)
    for offset in range(120):
        day = date(2027, 11, 1) + timedelta(days=offset)
        assert plan.at(day) == accrued_to(loan.state(day), day, closed=False), day
