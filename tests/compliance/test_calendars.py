"""Calendars of working days: the official lists, made-up Saturdays, where a date goes, what is provisional."""

from __future__ import annotations

from datetime import date, timedelta

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.compliance.calendars import CalendarUnknown, calendar_names, working_days
from throughline.compliance.working_days import Convention, WorkingDays

DAYS = st.dates(date(2026, 1, 1), date(2028, 12, 31))
CN = working_days("CN", 2024, 2029)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2026, 1, 4), True),  # a Sunday made up for New Year
        (date(2026, 2, 14), True),  # a Saturday made up for the Spring Festival
        (date(2026, 2, 16), False),
        (date(2026, 2, 24), True),
        (date(2026, 10, 7), False),
        (date(2026, 10, 10), True),
        (date(2026, 10, 11), False),
    ],
)
def test_official_days_of_2026(day: date, worked: bool) -> None:
    assert CN.worked(day) is worked


def test_our_table_says_what_the_library_says_of_the_years_that_both_have() -> None:
    library = holidays.country_holidays("CN", years=range(2024, 2027))
    day = date(2024, 1, 1)
    while day <= date(2026, 12, 31):
        assert CN.worked(day) == library.is_working_day(day), day
        day += timedelta(days=1)


def test_a_year_without_an_official_list_is_provisional() -> None:
    assert CN.published_through == date(2026, 12, 31)
    assert not CN.provisional(date(2026, 12, 31))
    assert CN.provisional(date(2027, 1, 1))


@pytest.mark.parametrize(
    ("day", "convention", "moved"),
    [
        (date(2026, 10, 1), Convention.NONE, date(2026, 10, 1)),
        (date(2026, 10, 1), Convention.NEXT, date(2026, 10, 8)),
        (date(2026, 10, 1), Convention.PREVIOUS, date(2026, 9, 30)),
        (date(2026, 10, 1), Convention.MODIFIED_NEXT, date(2026, 10, 8)),
        (date(2026, 1, 31), Convention.NEXT, date(2026, 2, 2)),
        (date(2026, 1, 31), Convention.MODIFIED_NEXT, date(2026, 1, 30)),
        (date(2026, 2, 14), Convention.NEXT, date(2026, 2, 14)),
    ],
)
def test_where_a_date_goes(day: date, convention: Convention, moved: date) -> None:
    assert CN.moved(day, convention) == moved


@given(DAYS, st.sampled_from([one for one in Convention if one is not Convention.NONE]))
def test_a_moved_date_is_worked_near_and_stays_where_it_is(day: date, convention: Convention) -> None:
    moved = CN.moved(day, convention)
    assert CN.worked(moved)
    assert abs((moved - day).days) <= 10
    assert CN.moved(moved, convention) == moved
    if convention is Convention.MODIFIED_NEXT:
        assert (moved.year, moved.month) == (day.year, day.month)


@given(DAYS, DAYS, st.sampled_from(list(Convention)))
def test_moving_keeps_the_order_of_dates(one: date, other: date, convention: Convention) -> None:
    first, last = sorted([one, other])
    if convention is Convention.MODIFIED_NEXT:
        return  # the last days of a month may go back behind those that went forward within it
    assert CN.moved(first, convention) <= CN.moved(last, convention)


def test_outside_its_years_only_weekends_count() -> None:
    assert working_days("CN", 2025, 2025).worked(date(2026, 10, 1))
    assert not WorkingDays("plain", date.max).worked(date(2026, 10, 3))


def test_an_unknown_calendar_is_refused() -> None:
    with pytest.raises(CalendarUnknown):
        working_days("XX")
    assert calendar_names() == ("CN",)
