"""The core beside independent oracles: numpy-financial, and a second implementation, day by day and slow."""

from __future__ import annotations

from calendar import isleap, monthrange
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy_financial as npf
from hypothesis import given, settings
from hypothesis import strategies as st

from lending.samples import MONTH_30_360, loan_terms
from throughline.kernel.money import Rounding
from throughline.lending.history import EventType, LoanEvent
from throughline.lending.replay import replay
from throughline.lending.schedule import Tranche, build_schedule
from throughline.lending.terms import (
    Amortization,
    DayCount,
    Recalculation,
    RoundingRules,
    ScheduleType,
    YearBasis,
)

PAYOUT = date(2027, 11, 15)  # a leap day and two turns of the year lie ahead
PRINCIPAL = st.integers(10_000, 5_000_000)
RATES = st.decimals(Decimal("0.5"), 36, places=2)


@given(PRINCIPAL, RATES, st.integers(2, 60))
@settings(max_examples=300)
def test_equal_installments_are_those_of_numpy_financial(principal: int, rate: Decimal, count: int) -> None:
    terms = loan_terms(
        principal_minor=principal,
        annual_rate_percent=rate,
        installments=count,
        day_count=MONTH_30_360,
        schedule_type=ScheduleType.CUMULATIVE,
    )
    schedule = build_schedule(terms, [Tranche(PAYOUT, principal)])
    monthly = float(rate) / 1200
    assert abs(schedule.installment_minor + npf.pmt(monthly, count, principal)) <= 0.5000001
    first = schedule.installments[0]
    assert abs(first.interest_minor + npf.ipmt(monthly, 1, count, principal)) <= 0.5000001
    whole = -npf.pmt(monthly, count, principal) * count - principal
    assert abs(schedule.total_interest_minor - whole) <= count


# --- a second implementation -------------------------------------------------------------------------


def due_dates(count: int) -> list[date]:
    """The same day of every month after the payout, or the month's last."""
    dates = []
    for nr in range(1, count + 1):
        year, month = divmod(PAYOUT.year * 12 + PAYOUT.month - 1 + nr, 12)
        dates.append(date(year, month + 1, min(PAYOUT.day, monthrange(year, month + 1)[1])))
    return dates


def day_rate(day: date, rate: Decimal, year: YearBasis) -> Fraction:
    """What one unit of money bears on one interest day."""
    days = {YearBasis.ACTUAL: 366 if isleap(day.year) else 365}.get(year)
    return Fraction(rate) / 100 / (days or int(year.value))


def half_even(value: Fraction) -> int:
    """Python's own rounding of a fraction is half to even."""
    return round(value)


def days_after(start: date, end: date) -> list[date]:
    return [start + timedelta(days=n) for n in range(1, (end - start).days + 1)]


@given(
    PRINCIPAL,
    RATES,
    st.integers(1, 24),
    st.sampled_from(list(YearBasis)),
    st.sampled_from([Amortization.EQUAL_INSTALLMENTS, Amortization.EQUAL_PRINCIPAL]),
)
@settings(max_examples=400)
def test_a_schedule_is_what_days_one_by_one_make(
    principal: int, rate: Decimal, count: int, year: YearBasis, how: Amortization
) -> None:
    terms = loan_terms(
        principal_minor=principal,
        annual_rate_percent=rate,
        installments=count,
        day_count=DayCount(year),
        amortization=how,
        rounding=RoundingRules(Rounding.HALF_EVEN),
    )
    schedule = build_schedule(terms, [Tranche(PAYOUT, principal)])
    balance, start, carried = principal, PAYOUT, 0
    for nr, (row, due) in enumerate(zip(schedule.installments, due_dates(count), strict=True), 1):
        interest = half_even(sum(balance * day_rate(day, rate, year) for day in days_after(start, due)))
        owed = interest + carried
        if how is Amortization.EQUAL_PRINCIPAL:
            part = min(balance, half_even(Fraction(principal, count)))
        else:
            owed = min(owed, schedule.installment_minor)
            part = min(balance, schedule.installment_minor - owed)
        if nr == count:
            owed, part = interest + carried, balance
        carried += interest - owed
        assert (row.due_date, row.interest_minor, row.principal_minor) == (due, owed, part)
        balance -= part
        start = due
    assert balance == 0


@given(
    PRINCIPAL,
    RATES,
    st.integers(2, 12),
    st.lists(st.integers(0, 40), min_size=12, max_size=12),
    st.integers(0, 11),
)
@settings(max_examples=300)
def test_interest_follows_late_payments_as_days_one_by_one_say(
    principal: int, rate: Decimal, count: int, delays: list[int], paid: int
) -> None:
    """Recalculation by the day: each installment is paid whole, in order, on its due date or some days
    late; until then its principal goes on bearing interest, also after the last due date."""
    terms = loan_terms(
        principal_minor=principal,
        annual_rate_percent=rate,
        installments=count,
        day_count=DayCount(YearBasis.D365),
        recalculation=Recalculation(enabled=True),
    )
    events = [LoanEvent("payout", EventType.DISBURSEMENT, PAYOUT, principal)]
    moves: dict[date, int] = {}
    day = PAYOUT
    for nr, due in enumerate(due_dates(count)[: min(paid, count - 1)]):
        day = max(day, due + timedelta(days=delays[nr]))
        row = replay(terms, events, as_of=day).installments[nr]
        events.append(LoanEvent(f"p{nr}", EventType.REPAYMENT, day, row.outstanding_minor))
        moves[day] = moves.get(day, 0) + row.outstanding[0]
    as_of = day + timedelta(days=1)
    state = replay(terms, events, as_of=as_of)
    start, real = PAYOUT, principal
    planned = 0  # principal of the installments so far, as the plan has it
    for nr, row in enumerate(state.installments):
        interest = Fraction(0)
        # What is overdue after the last due date goes on in the last installment.
        end = max(row.due_date, as_of) if nr == count - 1 else row.due_date
        for one in days_after(start, end):
            real -= moves.get(one - timedelta(days=1), 0) if one - timedelta(days=1) > start or nr == 0 else 0
            base = real if one <= as_of else principal - planned
            interest += base * day_rate(one, rate, YearBasis.D365)
        real -= moves.get(row.due_date, 0)
        assert abs(row.accrual_minor - interest) <= Fraction(1, 2)
        planned += row.due[0]
        start = row.due_date
    assert sum(row.due[0] for row in state.installments) == principal
    level = state.schedule.installment_minor if state.schedule else 0
    assert all(
        sum(row.due) == level
        for row in state.installments[:-1]
        if row.due[1] < level and row.outstanding_minor
    )
