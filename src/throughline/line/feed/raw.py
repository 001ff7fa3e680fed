"""Answers as they came: sealed for their borrower, and gone after some weeks."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.ids import new_id
from throughline.line.feed.models import RawAnswer

BATCH = 5_000


def keep(
    session: Session,
    borrower_id: UUID,
    line_id: UUID,
    payload: str,
    *,
    days: int,
    now: datetime,
    query_id: UUID | None = None,
) -> UUID:
    """Keep an answer for so many days."""
    row_id = new_id()
    session.add(
        RawAnswer(
            borrower_id=borrower_id,
            id=row_id,
            line_id=line_id,
            query_id=query_id,
            payload=crypto.seal(session, borrower_id, _place(row_id), payload),
            received_at=now,
            expires_at=now + timedelta(days=days),
        )
    )
    return row_id


def opened(session: Session, row: RawAnswer) -> str:
    """An answer in clear."""
    return crypto.open_sealed(session, row.borrower_id, _place(row.id), row.payload)


def purge(session: Session, *, now: datetime) -> int:
    """Drop some of what has expired; returns how many rows went. Called until nothing is left."""
    keys = (
        select(RawAnswer.borrower_id, RawAnswer.id)
        .where(RawAnswer.expires_at <= now)
        .order_by(RawAnswer.expires_at)
        .limit(BATCH)
    )
    gone = session.execute(
        delete(RawAnswer).where(tuple_(RawAnswer.borrower_id, RawAnswer.id).in_(keys)).returning(RawAnswer.id)
    )
    return len(gone.all())


def _place(row_id: UUID) -> str:
    return f"line_raw|{row_id}|payload"
