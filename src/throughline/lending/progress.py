"""How far the close of business is: runs with their steps, chunks and loans, and the loans left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.lending.models import CobChunkRow, CobFailureRow, CobRunRow


@dataclass(frozen=True, slots=True)
class CobRunView:
    """A close of business and how far it is.

    `steps`: due_dates (events), accrual (entries), penalties (installments moved), ageing (loans), by_set
    and by_replay (loans closed that way).
    """

    business_date: date
    state: str
    started_at: datetime
    finished_at: datetime | None
    loans: int
    failures: int
    chunks: int
    chunks_done: int
    loans_done: int
    steps: dict[str, int]


@dataclass(frozen=True, slots=True)
class CobFailureView:
    """A loan that waits, and why."""

    loan_id: UUID
    business_date: date
    error: str
    tries: int
    failed_at: datetime


def steps_of(session: Session, days: Sequence[date]) -> dict[date, dict[str, int]]:
    """The counts of the steps of some runs, summed over their chunks."""
    sums: dict[date, dict[str, int]] = {}
    rows = session.execute(
        select(CobChunkRow.business_date, CobChunkRow.steps).where(CobChunkRow.business_date.in_(days))
    )
    for day, steps in rows:
        run = sums.setdefault(day, {})
        for name, count in steps.items():
            run[name] = run.get(name, 0) + count
    return sums


def cob_runs(session: Session, *, limit: int = 30) -> list[CobRunView]:
    """The newest runs of the close of business."""
    rows = session.scalars(select(CobRunRow).order_by(CobRunRow.business_date.desc()).limit(limit)).all()
    days = [row.business_date for row in rows]
    done = CobChunkRow.state == "done"
    chunks = {
        day: (whole, ended, loans or 0)
        for day, whole, ended, loans in session.execute(
            select(
                CobChunkRow.business_date,
                func.count(),
                func.count().filter(done),
                func.sum(CobChunkRow.loans),
            )
            .where(CobChunkRow.business_date.in_(days))
            .group_by(CobChunkRow.business_date)
        )
    }
    steps = steps_of(session, days)
    views = []
    for row in rows:
        whole, ended, loans = chunks.get(row.business_date, (0, 0, row.loans))
        counts = row.steps or steps.get(row.business_date, {})
        views.append(
            CobRunView(
                row.business_date,
                row.state,
                row.started_at,
                row.finished_at,
                int(loans),
                row.failures,
                whole,
                ended,
                counts.get("by_set", 0) + counts.get("by_replay", 0),
                counts,
            )
        )
    return views


def cob_failures(session: Session, *, limit: int = 200) -> list[CobFailureView]:
    """Loans that the close of business had to leave behind, oldest first."""
    rows = session.scalars(select(CobFailureRow).order_by(CobFailureRow.failed_at).limit(limit))
    return [
        CobFailureView(row.loan_id, row.business_date, row.error, row.tries, row.failed_at) for row in rows
    ]
