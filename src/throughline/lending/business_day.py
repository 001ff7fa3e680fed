"""The one open business day: entries are posted on it, and only the close of business moves it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.settings import settings
from throughline.lending.models import BusinessDayRow

ONLY = 1
_OPEN_DAY = select(BusinessDayRow.open_day).where(BusinessDayRow.id == ONLY)


def business_date(session: Session) -> date:
    """The open business day; before the first loan the one that it would open."""
    open_day = session.execute(_OPEN_DAY).scalar_one_or_none()
    return open_day if open_day is not None else first_business_date()


def first_business_date() -> date:
    """The business day that the first loan would open: today in the lender's zone."""
    return clock.local_date(clock.now(), settings().zone)


def start_business_day(session: Session, *, now: datetime) -> date:
    """The open business day; the first call opens today's."""
    session.execute(
        insert(BusinessDayRow)
        .values(id=ONLY, open_day=clock.local_date(now, settings().zone))
        .on_conflict_do_nothing()
    )
    return business_date(session)


def locked_business_day(session: Session) -> BusinessDayRow | None:
    """The row under its lock, for moving the day; None before the first loan."""
    return session.get(BusinessDayRow, ONLY, with_for_update=True, populate_existing=True)
