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
from throughline.lending.terms import DayCount, Frequency, MonthBasis, PeriodUnit, YearBasis

Ratio = tuple[int, int]
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


def period_factor(
    rate: Ratio, after: date, due: date, *, whole: bool, day_count: DayCount, every: Frequency
) -> Ratio:
    """ρ of a period (after, due]: rate x D / Y.

    D is 30 for each month of a whole period when `day_count.month` is 30, else the actual days.
    """
    share, year = year_share(after, due, day_count.year)
    if whole and day_count.month is MonthBasis.D30 and every.unit is PeriodUnit.MONTHS:
        days = 30 * every.count
        if day_count.year is not YearBasis.ACTUAL:
            return rate[0] * days, rate[1] * year
        return rate[0] * share * days, rate[1] * year * (due - after).days
    return rate[0] * share, rate[1] * year


# --- pauses -----------------------------------------------------------------------------------------

Span = tuple[date, date]  # first and last day, both inside


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
