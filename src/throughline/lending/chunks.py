"""Chunks of the close of business: how the open loans of a day are cut, and which chunk a runner takes next."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from throughline.lending.business_day import business_date
from throughline.lending.models import CobChunkRow, LoanRow
from throughline.lending.state import LoanStatus

HANDS = 2  # a book of so few chunks is small: its runners go on from chunk to chunk by themselves
LEAST_LOANS = 250  # fewer in a chunk cost more to hand out than a second runner saves


def cut(session: Session, day: date, *, most: int, now: datetime) -> list[int]:
    """Cut the open loans into chunks of at most `most` loans; returns their numbers, from 0.

    A small book is cut in two, so that two runners share it.
    """
    size = _size(session, day, most)
    numbered = select(
        LoanRow.id,
        func.row_number().over(order_by=LoanRow.id).label("place"),
        func.count().over().label("loans"),
    ).where(_open(day))
    placed = numbered.subquery()
    # Only the ends of the stretches travel: a book may have millions of loans.
    ends = session.execute(
        select(placed.c.id, placed.c.place)
        .where(
            or_(
                placed.c.place % size == 1 % size,
                placed.c.place % size == 0,
                placed.c.place == placed.c.loans,
            )
        )
        .order_by(placed.c.place)
    ).all()
    stretches: dict[int, list[tuple[UUID, int]]] = {}
    for loan_id, place in ends:
        stretches.setdefault((place - 1) // size, []).append((loan_id, place))
    session.add_all(
        CobChunkRow(
            business_date=day,
            nr=nr,
            first_loan=stretch[0][0],
            last_loan=stretch[-1][0],
            loans=stretch[-1][1] - stretch[0][1] + 1,
            state="waiting",
            deferred_at=now,
            done_at=None,
            steps={},
        )
        for nr, stretch in stretches.items()
    )
    session.flush()
    return list(stretches)


def _size(session: Session, day: date, most: int) -> int:
    """Loans in a chunk."""
    some = select(LoanRow.id).where(_open(day)).limit(HANDS * most).subquery()
    loans = session.execute(select(func.count()).select_from(some)).scalar_one()
    return min(most, max(LEAST_LOANS, -(-loans // HANDS)))


def _open(day: date) -> ColumnElement[bool]:
    """Loans that are still to be closed for a day."""
    return and_(
        LoanRow.status == LoanStatus.ACTIVE.value,
        or_(LoanRow.cob_through.is_(None), LoanRow.cob_through < day),
    )


def first_chunk(session: Session, day: date, nr: int) -> tuple[date, int] | None:
    """The chunk that a job begins with: its own, or else another of that day if it is still open and small."""
    chunk = session.get(CobChunkRow, (day, nr))
    if chunk is not None and chunk.state != "done":
        return day, nr
    return next_chunk(session, home=nr) if business_date(session) == day else None


def next_chunk(session: Session, *, home: int) -> tuple[date, int] | None:
    """The chunk to go on with in a small book, on the day that is being closed now; None when none waits.

    Its runners keep to their own number, so that two of them share each day. One whose chunk is done takes
    the other as well: if that one's runner lives, this is only the wait for it; if not, it is the rescue.
    """
    day = business_date(session)
    chunks = session.execute(
        select(CobChunkRow.nr, CobChunkRow.state)
        .where(CobChunkRow.business_date == day)
        .order_by(CobChunkRow.nr)
        .limit(HANDS + 1)
    ).all()
    if len(chunks) > HANDS:
        return None  # every chunk has a job in the queue
    waiting = [nr for nr, state in chunks if state != "done"]
    if not waiting:
        return None
    return day, home if home in waiting else waiting[0]
