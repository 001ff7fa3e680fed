"""Calendars of working days: the library `holidays` with our table of official lists over it.

A calendar is given as a value of some years, so that who keeps it keeps what was known when it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

from throughline.compliance.working_days import ONE_DAY, SATURDAY, WorkingDays

FIRST_YEAR, LAST_YEAR = 2001, 2099  # what the library knows or forecasts


class CalendarUnknown(ValueError):
    """There is no calendar of that name."""


def calendar_names() -> tuple[str, ...]:
    """The names of the calendars, in order."""
    return tuple(sorted(_table()))


@lru_cache(maxsize=64)
def working_days(name: str, first_year: int = FIRST_YEAR, last_year: int = LAST_YEAR) -> WorkingDays:
    """The calendar of a name for some years, both inside; outside them only weekends count.

    Raises CalendarUnknown.
    """
    place = _table().get(name)
    if place is None:
        raise CalendarUnknown(name)
    official: dict[int, Any] = place["years"]
    years = range(max(first_year, FIRST_YEAR), min(last_year, LAST_YEAR) + 1)
    off: set[date] = set()
    worked: set[date] = set()
    for year in years:
        if year in official:
            off.update(_spans(official[year]["days_off"]))
            worked.update(official[year]["work_days"])
    forecast_off, forecast_worked = _of_library(name, [year for year in years if year not in official])
    worked |= forecast_worked
    return WorkingDays(
        name=name,
        published_through=place["published_through"],
        days_off=frozenset(day for day in off | forecast_off if day.weekday() < SATURDAY),
        work_days=frozenset(worked),
    )


@cache
def _table() -> dict[str, Any]:
    file = resources.files("throughline.compliance").joinpath("data/calendars.yaml")
    table: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return table


def _spans(spans: list[tuple[date, date]]) -> Iterator[date]:
    for first, last in spans:
        day = first
        while day <= last:
            yield day
            day += ONE_DAY


def _of_library(name: str, years: list[int]) -> tuple[set[date], set[date]]:
    """Days off and weekend days that are worked, by the library."""
    import holidays  # a fifth of a second, which only who asks for a calendar should pay

    if not years:
        return set(), set()
    found = holidays.country_holidays(name, years=years)
    return set(found), {day for day in found.weekend_workdays if day.year in years}
