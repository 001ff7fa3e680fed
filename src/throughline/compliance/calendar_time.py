"""Whole months between dates, counted back from the later one.

Regulation Z, Appendix J (b)(3): all months are equal and run from a date to the same date of another month.
A series that stands on the last day of each month runs from last day to last day, and a series on the 29th
or 30th takes the last day of February. A `Series` knows which of them the payments follow.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

MONTH_END = 31
_ALWAYS_THERE = 28  # every month has a 28th: only later days can be missing


@dataclass(frozen=True, slots=True)
class Series:
    """On which day of the month payments stand; None where the dates alone decide."""

    day: int | None = None

    @staticmethod
    def of(dates: Iterable[date]) -> Series:
        """The series that these dates follow: month ends, the 29th, the 30th, or none in particular."""
        late = {one for one in dates if one.day >= _ALWAYS_THERE}
        # February alone says nothing: its last day may be a 28th that was meant as such.
        if len(late) < 2 or all(one.month == 2 for one in late):
            return Series()
        if all(one.day == _last_day(one) for one in late):
            return Series(MONTH_END)
        day = max(one.day for one in late)
        return Series(day) if all(one.day == min(day, _last_day(one)) for one in late) else Series()

    def before(self, end: date, months: int) -> date:
        """The date so many months before `end`."""
        day = end.day
        if self.day is not None and day >= _ALWAYS_THERE and day == min(self.day, _last_day(end)):
            day = self.day
        year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
        return date(year, month + 1, min(day, monthrange(year, month + 1)[1]))

    def months(self, start: date, end: date) -> tuple[int, int]:
        """Whole months counted back from `end`, and the days from `start` that remain; `end` is not earlier."""
        whole = (end.year - start.year) * 12 + end.month - start.month
        back = self.before(end, whole)
        if back < start:
            whole -= 1
            back = self.before(end, whole)
        return whole, (back - start).days


PLAIN = Series()


def months_between(start: date, end: date, series: Series = PLAIN) -> float:
    """Months counted back from the later date; what remains is days / 30."""
    whole, days = series.months(start, end)
    return whole + days / 30


def _last_day(day: date) -> int:
    return monthrange(day.year, day.month)[1]
