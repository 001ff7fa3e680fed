"""Rates as exact ratios of integers, and how days become a share of a year (lending.md sections 3 and 4).

A rate factor is a pair (numerator, denominator), so that interest is one integer division with a named
rounding: no drift, no float.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from throughline.kernel.money import Rounding
from throughline.lending.terms import (
    Frequency,
    InterestPeriod,
    LoanTerms,
    MonthBasis,
    PeriodUnit,
    ScheduleType,
    YearBasis,
)

Ratio = tuple[int, int]
Span = tuple[date, date]  # first and last day, both inside
ZERO: Ratio = (0, 1)
ACTUAL_YEARS = 365 * 366  # common denominator of days in common and in leap years


def round_ratio(numerator: int, denominator: int, mode: Rounding) -> int:
    """numerator / denominator to a whole number; the denominator is positive."""
    if numerator < 0:
        return -round_ratio(-numerator, denominator, mode)
    whole, rest = divmod(numerator, denominator)
    if not rest or mode is Rounding.DOWN:
        return whole
    if mode is Rounding.UP:
        return whole + 1
    twice = 2 * rest
    if twice > denominator:
        return whole + 1
    if twice == denominator and (mode is Rounding.HALF_UP or whole % 2):
        return whole + 1
    return whole


def add_ratios(one: Ratio, other: Ratio) -> Ratio:
    """The sum; equal denominators, the usual case, stay as they are."""
    if one[1] == other[1]:
        return one[0] + other[0], one[1]
    return one[0] * other[1] + other[0] * one[1], one[1] * other[1]


def times(one: Ratio, other: Ratio) -> Ratio:
    """The product."""
    return one[0] * other[0], one[1] * other[1]


def round_to(numerator: int, denominator: int, mode: Rounding, unit: int) -> int:
    """numerator / denominator to a whole multiple of `unit`."""
    if unit == 1:
        return round_ratio(numerator, denominator, mode)
    return unit * round_ratio(numerator, denominator * unit, mode)


def rate_ratio(annual_rate_percent: Decimal) -> Ratio:
    """A yearly rate in percent as a ratio: 12.5 -> (125, 1000)."""
    numerator, denominator = annual_rate_percent.as_integer_ratio()
    return numerator, denominator * 100


def year_share(after: date, through: date, year: YearBasis) -> Ratio:
    """The interest days after+1 … through as a share of a year.

    `actual`: each day counts 1/365 or 1/366 by its own calendar year.
    """
    if year is not YearBasis.ACTUAL:
        return (through - after).days, int(year.value)
    share = 0
    day = after
    while day < through:
        # The days of one calendar year at a time: day+1 … the end of the year of day+1.
        first = day + timedelta(days=1)
        last = min(through, date(first.year, 12, 31))
        share += (last - day).days * (365 if isleap(first.year) else 366)
        day = last
    return share, ACTUAL_YEARS


def unpaused_share(after: date, through: date, year: YearBasis, spans: Sequence[Span]) -> Ratio:
    """The interest days after+1 … through as a share of a year, without those in the merged spans."""
    share, denominator = year_share(after, through, year)
    for first, last in spans:
        low, high = max(after, first - timedelta(days=1)), min(through, last)
        if low < high:
            share -= year_share(low, high, year)[0]
    return share, denominator


def period_share(after: date, due: date, *, whole: bool, terms: LoanTerms) -> Ratio:
    """The share of a year that the period (after, due] counts for interest (lending.md section 4).

    Progressive: D / Y, D being 30 for each month of a whole period when `day_count.month` is 30, else the
    actual days; `year` actual counts each day by its own calendar year. Cumulative by days: the same with
    Y = 365 for `actual`. Cumulative by periods: one period of the year, whatever its days.
    """
    every, day_count = terms.repay_every, terms.day_count
    cumulative = terms.schedule_type is ScheduleType.CUMULATIVE
    if cumulative and terms.interest_period is InterestPeriod.SAME_AS_REPAYMENT:
        return standard_share(terms)
    if cumulative and day_count.year is YearBasis.ACTUAL:
        share, year = (due - after).days, 365
    else:
        share, year = year_share(after, due, day_count.year)
    if whole and day_count.month is MonthBasis.D30 and every.unit is PeriodUnit.MONTHS:
        days = 30 * every.count
        if year != ACTUAL_YEARS:
            return days, year
        return share * days, year * (due - after).days
    return share, year


def standard_share(terms: LoanTerms, every: Frequency | None = None) -> Ratio:
    """One period as a share of a year without looking at a calendar: months of 12, weeks of 52, days of Y.

    `every` is the period where it is not that of the terms.
    """
    every = every or terms.repay_every
    year = 365 if terms.day_count.year is YearBasis.ACTUAL else int(terms.day_count.year.value)
    if terms.interest_period is InterestPeriod.DAILY:
        days = {PeriodUnit.MONTHS: 30, PeriodUnit.WEEKS: 7, PeriodUnit.DAYS: 1}[every.unit]
        return days * every.count, year
    return every.count, {PeriodUnit.MONTHS: 12, PeriodUnit.WEEKS: 52, PeriodUnit.DAYS: year}[every.unit]


# --- pauses -----------------------------------------------------------------------------------------


def merge(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order, overlapping ones joined, so that no day counts twice."""
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def days_inside(after: date, through: date, spans: Sequence[Span]) -> int:
    """How many of the days after+1 … through lie in the merged spans."""
    inside = 0
    for first, last in spans:
        start = max(after.toordinal(), first.toordinal() - 1)
        inside += max(0, min(through.toordinal(), last.toordinal()) - start)
    return inside
