"""Close of business: the whole book, day by day, in chunks that can die and start again (lending.md section 11).

What protects the books is `cob_through` of each loan, not the chunk: a repeated chunk finds nothing to
do, two runners at once are harmless, and a verb that comes first has closed its loan by itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import REPEATABLE, Database, connection_lost, sqlstate
from throughline.kernel.events import publish
from throughline.kernel.jobs import NewJob, defer, defer_many
from throughline.kernel.logging import get_logger, redact
from throughline.kernel.settings import settings
from throughline.ledger import service as ledger
from throughline.lending import events as published
from throughline.lending import nightly, progress
from throughline.lending.account import lock_loan
from throughline.lending.business_day import business_date, locked_business_day
from throughline.lending.chunks import HANDS, cut, first_chunk, next_chunk
from throughline.lending.closing import bring_up_to_date
from throughline.lending.locked import OpenLoan, lock
from throughline.lending.models import CobChunkRow, CobFailureRow, CobRunRow, LoanRow
from throughline.lending.planning import plan_loans
from throughline.lending.writing import ONE_DAY

log = get_logger(__name__)

CHUNK_LOANS = 5_000
SET_LOANS = 1_000  # in one transaction by SQL: about a tenth of a second
COMMIT_LOANS = 25  # in one transaction by replay; a request that meets a chunk waits for at most so many
HOLD_S = 0.5  # loans that lag by many days are let go after so long
HELP_S = 60
RESCUE_AFTER = timedelta(seconds=30)
CHUNK_TASK = "lending.close_chunk"
RUN_TASK = "lending.close_of_business_now"
SUM_TASK = "lending.sum_up_day"
LOST_AFTER = timedelta(minutes=10)
BUSINESS_DAY_ID = uuid5(UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"), "throughline:business-day")


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


def catching_up(session: Session, *, now: datetime) -> bool:
    """Whether the open business day is over already, so that another close follows at once."""
    return clock.local_date(now, settings().zone) > business_date(session)


def _create_run(session: Session, day: date, now: datetime, *, follows: bool = False) -> None:
    """Cut the open loans into chunks and defer a job for each.

    With `follows` the runner that closed the day before goes on by itself if the book is small.
    """
    session.add(
        CobRunRow(
            business_date=day,
            state="running",
            started_at=now,
            finished_at=None,
            loans=0,
            failures=0,
            steps={},
        )
    )
    session.flush()
    numbers = cut(session, day, most=CHUNK_LOANS, now=now)
    if follows and 0 < len(numbers) <= HANDS:
        # Runners are at hand; one job is for the case that they die: it takes all chunks that still wait.
        _defer_chunks(session, day, numbers[:1], at=clock.real_now() + RESCUE_AFTER)
    else:
        _defer_chunks(session, day, numbers)


def _defer_chunks(session: Session, day: date, numbers: Sequence[int], *, at: datetime | None = None) -> None:
    args = [{"business_date": day.isoformat(), "nr": nr} for nr in numbers]
    defer_many(session, [NewJob(CHUNK_TASK, one, queue="batch", at=at) for one in args])


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
    """Close the loans of one chunk; then finish the run if it was the last.

    Loans that a request holds are skipped at first and waited for at the end. While a small book catches
    up, the chunks of the next day follow at once, without a wait for the queue.
    """
    until = time.monotonic() + HELP_S
    chunk = database.run(partial(first_chunk, day=day, nr=nr))
    while chunk is not None:
        _work_off(database, *chunk)
        chunk = database.run(partial(_finish_chunk, day=chunk[0], nr=chunk[1], home=nr, now=clock.now()))
        if chunk is not None and time.monotonic() > until:
            database.run(partial(_defer_chunks, day=chunk[0], numbers=[chunk[1]]))
            return


def _work_off(database: Database, day: date, nr: int) -> None:
    work = _Work(day, nr)
    for patient in (False, True):
        _close_stretches(database, work, patient=patient)
        old = sorted(work.to_plan)
        for start in range(0, len(old), COMMIT_LOANS):
            some = old[start : start + COMMIT_LOANS]
            work.planned |= database.run(partial(plan_loans, ids=some, skip_locked=not patient))
        work.by_replay |= work.to_plan - work.planned
        again = not work.to_plan.isdisjoint(work.planned)
        work.to_plan.clear()
        if again:
            _close_stretches(database, work, patient=patient)
        waiting = sorted(work.by_replay)
        for start in range(0, len(waiting), COMMIT_LOANS):
            some = waiting[start : start + COMMIT_LOANS]
            work.by_replay -= database.run(partial(_replay_some, work=work, ids=some, patient=patient))


def _close_stretches(database: Database, work: _Work, *, patient: bool) -> None:
    after: UUID | None = None
    while True:
        looked = database.run(partial(_close_stretch, work=work, after=after, patient=patient))
        after = looked.last if looked.closed else after
        if looked.last is None or (looked.closed and looked.few):
            return


@dataclass(slots=True)
class _Work:
    """A chunk in work: loans that need a plan first, that have got one, that must be replayed, and that failed."""

    day: date
    nr: int
    to_plan: set[UUID] = field(default_factory=set)
    planned: set[UUID] = field(default_factory=set)
    by_replay: set[UUID] = field(default_factory=set)
    failed: set[UUID] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Looked:
    """Up to which loan a stretch has looked (None: none was left), whether all of it are closed, and whether it
    found fewer loans than it may take, so that none follow."""

    last: UUID | None
    closed: bool = True
    few: bool = False


def _close_stretch(session: Session, *, work: _Work, after: UUID | None, patient: bool) -> _Looked:
    """Close some loans of the chunk by their plans, in SQL; the others are noted for the pure path.

    Loans that lag by many days take several transactions, so that nobody waits long for one of them.
    """
    chunk = session.get(CobChunkRow, (work.day, work.nr))
    if chunk is None or chunk.state == "done":
        return _Looked(None)
    nightly.by_index(session)
    batch = lock(
        session,
        work.day,
        after=after,
        first=chunk.first_loan,
        last=chunk.last_loan,
        limit=SET_LOANS,
        patient=patient,
    )
    few = len(batch) < SET_LOANS
    if batch.last is None:
        return _Looked(None)
    doubtful = work.by_replay | work.failed
    # One try: a loan that has got its plan and still does not go by it is replayed.
    work.by_replay |= (set(batch.by_replay) | set(batch.to_plan) & work.planned) - work.failed
    work.to_plan |= set(batch.to_plan) - work.planned - work.failed - work.by_replay
    loans = [one for one in batch.by_plan if one.owner.loan_id not in doubtful]
    if not loans:
        return _Looked(batch.last, few=few)
    try:
        with session.begin_nested():
            counts = _close_by_set(session, loans, work.day, now=clock.now())
    except DBAPIError as error:
        if sqlstate(error) in REPEATABLE or connection_lost(error):
            raise
        _leave_to_replay(work, loans)
    except Exception:
        _leave_to_replay(work, loans)
    else:
        _count(session, work, counts)
    return _Looked(batch.last, closed=not nightly.ready(loans, work.day), few=few)


def _leave_to_replay(work: _Work, loans: Sequence[OpenLoan]) -> None:
    log.exception("loans could not be closed together", business_date=str(work.day), loans=len(loans))
    work.by_replay |= {one.owner.loan_id for one in loans}
    for one in loans:
        one.cob_through = work.day  # not by plan any more


def _close_by_set(session: Session, loans: Sequence[OpenLoan], day: date, *, now: datetime) -> nightly.Counts:
    posting_date = business_date(session)
    until = time.monotonic() + HOLD_S
    counts = nightly.Counts()
    behind = clock.local_date(now, settings().zone) > day + ONE_DAY  # then the next night follows at once
    while (some := nightly.ready(loans, day)) and time.monotonic() < until:
        counts.add(nightly.close_next_day(session, some, posting_date, now=now, more_follow=behind))
    nightly.keep(session, loans)
    counts.by_set = sum(1 for one in loans if one.cob_through == day)
    nightly.forget_failures(session, loans)
    return counts


def _replay_some(session: Session, *, work: _Work, ids: Sequence[UUID], patient: bool) -> set[UUID]:
    """Close some loans one by one, by replay; returns those that are done with."""
    chunk = session.get(CobChunkRow, (work.day, work.nr))
    if chunk is None or chunk.state == "done":
        return set(ids)
    found = session.scalars(
        select(LoanRow.id)
        .where(LoanRow.id.in_(ids))
        .order_by(LoanRow.id)
        .with_for_update(skip_locked=not patient)
    ).all()
    for loan_id in found:
        _close_one(session, loan_id, work.day, work.failed, now=clock.now())
    _count(session, work, nightly.Counts(by_replay=len(set(found) - work.failed)))
    return set(found) if not patient else set(ids)


def _count(session: Session, work: _Work, counts: nightly.Counts) -> None:
    """Add to the counts of the chunk, last in the transaction: its row is no place to wait at."""
    chunk = session.get_one(CobChunkRow, (work.day, work.nr), with_for_update=True, populate_existing=True)
    known = chunk.steps
    chunk.steps = {name: known.get(name, 0) + getattr(counts, name) for name in nightly.Counts.__slots__}


def _close_one(session: Session, loan_id: UUID, day: date, failed: set[UUID], *, now: datetime) -> None:
    """One loan in a savepoint: what goes wrong with it is noted and stops nobody else."""
    try:
        with session.begin_nested():
            file = lock_loan(session, loan_id)
            if file is None:
                return
            bring_up_to_date(session, file, through=day, now=now, keep_plan=True)
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


def _finish_chunk(
    session: Session, day: date, nr: int, *, now: datetime, home: int | None = None
) -> tuple[date, int] | None:
    """Note that a chunk is done; returns the chunk to go on with, if the book is small.

    `home` is the number of the chunk that the runner began with.
    """
    chunk = session.get(CobChunkRow, (day, nr), with_for_update=True)
    if chunk is not None and chunk.state != "done":
        chunk.state, chunk.done_at = "done", now
        session.flush()
    # After the chunk: a run is over when its last chunk is, whoever that was.
    _finish_if_done(session, day, now=now)
    return next_chunk(session, home=nr if home is None else home)


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
    run.steps = progress.steps_of(session, [day]).get(day, {})
    ledger.close_day(session, day, now=now)
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
    defer(session, SUM_TASK, {"posting_date": day.isoformat()}, queue="batch")
    if clock.local_date(now, settings().zone) > row.open_day:
        _create_run(session, row.open_day, now, follows=True)
