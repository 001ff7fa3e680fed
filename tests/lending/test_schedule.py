"""Schedules: the worked examples of the design, and what every schedule must keep."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.samples import MONTH_30_360, loan_terms
from throughline.kernel.money import Rounding, round_minor
from throughline.lending.periods import DueDateShift, Grid, ScheduleError
from throughline.lending.rates import days_inside, merge, round_ratio, year_share
from throughline.lending.schedule import InterestPause, Schedule, Tranche, build_schedule
from throughline.lending.terms import (
    Amortization,
    DayCount,
    DueDates,
    Frequency,
    LoanTerms,
    PeriodUnit,
    RoundingRules,
    TermsError,
    YearBasis,
)

PAYOUT = date(2026, 1, 15)


def _year_of_12000(day_count: DayCount) -> tuple[LoanTerms, list[Tranche]]:
    terms = loan_terms(principal_minor=1_200_000, installments=12, day_count=day_count)
    return terms, [Tranche(PAYOUT, 1_200_000)]


def _installments(schedule: Schedule) -> list[int]:
    return [row.principal_minor + row.interest_minor for row in schedule.installments]


def test_equal_installments_30_360() -> None:
    schedule = build_schedule(*_year_of_12000(MONTH_30_360))
    assert _installments(schedule) == [106_619] * 11 + [106_614]
    assert schedule.total_interest_minor == 79_423


def test_equal_installments_actual_365() -> None:
    schedule = build_schedule(*_year_of_12000(DayCount(YearBasis.D365)))
    assert _installments(schedule) == [106_591] * 11 + [106_588]
    assert schedule.total_interest_minor == 79_089
    assert schedule.installments[1].due_date == date(2026, 3, 15)


def test_an_interest_pause_falls_into_its_periods_and_the_last_absorbs() -> None:
    terms, tranches = _year_of_12000(DayCount(YearBasis.D365))
    plain = build_schedule(terms, tranches)
    paused = build_schedule(terms, tranches, [InterestPause(date(2026, 4, 1), date(2026, 4, 20))])
    assert [row.interest_minor for row in plain.installments[2:4]] == [10_286, 9_004]
    assert [row.interest_minor for row in paused.installments[2:4]] == [5_309, 7_463]
    assert _installments(paused) == [106_591] * 11 + [99_525]
    assert paused.total_interest_minor == 72_026


def test_a_pause_that_begins_on_the_first_interest_day_takes_it() -> None:
    terms, tranches = _year_of_12000(DayCount(YearBasis.D365))
    one_day = build_schedule(terms, tranches, [InterestPause(date(2026, 2, 16), date(2026, 2, 16))])
    plain = build_schedule(terms, tranches).installments[1]
    assert one_day.installments[1].interest_minor == round(Fraction(plain.opening_minor * 12 * 27, 36_500))


def test_equal_principal() -> None:
    terms = loan_terms(
        principal_minor=100_000,
        installments=3,
        day_count=MONTH_30_360,
        amortization=Amortization.EQUAL_PRINCIPAL,
    )
    rows = build_schedule(terms, [Tranche(PAYOUT, 100_000)]).installments
    assert [row.principal_minor for row in rows] == [33_333, 33_333, 33_334]
    assert [row.interest_minor for row in rows] == [1_000, 667, 333]


def test_zero_rate() -> None:
    terms = loan_terms(principal_minor=100_000, installments=3, annual_rate_percent=Decimal(0))
    assert _installments(build_schedule(terms, [Tranche(PAYOUT, 100_000)])) == [33_333, 33_333, 33_334]


def test_a_given_installment_decides_the_number() -> None:
    terms = loan_terms(principal_minor=100_000, installments=1, installment_minor=30_000)
    amounts = _installments(build_schedule(terms, [Tranche(PAYOUT, 100_000)]))
    assert amounts[:-1] == [30_000] * (len(amounts) - 1)
    assert len(amounts) == 4
    assert amounts[-1] < 30_000
    small = loan_terms(principal_minor=100_000, installments=1, installment_minor=1_000)
    with pytest.raises(ScheduleError, match="interest"):
        build_schedule(small, [Tranche(PAYOUT, 100_000)])


def test_interest_above_the_installment_is_carried_without_interest() -> None:
    terms = loan_terms(
        principal_minor=100_000,
        installments=4,
        annual_rate_percent=Decimal(60),
        first_due_date=date(2027, 3, 15),
    )
    rows = build_schedule(terms, [Tranche(PAYOUT, 100_000)]).installments
    assert rows[0].principal_minor == 0
    assert rows[0].accrual_minor > rows[0].interest_minor
    assert sum(row.interest_minor for row in rows) == sum(row.accrual_minor for row in rows)
    assert sum(row.principal_minor for row in rows) == 100_000


def test_due_dates_count_from_the_anchor() -> None:
    grid = Grid(loan_terms(installments=3), date(2026, 1, 31))
    assert [grid.due_on(nr) for nr in (1, 2, 3)] == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]
    ends = Grid(loan_terms(due_dates=DueDates.MONTH_END), date(2026, 1, 10))
    assert [ends.due_on(nr) for nr in (1, 2)] == [date(2026, 2, 28), date(2026, 3, 31)]
    weeks = Grid(loan_terms(repay_every=Frequency(2, PeriodUnit.WEEKS)), date(2026, 1, 1))
    assert weeks.due_on(3) == date(2026, 2, 12)


def test_actual_days_count_by_their_own_year() -> None:
    share, year = year_share(date(2023, 12, 15), date(2024, 1, 15), YearBasis.ACTUAL)
    assert Fraction(share, year) == Fraction(16, 365) + Fraction(15, 366)


def test_a_moved_due_date_moves_its_interest_days() -> None:
    terms, tranches = _year_of_12000(DayCount(YearBasis.D365))
    one = DueDateShift(date(2026, 3, 15), date(2026, 3, 25), following=False)
    rows = build_schedule(terms, tranches, [one]).installments
    assert [(row.due_date - row.from_date).days for row in rows[1:3]] == [38, 21]
    assert rows[1].interest_minor == round_ratio(rows[1].opening_minor * 12 * 38, 36_500, Rounding.HALF_EVEN)
    all_later = DueDateShift(date(2026, 3, 15), date(2026, 3, 25), following=True)
    moved = build_schedule(terms, tranches, [all_later]).installments
    assert [row.due_date.day for row in moved[1:]] == [25] * 11
    for shift, code in [
        (DueDateShift(date(2026, 3, 16), date(2026, 3, 25), following=False), "installment_not_found"),
        (DueDateShift(date(2026, 3, 15), date(2026, 4, 15), following=False), "due_date_out_of_order"),
        (DueDateShift(date(2026, 3, 15), date(2026, 2, 15), following=True), "due_date_out_of_order"),
    ]:
        with pytest.raises(ScheduleError) as caught:
            build_schedule(terms, tranches, [shift])
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"principal_minor": 0}, "principal"),
        ({"principal_minor": 10**18}, "principal"),
        ({"installments": 10_000}, "installments"),
        ({"annual_rate_percent": Decimal("NaN")}, "annual_rate_percent"),
        ({"annual_rate_percent": Decimal(-1)}, "annual_rate_percent"),
        ({"arrears_days": -1}, "grace.arrears_days"),
        ({"repay_every": Frequency(0)}, "repay_every.count"),
    ],
)
def test_absurd_terms_name_their_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(TermsError) as caught:
        loan_terms(**change)
    assert caught.value.field == field


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**9), st.sampled_from(list(Rounding)))
def test_integer_rounding_equals_decimal(numerator: int, denominator: int, mode: Rounding) -> None:
    from decimal import localcontext

    with localcontext(prec=60):
        assert round_ratio(numerator, denominator, mode) == round_minor(
            Decimal(numerator) / denominator, mode
        )


DAYS = st.dates(date(2026, 1, 1), date(2026, 6, 30))


@given(st.lists(st.tuples(DAYS, DAYS).map(lambda two: (min(two), max(two)))), DAYS, DAYS)
def test_merged_days_are_days_of_a_set(spans: list[tuple[date, date]], after: date, through: date) -> None:
    inside = {first + timedelta(days=n) for first, last in spans for n in range((last - first).days + 1)}
    expected = sum(after < day <= through for day in inside)
    assert days_inside(after, through, merge(spans)) == expected


TERMS = st.builds(
    loan_terms,
    principal_minor=st.integers(1_000, 10**9),
    installments=st.integers(1, 60),
    annual_rate_percent=st.decimals(0, 36, places=2),
    amortization=st.sampled_from(list(Amortization)),
    day_count=st.builds(
        DayCount, st.sampled_from(list(YearBasis)), st.sampled_from(list(type(MONTH_30_360.month)))
    ),
    repay_every=st.sampled_from(
        [Frequency(), Frequency(1, PeriodUnit.WEEKS), Frequency(15, PeriodUnit.DAYS)]
    ),
    rounding=st.builds(RoundingRules, st.sampled_from(list(Rounding)), st.sampled_from([1, 100])),
)


@given(TERMS, st.lists(st.tuples(st.integers(0, 900), st.integers(0, 60)), max_size=3))
def test_what_every_schedule_keeps(terms: LoanTerms, pauses: list[tuple[int, int]]) -> None:
    changes = [
        InterestPause(PAYOUT + timedelta(days=start), PAYOUT + timedelta(days=start + length))
        for start, length in pauses
    ]
    plain = build_schedule(terms, [Tranche(PAYOUT, terms.principal_minor)])
    schedule = build_schedule(terms, [Tranche(PAYOUT, terms.principal_minor)], changes)
    rows = schedule.installments
    assert sum(row.principal_minor for row in rows) == terms.principal_minor
    assert rows[-1].balance_minor == 0
    assert all(row.principal_minor >= 0 and row.interest_minor >= 0 for row in rows)
    assert all(one.due_date == other.from_date for one, other in pairwise(rows))
    assert sum(row.accrual_minor for row in rows) == schedule.total_interest_minor
    assert schedule.total_interest_minor <= plain.total_interest_minor + len(rows)
    if terms.amortization is Amortization.EQUAL_INSTALLMENTS:
        assert all(
            row.principal_minor + row.interest_minor <= schedule.installment_minor for row in rows[:-1]
        )
