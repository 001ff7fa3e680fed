"""By when a dispute must be answered. Pure.

Day 0 is the local day of receipt; n calendar days end with day n, and `due_at` is the midnight after it, as an
exclusive instant. A due day that is a day off is not moved to a later one: being early is never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from throughline.compliance.calendars import CalendarUnknown, working_days
from throughline.kernel import clock
from throughline.lending.bureau import policy

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DisputeClock:
    """When an answer is due by the rule, and by when a person looks at it by our promise.

    `provisional` is about `look_by`: it counts business days of which the official list is not out yet. None for
    `look_by` where no calendar of the place is known.
    """

    rule_id: str
    days: int
    due_on: date
    due_at: datetime
    look_by: date | None
    provisional: bool
    warn_half_at: datetime
    warn_most_at: datetime


def dispute_clock(opened_at: datetime, place: str, zone: str) -> DisputeClock:
    """The clock of a dispute that came in at an instant."""
    day = clock.local_date(opened_at, zone)
    rule = policy.in_force("dispute_days", place, day)
    due_on = day + timedelta(days=rule.value)
    due_at = datetime.combine(due_on + ONE_DAY, time(), tzinfo=ZoneInfo(zone))
    look_by, provisional = _look_by(day, place)
    return DisputeClock(
        rule.id,
        rule.value,
        due_on,
        due_at,
        look_by,
        provisional,
        opened_at + (due_at - opened_at) * 0.5,
        opened_at + (due_at - opened_at) * 0.8,
    )


def _look_by(day: date, place: str) -> tuple[date | None, bool]:
    """The n-th business day after a day, and whether a day on the way has no official list yet."""
    try:
        calendar = working_days(place.partition("-")[0], day.year, day.year + 1)
    except CalendarUnknown:
        return None, False
    found = day
    for _ in range(policy.in_force("dispute_look_business_days", place, day).value):
        found = calendar.on_or_after(found + ONE_DAY)
    return found, calendar.provisional(found)
