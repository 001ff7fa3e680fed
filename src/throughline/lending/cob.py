"""Close of business: the whole book, day by day, in chunks that can die and start again (lending.md section 11).

What protects the books is `cob_through` of each loan, not the chunk: a repeated chunk finds nothing to
do, two runners at once are harmless, and a verb that comes first has closed its loan by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import publish
from throughline.kernel.jobs import NewJob, defer, defer_many
from throughline.kernel.logging import get_logger, redact
from throughline.kernel.settings import settings
from throughline.lending import events as published
from throughline.lending.account import lock_loan
from throughline.lending.business_day import locked_business_day
from throughline.lending.closing import bring_up_to_date
from throughline.lending.models import CobChunkRow, CobFailureRow, CobRunRow, LoanRow
from throughline.lending.state import LoanStatus
from throughline.lending.writing import ONE_DAY

log = get_logger(__name__)

CHUNK_LOANS = 200
COMMIT_LOANS = 25  # a request that meets a chunk waits for at most so many loans
CHUNK_TASK = "lending.close_chunk"
RUN_TASK = "lending.close_of_business_now"
LOST_AFTER = timedelta(minutes=10)
BUSINESS_DAY_ID = uuid5(UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), "throughline:business-day")


@dataclass(frozen=True, slots=True)
class CobRunView:
    """A close of business and how far it is."""

    business_date: date
    state: str
    started_at: datetime
    finished_at: datetime | None
    loans: int
    failures: int


@dataclass(frozen=True, slots=True)
class CobFailureView:
    """A loan that waits, and why."""

    loan_id: UUID
    business_date: date
    error: str
    tries: int
    failed_at: datetime


def start_due_run(session: Session, *, now: datetime) -> date | None:
    """Start the close of the open business day if that day is over in the lender's zone.

    Returns the day that is being closed, None when nothing is due. Safe to call at any time: a run that
    is under way gets its lost chunks deferred again.
    """
    day = locked_business_day(session)
    if day is None or clock.local_date(now, settings().zone) <= day.open_day:
        return None
    run = session.get(CobRunRow, day.open_day)
    if run is None:
        _create_run(session, day.open_day, now)
    elif run.state == "running":
        _defer_lost(session, day.open_day, now)
    _finish_if_done(session, day.open_day, now=now)
    return day.open_day


def _create_run(session: Session, day: date, now: datetime) -> None:
    session.add(
        CobRunRow(business_date=day, state="running", started_at=now, finished_at=None, loans=0, failures=0)
    )
    session.flush()
    numbered = (
        select(LoanRow.id, func.row_number().over(order_by=LoanRow.id).label("place"))
        .where(_open(day))
        .subquery()
    )
    stretch = (numbered.c.place - 1) // CHUNK_LOANS
    # min and max of uuid exist only from PostgreSQL 18 on.
    found = session.execute(select(stretch.label("nr"), func.array_agg(numbered.c.id)).group_by(stretch))
    chunks = [
        CobChunkRow(
            business_date=day,
            nr=int(nr),
            first_loan=min(ids),
            last_loan=max(ids),
            loans=len(ids),
            state="waiting",
            deferred_at=now,
            done_at=None,
        )
        for nr, ids in found
    ]
    session.add_all(chunks)
    session.flush()
    _defer_chunks(session, day, [chunk.nr for chunk in chunks])


def _open(day: date) -> ColumnElement[bool]:
    """Loans that are still to be closed for a day."""
    return and_(
        LoanRow.status == LoanStatus.ACTIVE.value,
        or_(LoanRow.cob_through.is_(None), LoanRow.cob_through < day),
    )


def _defer_chunks(session: Session, day: date, numbers: Sequence[int]) -> None:
    defer_many(
        session,
        [NewJob(CHUNK_TASK, {"business_date": day.isoformat(), "nr": nr}, queue="batch") for nr in numbers],
    )


def _defer_lost(session: Session, day: date, now: datetime) -> None:
    """Chunks whose job is dead get another one; a chunk that is only slow finds nothing left to do."""
    lost = session.scalars(
        select(CobChunkRow)
        .where(
            CobChunkRow.business_date == day,
            CobChunkRow.state == "waiting",
            CobChunkRow.deferred_at < now - LOST_AFTER,
        )
        .limit(1_000)
    ).all()
    for chunk in lost:
        chunk.deferred_at = now
    session.flush()
    _defer_chunks(session, day, [chunk.nr for chunk in lost])


def close_chunk(database: Database, day: date, nr: int) -> None:
    """Close the loans of one chunk, a few in each transaction; then finish the run if it was the last.

    Loans that a request holds are skipped at first and waited for at the end.
    """
    failed: set[UUID] = set()
    for patient in (False, True):
        some = partial(_close_some, day=day, nr=nr, failed=failed, patient=patient)
        while database.run(some):
            pass
    database.run(lambda session: _finish_chunk(session, day, nr, now=clock.now()))


def _close_some(session: Session, *, day: date, nr: int, failed: set[UUID], patient: bool) -> int:
    """Close up to 25 loans of the chunk; returns how many were found."""
    chunk = session.get(CobChunkRow, (day, nr))
    if chunk is None or chunk.state == "done":
        return 0
    query = (
        select(LoanRow.id)
        .where(LoanRow.id.between(chunk.first_loan, chunk.last_loan), _open(day))
        .order_by(LoanRow.id)
        .limit(COMMIT_LOANS)
        .with_for_update(skip_locked=not patient)
    )
    if failed:
        query = query.where(LoanRow.id.not_in(failed))
    ids = session.scalars(query).all()
    for loan_id in ids:
        _close_one(session, loan_id, day, failed, now=clock.now())
    return len(ids)


def _close_one(session: Session, loan_id: UUID, day: date, failed: set[UUID], *, now: datetime) -> None:
    """One loan in a savepoint: what goes wrong with it is noted and stops nobody else."""
    try:
        with session.begin_nested():
            file = lock_loan(session, loan_id)
            if file is None:
                return
            bring_up_to_date(session, file, through=day, now=now)
            failure = session.get(CobFailureRow, (file.row.borrower_id, loan_id))
            if failure is not None:
                session.delete(failure)
    except Exception as error:
        failed.add(loan_id)
        log.exception("loan could not be closed", loan_id=str(loan_id), business_date=str(day))
        _note_failure(session, loan_id, day, error, now)


def _note_failure(session: Session, loan_id: UUID, day: date, error: Exception, now: datetime) -> None:
    borrower_id = session.execute(select(LoanRow.borrower_id).where(LoanRow.id == loan_id)).scalar_one()
    text = redact(f"{type(error).__name__}: {error}")[:500]
    session.execute(
        insert(CobFailureRow)
        .values(
            borrower_id=borrower_id,
            loan_id=loan_id,
            business_date=day,
            error=text,
            tries=1,
            failed_at=now,
        )
        .on_conflict_do_update(
            index_elements=["borrower_id", "loan_id"],
            set_={"error": text, "tries": CobFailureRow.tries + 1, "failed_at": now},
        )
    )


def _finish_chunk(session: Session, day: date, nr: int, *, now: datetime) -> None:
    chunk = session.get(CobChunkRow, (day, nr), with_for_update=True)
    if chunk is not None and chunk.state != "done":
        chunk.state, chunk.done_at = "done", now
        session.flush()
    # After the chunk: a run is over when its last chunk is, whoever that was.
    _finish_if_done(session, day, now=now)


def _finish_if_done(session: Session, day: date, *, now: datetime) -> None:
    """Move the business date when every chunk is done; go on with the next day if that is over too."""
    row = locked_business_day(session)
    run = session.get(CobRunRow, day, populate_existing=True)
    if row is None or run is None or row.open_day != day or run.state != "running":
        return
    waiting = session.execute(
        select(func.count()).where(CobChunkRow.business_date == day, CobChunkRow.state != "done")
    ).scalar_one()
    if waiting:
        return
    run.loans = session.execute(
        select(func.coalesce(func.sum(CobChunkRow.loans), 0)).where(CobChunkRow.business_date == day)
    ).scalar_one()
    run.failures = session.execute(select(func.count()).select_from(CobFailureRow)).scalar_one()
    run.state = "done_with_failures" if run.failures else "done"
    run.finished_at = now
    row.open_day = day + ONE_DAY
    session.flush()
    if run.failures:
        log.error("close of business left loans behind", business_date=str(day), failures=run.failures)
    publish(
        session,
        published.BusinessDayClosed(day, run.loans, run.failures),
        aggregate_type="business_day",
        aggregate_id=BUSINESS_DAY_ID,
        borrower_id=None,
    )
    if clock.local_date(now, settings().zone) > row.open_day:
        defer(session, RUN_TASK, {}, queue="batch")


def cob_runs(session: Session, *, limit: int = 30) -> list[CobRunView]:
    """The newest runs of the close of business."""
    rows = session.scalars(select(CobRunRow).order_by(CobRunRow.business_date.desc()).limit(limit))
    return [
        CobRunView(row.business_date, row.state, row.started_at, row.finished_at, row.loans, row.failures)
        for row in rows
    ]


def cob_failures(session: Session, *, limit: int = 200) -> list[CobFailureView]:
    """Loans that the close of business had to leave behind, oldest first."""
    rows = session.scalars(select(CobFailureRow).order_by(CobFailureRow.failed_at).limit(limit))
    return [
        CobFailureView(row.loan_id, row.business_date, row.error, row.tries, row.failed_at) for row in rows
    ]
