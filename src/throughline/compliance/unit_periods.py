"""Unit periods of Regulation Z (12 CFR 1026), Appendix J, paragraphs (b)(3) to (b)(5).

A unit period is the interval that occurs most often in a loan, at most a year. Times are whole unit periods
and the fraction of one that remains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from throughline.compliance.calendar_time import PLAIN, Series

Time = tuple[int, Fraction]  # whole unit periods, and the fraction of one that remains


class Unit(StrEnum):
    DAYS = "days"
    WEEKS = "weeks"
    SEMIMONTHS = "semimonths"
    MONTHS = "months"
    YEARS = "years"


_A_YEAR = {Unit.DAYS: 365, Unit.WEEKS: 52, Unit.SEMIMONTHS: 24, Unit.MONTHS: 12, Unit.YEARS: 1}
_DAYS = {Unit.DAYS: 1, Unit.WEEKS: 7, Unit.SEMIMONTHS: 15, Unit.MONTHS: 30, Unit.YEARS: 365}
# Of two names for the same stretch of days the one that people would use stands first.
_PREFERENCE = [Unit.YEARS, Unit.MONTHS, Unit.SEMIMONTHS, Unit.WEEKS, Unit.DAYS]


@dataclass(frozen=True, slots=True)
class UnitPeriod:
    """So many days, weeks, half-months, months or years; at most a year. ValueError otherwise."""

    count: int
    unit: Unit

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _A_YEAR[self.unit]:
            raise ValueError(
                f"expected 1 to {_A_YEAR[self.unit]} {self.unit}: a unit period is at most a year"
            )

    @property
    def is_year(self) -> bool:
        return self.per_year == 1 and self.unit in {Unit.YEARS, Unit.MONTHS}

    @property
    def per_year(self) -> Fraction:
        """Unit periods in a year: 365, 52, 24, 12 or 1, divided by the multiple."""
        return Fraction(_A_YEAR[self.unit], self.count)

    @property
    def days(self) -> int:
        """Days of one unit period, by which odd days are divided: a month has 30, a year 365."""
        return 365 if self.is_year else _DAYS[self.unit] * self.count

    def between(self, start: date, end: date, series: Series = PLAIN) -> Time:
        """Unit periods from one date to a later one, by paragraph (b)(5)."""
        if self.unit in {Unit.DAYS, Unit.WEEKS}:
            return _divided((end - start).days, self.days)
        months, days = series.months(start, end)
        if self.is_year:
            years, months = divmod(months, 12)
            if days == 0:
                return years, Fraction(months, 12)
            return years, Fraction((series.before(end, 12 * years) - start).days, 365)
        if (self.count, self.unit) == (1, Unit.MONTHS):
            return months, Fraction(days, 30)
        return _divided(30 * months + days, self.days)

    def in_years(self, years: Fraction) -> Time:
        """Unit periods in so many years of equal periods."""
        periods = years * self.per_year
        whole = periods.numerator // periods.denominator
        return whole, periods - whole


def _divided(days: int, by: int) -> Time:
    whole, rest = divmod(days, by)
    return whole, Fraction(rest, by)


def of_dates(advances: Iterable[date], payments: Iterable[date], series: Series = PLAIN) -> UnitPeriod:
    """The unit period of dated flows, by paragraph (b)(4)."""
    given = sorted(set(advances))
    paid = sorted({on for on in payments if on > given[0]})
    chains = [given, [given[0], *paid]]
    if len(given) == 1 and len(paid) == 1:
        return _whole_term(given[0], paid[0], series)
    names = [name for chain in chains for name in _names(chain, series)]
    lengths = [
        UnitPeriod(1, Unit.SEMIMONTHS).between(a, b, series) for chain in chains for a, b in pairwise(chain)
    ]
    return _most_frequent(names) or _average([15 * (whole + part) for whole, part in lengths])


def of_years(advances: Iterable[Fraction], payments: Iterable[Fraction]) -> UnitPeriod:
    """The unit period of flows that stand at years: each interval counts as the nearest whole one."""
    given = sorted(set(advances))
    paid = sorted({at for at in payments if at > given[0]})
    steps = [b - a for chain in (given, [given[0], *paid]) for a, b in pairwise(chain)]
    if len(steps) == 1:
        return _nearest_name(min(steps[0], Fraction(1)))
    names = [{_nearest_name(step)} for step in steps if step <= 1]
    return _most_frequent(names) or _average([step * 360 for step in steps])


def _whole_term(start: date, end: date, series: Series) -> UnitPeriod:
    """One advance and one payment: the term itself, at most a year; in months where it is whole months."""
    months, rest = series.months(start, end)
    if months >= 12:
        return UnitPeriod(1, Unit.YEARS)
    if rest == 0:
        return UnitPeriod(months, Unit.MONTHS)
    return UnitPeriod(min((end - start).days, 365), Unit.DAYS)


def _names(chain: Sequence[date], series: Series) -> list[set[UnitPeriod]]:
    """For each interval of a chain every unit period that it is one of: 28 days may also be a month."""
    names = [_names_of(a, b, series) for a, b in pairwise(chain)]
    for index, (a, b, c) in enumerate(zip(chain, chain[1:], chain[2:], strict=False)):
        # Half-months differ in days; two of them make a month.
        if 13 <= (b - a).days <= 18 and 13 <= (c - b).days <= 18 and series.months(a, c) == (1, 0):
            names[index].add(UnitPeriod(1, Unit.SEMIMONTHS))
            names[index + 1].add(UnitPeriod(1, Unit.SEMIMONTHS))
    return names


def _names_of(start: date, end: date, series: Series) -> set[UnitPeriod]:
    days = (end - start).days
    months, rest = series.months(start, end)
    names = set()
    if rest == 0 and 1 <= months <= 12:
        names.add(UnitPeriod(months, Unit.MONTHS) if months < 12 else UnitPeriod(1, Unit.YEARS))
    if days % 7 == 0 and days <= 364:
        names.add(UnitPeriod(days // 7, Unit.WEEKS))
    if days <= 365:
        names.add(UnitPeriod(days, Unit.DAYS))
    return names


def _most_frequent(names: Iterable[set[UnitPeriod]]) -> UnitPeriod | None:
    """The common period that occurs most often, of several the shortest; None if none occurs twice."""
    counted = Counter(name for several in names for name in several)
    common = [(name, times) for name, times in counted.items() if times > 1]
    if not common:
        return None
    return min(common, key=lambda one: (-one[1], one[0].days, _PREFERENCE.index(one[0].unit)))[0]


def _average(days: Sequence[Fraction]) -> UnitPeriod:
    """The standard interval nearest to the average, of two as near the shorter.

    A day, a week, a half-month, a month, or a multiple of a week or a month up to a year.
    """
    mean = sum(days, Fraction(0)) / len(days)
    standard = [UnitPeriod(1, Unit.YEARS), UnitPeriod(1, Unit.SEMIMONTHS), UnitPeriod(1, Unit.DAYS)]
    standard += [UnitPeriod(count, Unit.MONTHS) for count in range(1, 12)]
    standard += [UnitPeriod(count, Unit.WEEKS) for count in range(1, 53)]

    def length(one: UnitPeriod) -> int:
        return 360 if one.is_year else one.days  # here a year is twelve months of 30 days, as in `mean`

    return min(standard, key=lambda one: (abs(length(one) - mean), length(one), _PREFERENCE.index(one.unit)))


def _nearest_name(years: Fraction) -> UnitPeriod:
    """Whole months, a half-month or whole weeks if the text is as near as five decimals are, else days."""
    near = Fraction(1, 1000)
    for unit, most in ((Unit.MONTHS, 12), (Unit.SEMIMONTHS, 1), (Unit.WEEKS, 52)):
        count = years * _A_YEAR[unit]
        if 1 <= round(count) <= most and abs(count - round(count)) <= near:
            return UnitPeriod(round(count), unit)
    return UnitPeriod(max(1, round(years * 365)), Unit.DAYS)
