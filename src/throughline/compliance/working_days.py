"""On which days a place works, as a value, and where a date goes that falls on a day off (compliance.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

SATURDAY = 5
ONE_DAY = timedelta(days=1)


class Convention(StrEnum):
    """Where a date goes that falls on a day off.

    `modified_next`: to the next working day, but back to the one before where that lies in another month.
    """

    NONE = "none"
    NEXT = "next"
    MODIFIED_NEXT = "modified_next"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Monday to Friday but for `days_off`, and the weekend days in `work_days` (made-up Saturdays, 调休).

    After `published_through` the official list was not out yet when this was made: what it says is provisional.
    """

    name: str
    published_through: date
    days_off: frozenset[date] = field(default_factory=frozenset)
    work_days: frozenset[date] = field(default_factory=frozenset)

    def worked(self, day: date) -> bool:
        """Whether the day is a working day."""
        return day in self.work_days or (day.weekday() < SATURDAY and day not in self.days_off)

    def on_or_after(self, day: date) -> date:
        """The day itself or the next working day."""
        while not self.worked(day):
            day += ONE_DAY
        return day

    def on_or_before(self, day: date) -> date:
        """The day itself or the last working day before it."""
        while not self.worked(day):
            day -= ONE_DAY
        return day

    def moved(self, day: date, convention: Convention) -> date:
        """Where a date goes by a convention."""
        if convention is Convention.NONE:
            return day
        if convention is Convention.PREVIOUS:
            return self.on_or_before(day)
        later = self.on_or_after(day)
        if convention is Convention.MODIFIED_NEXT and (later.year, later.month) != (day.year, day.month):
            return self.on_or_before(day)
        return later

    def provisional(self, day: date) -> bool:
        """Whether the official list for that day was not out yet."""
        return day > self.published_through
