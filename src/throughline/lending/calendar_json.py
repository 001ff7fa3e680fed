"""The calendar of a loan as JSON: the name of one that we know, or its days themselves.

A name is looked up when the terms are made; a loan keeps the days, so that what is announced later moves nothing.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from throughline.compliance.calendars import (
    FIRST_YEAR,
    LAST_YEAR,
    CalendarUnknown,
    calendar_names,
    working_days,
)
from throughline.compliance.working_days import WorkingDays
from throughline.lending.reading_json import InputError, Node

MAX_DAYS = 2_000
EARLIEST, LATEST = (
    date(1900, 1, 1),
    date(2199, 12, 31),
)  # beyond them looking for a working day could find no date
SPARE_YEARS = 3  # beyond the plan: for what is moved, extended or late
_YEARS = {"months": 12, "weeks": 52, "days": 365}


def read_calendar(document: Node) -> WorkingDays | None:
    """The calendar of terms: of the years that the loan can reach, where it has an expected payout.

    Raises InputError.
    """
    if not document.has("calendar"):
        return None
    value = document.values["calendar"]
    if isinstance(value, str):
        return _known(document, value)
    known = ", ".join(calendar_names())
    if not isinstance(value, dict):
        raise InputError(document.at("calendar"), f"expected one of {known}, or an object with the days")
    node = Node(document.at("calendar"), value)
    node.only("name", "published_through", "days_off", "work_days")
    return _shared(
        WorkingDays(
            name=node.text("name"),
            published_through=node.day("published_through"),
            days_off=_days(node, "days_off"),
            work_days=_days(node, "work_days"),
        )
    )


@lru_cache(maxsize=1_000)
def _shared(calendar: WorkingDays) -> WorkingDays:
    """One object for all loans of equal days: a night holds thousands of them."""
    return calendar


def calendar_json(calendar: WorkingDays) -> dict[str, Any]:
    """The JSON object of a calendar; `read_calendar` gives it back."""
    return {
        "name": calendar.name,
        "published_through": calendar.published_through.isoformat(),
        "days_off": [day.isoformat() for day in sorted(calendar.days_off)],
        "work_days": [day.isoformat() for day in sorted(calendar.work_days)],
    }


def _known(document: Node, name: str) -> WorkingDays:
    first, last = _years(document)
    try:
        return working_days(name, first, last)
    except CalendarUnknown:
        known = ", ".join(calendar_names())
        raise InputError(
            document.at("calendar"), f"expected one of {known}, or an object with the days"
        ) from None


def _years(document: Node) -> tuple[int, int]:
    """The years that a loan can reach; all that are known where no payout is expected yet."""
    payout = document.day_or_none("expected_disbursement_date")
    if payout is None:
        return FIRST_YEAR, LAST_YEAR
    every = document.child("repay_every")
    unit = every.text("unit") if every.has("unit") else "months"
    periods = max(1, document.whole("installments", 1)) * max(1, every.whole("count", 1))
    start = max(payout, document.day_or_none("first_due_date") or payout)
    return payout.year, start.year + periods // _YEARS.get(unit, 12) + SPARE_YEARS


def _days(node: Node, name: str) -> frozenset[date]:
    values = node.values.get(name)
    if values is None:
        return frozenset()
    if not isinstance(values, list | tuple) or len(values) > MAX_DAYS:
        raise InputError(node.at(name), f"expected a list of at most {MAX_DAYS} ISO dates")
    days = frozenset(Node(node.path, {name: value}).day(name) for value in values)
    if not all(EARLIEST <= day <= LATEST for day in days):
        raise InputError(node.at(name), f"expected dates from {EARLIEST} to {LATEST}")
    return days
