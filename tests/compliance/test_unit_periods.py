"""Unit periods and times, by the paragraphs of Regulation Z, Appendix J (b), and by the EU's counting."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.compliance.calendar_time import Series
from throughline.compliance.eu_time import eu_times, eu_years
from throughline.compliance.unit_periods import Unit, UnitPeriod, of_dates, of_years

START = date(2026, 1, 15)
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))


def _after(*days: int) -> list[date]:
    return [START + timedelta(days=one) for one in days]


@pytest.mark.parametrize(
    ("advances", "payments", "count", "unit"),
    [
        # The most frequent interval; the first, odd one does not matter.
        ([START], [date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)], 1, "months"),
        ([START], _after(9, 16, 23, 53), 1, "weeks"),
        ([START], _after(10, 20, 30), 10, "days"),
        ([START], [date(2026 + k, 1, 15) for k in (1, 2, 3)], 1, "years"),
        ([date(2026, 2, 1)], [date(2026, 2, 15), date(2026, 3, 1), date(2026, 3, 15)], 2, "weeks"),
        # 28 days in a February are a month too, but here each interval has four weeks.
        ([date(2026, 2, 1)], [date(2026, 3, 1), date(2026, 3, 29), date(2026, 4, 26)], 4, "weeks"),
        ([date(2026, 1, 15)], [date(2026, 1, 31), date(2026, 2, 15), date(2026, 2, 28), date(2026, 3, 15),
                               date(2026, 3, 31)], 1, "semimonths"),
        # As often: the shorter.
        ([START], _after(7, 14, 44, 74), 1, "weeks"),
        # None common: the average, (7 + 20) / 2 = 13.5 days, is nearest to two weeks.
        ([START], _after(7, 27), 2, "weeks"),
        # (30 + 33) / 2 by months of 30 days: a month.
        ([date(2026, 3, 1)], [date(2026, 4, 1), date(2026, 5, 4)], 1, "months"),
        # Intervals between advances count as well.
        (_after(0, 7, 14, 21), _after(365), 1, "weeks"),
        # One advance and one payment: the whole term, at most a year.
        ([START], [date(2026, 4, 15)], 3, "months"),
        ([START], _after(10), 10, "days"),
        ([START], [date(2029, 5, 1)], 1, "years"),
        ([START], [date(2027, 1, 15)], 1, "years"),
    ],
)  # fmt: skip
def test_the_unit_period_of_dates(advances: list[date], payments: list[date], count: int, unit: str) -> None:
    found = of_dates(advances, payments, Series.of(payments))
    assert found == UnitPeriod(count, Unit(unit))


@pytest.mark.parametrize(
    ("years", "count", "unit"),
    [
        (["0.25", "0.5", "0.75"], 3, "months"),
        (["0.083333", "0.166667", "0.25"], 1, "months"),
        (["0.0192308", "0.0384615", "0.0576923"], 1, "weeks"),
        (["0.5"], 6, "months"),
        (["3"], 12, "months"),
        (["0.7"], 256, "days"),
    ],
)
def test_the_unit_period_of_years(years: list[str], count: int, unit: str) -> None:
    assert of_years([Fraction(0)], [Fraction(one) for one in years]) == UnitPeriod(count, Unit(unit))


@pytest.mark.parametrize(
    ("unit", "start", "end", "time"),
    [
        ((1, "months"), date(1978, 2, 10), date(1978, 4, 1), (1, Fraction(19, 30))),
        ((3, "months"), date(1978, 5, 23), date(1978, 10, 1), (1, Fraction(39, 90))),
        ((1, "semimonths"), date(1978, 2, 23), date(1978, 3, 16), (1, Fraction(6, 15))),
        ((4, "weeks"), date(1978, 3, 18), date(1978, 4, 20), (1, Fraction(5, 28))),
        ((10, "days"), date(2026, 1, 1), date(2026, 1, 16), (1, Fraction(1, 2))),
        ((1, "years"), date(1978, 1, 17), date(1979, 7, 17), (1, Fraction(6, 12))),
        ((12, "months"), date(2026, 1, 1), date(2027, 1, 11), (1, Fraction(10, 365))),
    ],
)
def test_unit_periods_between_dates(
    unit: tuple[int, str], start: date, end: date, time: tuple[int, Fraction]
) -> None:
    assert UnitPeriod(unit[0], Unit(unit[1])).between(start, end) == time


def test_a_series_at_month_ends_stays_monthly() -> None:
    start = date(2026, 1, 31)
    ends = [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]
    series = Series.of(ends)
    assert [series.months(start, on) for on in ends] == [(1, 0), (2, 0), (3, 0)]
    thirtieths = [date(2026, 1, 30), date(2026, 2, 28), date(2026, 3, 30)]
    assert Series.of(thirtieths).months(date(2025, 12, 30), date(2026, 2, 28)) == (2, 0)
    assert Series.of([date(2026, 2, 28)]).months(start, date(2026, 2, 28)) == (0, 28)
    years = [date(2025, 2, 28), date(2026, 2, 28)]
    assert Series.of(years).months(date(2024, 2, 28), years[0]) == (12, 0)


@given(DAYS, DAYS, st.sampled_from([None, 29, 30, 31]))
def test_months_and_days_add_up(one: date, other: date, day: int | None) -> None:
    start, end = sorted((one, other))
    whole, rest = Series(day).months(start, end)
    assert whole >= 0
    assert 0 <= rest <= 31
    assert Series(day).before(end, whole) - timedelta(days=rest) == start
    assert eu_years(start, end) == pytest.approx((end - start).days / 365.2425, rel=0.004, abs=0.07)


@given(DAYS, DAYS, st.sampled_from(Unit), st.integers(1, 12))
def test_times_in_unit_periods_are_whole_and_a_fraction(
    one: date, other: date, unit: Unit, count: int
) -> None:
    start, end = sorted((one, other))
    period = UnitPeriod(1 if unit is Unit.YEARS else count, unit)
    whole, part = period.between(start, end)
    assert whole >= 0
    assert 0 <= part <= Fraction(31, 30)
    in_years = float((whole + part) / period.per_year)
    assert in_years == pytest.approx((end - start).days / 365.25, rel=0.02, abs=0.1)


def test_the_eu_counts_days_of_the_year_that_ends_with_them() -> None:
    assert eu_years(date(2024, 3, 10), date(2024, 4, 20)) == Fraction(41, 366)
    assert eu_years(date(2023, 3, 10), date(2023, 4, 20)) == Fraction(41, 365)
    assert eu_years(date(2024, 1, 1), date(2025, 1, 4)) == 1 + Fraction(3, 365)
    assert eu_years(date(1, 1, 1), date(3, 5, 4)) > 2


def test_a_weekly_loan_stays_weekly_for_the_eu() -> None:
    start = date(2026, 2, 1)
    weeks = [start + timedelta(weeks=k) for k in range(1, 6)]
    assert eu_times(start, weeks)[date(2026, 3, 1)] == Fraction(4, 52)
    months = [date(2026, 3, 1), date(2026, 4, 1)]
    assert eu_times(start, months)[date(2026, 3, 1)] == Fraction(1, 12)


@pytest.mark.parametrize(("count", "unit"), [(0, "months"), (13, "months"), (53, "weeks"), (2, "years")])
def test_a_unit_period_is_at_most_a_year(count: int, unit: str) -> None:
    with pytest.raises(ValueError, match="at most a year"):
        UnitPeriod(count, Unit(unit))
