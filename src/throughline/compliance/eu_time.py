"""Time in years as the EU consumer credit directives count it.

Directive (EU) 2023/2225, annex III part I, remark (c), as before it Directives 2008/48/EC and 2011/90/EU: a
year has 365 days (366 in leap years), 52 weeks or 12 equal months. What is no whole number of them is a
whole number of one of them (here years) and days, counted back from the later date. The days are divided by
the days of the whole year that ends with the last of them.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from throughline.compliance.calendar_time import PLAIN, Series


def eu_times(start: date, dates: Iterable[date], series: Series = PLAIN) -> dict[date, Fraction]:
    """Years from `start` to each date. Where all dates lie whole weeks away, all are counted in weeks.

    So a weekly loan stays weekly when one of its payments happens to fall a whole month after the start.
    """
    every = set(dates)
    weekly = all((on - start).days % 7 == 0 for on in every)
    monthly = all(series.months(start, on)[1] == 0 for on in every)
    if weekly and not monthly:
        return {on: Fraction((on - start).days, 7 * 52) for on in every}
    return {on: eu_years(start, on, series) for on in every}


def eu_years(start: date, end: date, series: Series = PLAIN) -> Fraction:
    """Years between two dates: whole months where they fit, else whole weeks, else years and days."""
    months, rest = series.months(start, end)
    if rest == 0:
        return Fraction(months, 12)
    days = (end - start).days
    if days % 7 == 0:
        return Fraction(days, 7 * 52)
    years = months // 12
    back = series.before(end, 12 * years)
    return years + Fraction((back - start).days, _days_of_year_to(back))


def _days_of_year_to(end: date) -> int:
    """Days of the year that ends on this day: 366 if it has a 29 February."""
    leap_year = end.year if (end.month, end.day) >= (2, 29) else end.year - 1
    return 366 if isleap(leap_year) else 365
