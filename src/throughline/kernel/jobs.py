"""Jobs and timers on Procrastinate, deferred inside the business transaction.

This is the only module that knows the library. A job is stored by its SQL function on the session's
own connection: commit keeps both, rollback drops both. Workers poll; nothing notifies, because NOTIFY
serialises the commits of every transaction that uses it.

Rules that keep a queue healthy: arguments are ids, never personal data; a job that waits longer than
15 minutes is a timer row; a timer carries no lock; a task may run twice, also at the same time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import procrastinate
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column

from throughline.kernel import clock
from throughline.kernel.db import Base, Instant, Json, database, libpq_url
from throughline.kernel.logging import get_logger, redact
from throughline.kernel.together import Part, Together

log = get_logger(__name__)

LONGEST_SCHEDULE = timedelta(minutes=15)
TIMER_BATCH = 500
STALLED_AFTER_S = 45
MAX_STALLS = 5
KEEP_DEAD = timedelta(days=30)

# The connector is replaced by the worker at start; tasks are registered on this one App, which lives
# in an importable module so that task names never depend on how the process was started.
app = procrastinate.App(connector=procrastinate.PsycopgConnector())

_max_run_s: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to defer. `at` is real time and at most 15 minutes away; else set a timer."""

    task: str
    args: Mapping[str, Any]
    queue: str = "default"
    priority: int = 0
    lock: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackOff(BaseRetryStrategy):
    """Retry with full jitter: random(base/2, min(cap, base * 2**n)), up to `max_attempts` runs in all."""

    max_attempts: int = 8
    base_s: float = 2
    cap_s: float = 300

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Whether and when the failed job runs again; None ends it as dead."""
        runs = job.attempts + 1
        if runs >= self.max_attempts:
            log.error(
                "job is dead", task=job.task_name, job_id=job.id, runs=runs, error=type(exception).__name__
            )
            return None
        longest = min(self.cap_s, self.base_s * 2**runs)
        wait_s = random.uniform(self.base_s / 2, longest)  # noqa: S311 - not a secret
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait_s))


def task(
    name: str, *, queue: str = "default", max_attempts: int = 8, max_run_s: int = 600, cap_s: float = 300
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a sync function as the task of that name. It takes keyword arguments of JSON types.

    A failed run is repeated with jittered back-off until `max_attempts`; then the job stays as dead and
    the console shows it. A run longer than `max_run_s` counts as lost and is started elsewhere.
    """
    if max_attempts < 1:
        raise ValueError("a task runs at least once")

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def run(context: procrastinate.JobContext, /, **args: Any) -> None:
            try:
                function(**args)
            except Exception as error:
                _note_failure(context.job, error)
                raise

        retry = BackOff(max_attempts=max_attempts, cap_s=cap_s)
        app.task(name=name, queue=queue, retry=retry, pass_context=True)(run)
        _max_run_s[name] = max_run_s
        return function

    return register


class JobFailure(Base):
    """The newest failure of a job that is retried or dead, for the console. Dropped with its job."""

    __tablename__ = "kernel_job_failure"

    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    task_name: Mapped[str]
    runs: Mapped[int]
    error: Mapped[str]
    failed_at: Mapped[Instant]


def _note_failure(job: Job, error: Exception) -> None:
    # Its own transaction: that of the task is rolled back. What went wrong while noting it is only logged,
    # so that the task's own error is the one that counts. The text is redacted and short.
    log.warning("job failed", task=job.task_name, job_id=job.id, run=job.attempts + 1, exc_info=error)
    try:
        database().run(
            lambda session: session.execute(
                insert(JobFailure)
                .values(
                    job_id=job.id,
                    task_name=job.task_name,
                    runs=job.attempts + 1,
                    error=redact(f"{type(error).__name__}: {error}")[:500],
                    failed_at=clock.real_now(),
                )
                .on_conflict_do_update(
                    index_elements=["job_id"],
                    set_={
                        "runs": job.attempts + 1,
                        "error": redact(f"{type(error).__name__}: {error}")[:500],
                        "failed_at": clock.real_now(),
                    },
                )
            )
        )
    except SQLAlchemyError:
        log.exception("a job's failure could not be noted", job_id=job.id)


def periodic(
    cron: str, name: str, *, queue: str = "system", max_run_s: int = 600
) -> Callable[[Callable[[int], None]], Callable[[int], None]]:
    """Register a function that runs at each tick of a cron line (a sixth field counts seconds).

    At most one run waits at a time. A tick may be lost: the function works off whatever is due.
    """

    def register(function: Callable[[int], None]) -> Callable[[int], None]:
        registered = app.task(name=name, queue=queue, queueing_lock=name)(function)
        app.periodic(cron=cron)(registered)
        _max_run_s[name] = max_run_s
        return function

    return register


def defer(
    session: Session,
    task: str,
    args: Mapping[str, Any],
    *,
    queue: str = "default",
    priority: int = 0,
    lock: str | None = None,
    at: datetime | None = None,
) -> int:
    """Store one job in the caller's transaction; returns its id. A job with a lock must not carry `at`."""
    return defer_many(session, [NewJob(task, args, queue, priority, lock, at)])[0]


def defer_many(session: Session, jobs: Sequence[NewJob]) -> list[int]:
    """Store many jobs in the caller's transaction (10,000 in about 0.3 s); returns their ids in order."""
    if not jobs:
        return []
    ids = session.execute(_DEFER, {"jobs": json.dumps(_documents(jobs))}).scalars().all()
    return [int(job_id) for job_id in ids]


def defer_together(into: Together, jobs: Sequence[NewJob]) -> None:
    """Store jobs in the order given with the rows that are gathered there."""
    for document in _documents(jobs):
        into.put(_JOBS, document)


def _documents(jobs: Sequence[NewJob]) -> list[dict[str, Any]]:
    latest = clock.real_now() + LONGEST_SCHEDULE
    for job in jobs:
        if job.at is not None and job.at > latest + timedelta(minutes=1):
            raise ValueError(f"{job.task}: waits longer than 15 minutes are timers")
        if job.at is not None and job.lock is not None:
            raise ValueError(f"{job.task}: a scheduled job with a lock blocks every later job of that lock")
    return [
        {
            "queue_name": job.queue,
            "task_name": job.task,
            "priority": job.priority,
            "lock": job.lock,
            "args": dict(job.args),
            "scheduled_at": job.at.isoformat() if job.at else None,
        }
        for job in jobs
    ]


_DEFERRED = """
    unnest(procrastinate_defer_jobs_v1(ARRAY(
      SELECT ROW(j.queue_name, j.task_name, j.priority, j.lock, NULL, j.args, j.scheduled_at)::procrastinate_job_to_defer_v1
      FROM ROWS FROM (jsonb_to_recordset(CAST({rows} AS jsonb)) AS (queue_name varchar, task_name varchar, priority int,
           lock text, args jsonb, scheduled_at timestamptz)) WITH ORDINALITY
           AS j(queue_name, task_name, priority, lock, args, scheduled_at, nr)
      ORDER BY j.nr)))
"""
_DEFER = text("SELECT " + _DEFERRED.replace("{rows}", ":jobs"))
_JOBS = Part("jobs", "SELECT " + _DEFERRED)


class Timer(Base):
    """A wait of any length: a row that the sweep turns into a job when its time has come."""

    __tablename__ = "kernel_timer"
    __table_args__ = (Index("ix_kernel_timer_due_at", "due_at"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[Instant]
    task_name: Mapped[str]
    queue_name: Mapped[str]
    args: Mapped[Json]


def set_timer(
    session: Session,
    kind: str,
    key: str,
    due_at: datetime,
    task: str,
    args: Mapping[str, Any],
    *,
    queue: str = "default",
) -> None:
    """Set or move the timer (kind, key). `due_at` is business time.

    Its job must ask the row again whether the act is still due: cancelling is tidiness, not safety.
    """
    session.execute(
        text(
            """
            INSERT INTO kernel_timer (kind, key, due_at, task_name, queue_name, args)
            VALUES (:kind, :key, :due_at, :task, :queue, CAST(:args AS jsonb))
            ON CONFLICT (kind, key) DO UPDATE SET due_at = excluded.due_at, task_name = excluded.task_name,
                queue_name = excluded.queue_name, args = excluded.args
            """
        ),
        {
            "kind": kind,
            "key": key,
            "due_at": due_at,
            "task": task,
            "queue": queue,
            "args": json.dumps(dict(args)),
        },
    )


def cancel_timer(session: Session, kind: str, key: str) -> bool:
    """Remove a timer; False if there was none (or it has just become a job)."""
    done = session.execute(
        text("DELETE FROM kernel_timer WHERE kind = :kind AND key = :key RETURNING 1"),
        {"kind": kind, "key": key},
    )
    return done.first() is not None


def sweep_timers(session: Session, *, now: datetime, limit: int = TIMER_BATCH) -> int:
    """Turn up to `limit` due timers into jobs; returns how many. Many sweeps may run at once."""
    return int(session.execute(_SWEEP, {"now": now, "limit": limit}).scalar_one())


_SWEEP = text(
    """
    WITH due AS (
      DELETE FROM kernel_timer WHERE (kind, key) IN (
        SELECT kind, key FROM kernel_timer WHERE due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
      RETURNING queue_name, task_name, args)
    SELECT count(*) FROM unnest(procrastinate_defer_jobs_v1(ARRAY(
      SELECT ROW(queue_name, task_name, 0, NULL, NULL, args, NULL)::procrastinate_job_to_defer_v1 FROM due)))
    """
)


@periodic("* * * * * */5", "kernel.sweep_timers")
def sweep_all_timers(timestamp: int) -> None:
    """Every 5 s: all due timers, in batches."""
    del timestamp
    for _ in range(1_000):
        moved = database().run(lambda session: sweep_timers(session, now=clock.now()))
        if moved < TIMER_BATCH:
            return


@periodic("* * * * * */5", "kernel.retry_stalled")
def retry_stalled(timestamp: int) -> None:
    """Every 5 s: give back the jobs of dead workers and the jobs that outran their limit.

    A job that stalled five times is failed: it may be what kills its workers.
    """
    del timestamp
    database().run(lambda session: requeue_stalled(session, now=clock.real_now()))


def requeue_stalled(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Requeue stalled jobs and return how many were touched.

    Stalled: in `doing` while the worker's row is gone or its heartbeat is older than 45 s, or started
    longer ago than the task's `max_run_s` (the library may fail to write a final status and leave the
    job with a living worker; the heartbeat never shows that).
    """
    rows = session.execute(
        text(
            """
            SELECT j.id, j.task_name, j.attempts,
                   extract(epoch FROM CAST(:now AS timestamptz) - s.started_at) AS run_s,
                   (w.id IS NULL OR w.last_heartbeat < CAST(:now AS timestamptz) - make_interval(secs => :stalled_s)) AS orphan
            FROM procrastinate_jobs j
            LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
            CROSS JOIN LATERAL (SELECT max(e.at) AS started_at FROM procrastinate_events e
                                WHERE e.job_id = j.id AND e.type = 'started') s
            WHERE j.status = 'doing'
            ORDER BY j.id LIMIT :limit FOR UPDATE OF j SKIP LOCKED
            """
        ),
        {"now": now, "stalled_s": STALLED_AFTER_S, "limit": limit},
    ).all()
    touched = 0
    for row in rows:
        overrun = row.run_s is not None and row.run_s > _max_run_s.get(row.task_name, 600)
        if not (row.orphan or overrun):
            continue
        touched += 1
        if row.attempts >= MAX_STALLS:
            log.error("job is dead", task=row.task_name, job_id=row.id, runs=row.attempts, error="Stalled")
            session.execute(text("SELECT procrastinate_finish_job_v1(:id, 'failed', false)"), {"id": row.id})
        else:
            log.warning("stalled job goes back", task=row.task_name, job_id=row.id, overrun=overrun)
            _give_back(session, row.id, now)
    return touched


def _give_back(session: Session, job_id: int, now: datetime) -> None:
    try:
        with session.begin_nested():
            session.execute(
                text("SELECT procrastinate_retry_job_v2(:id, CAST(:now AS timestamptz), NULL, NULL, NULL)"),
                {"id": job_id, "now": now},
            )
    except IntegrityError:
        # A periodic task whose next tick already waits: the stalled run is not needed any more.
        session.execute(text("SELECT procrastinate_finish_job_v1(:id, 'failed', true)"), {"id": job_id})


@periodic("17 3 * * *", "kernel.forget_dead_jobs")
def forget_dead_jobs(timestamp: int) -> None:
    """Every night: drop dead and cancelled jobs whose last event is older than 30 days."""
    del timestamp
    limit = clock.real_now() - KEEP_DEAD

    def forget(session: Session) -> None:
        session.execute(
            text(
                """
                DELETE FROM procrastinate_jobs j WHERE status IN ('failed', 'cancelled') AND NOT EXISTS (
                  SELECT 1 FROM procrastinate_events e WHERE e.job_id = j.id AND e.at > :limit)
                """
            ),
            {"limit": limit},
        )
        session.execute(
            text(
                "DELETE FROM kernel_job_failure f WHERE NOT EXISTS (SELECT 1 FROM procrastinate_jobs j WHERE j.id = f.job_id)"
            )
        )

    database().run(forget)


def worker_connector(url: str, *, pool_size: int) -> procrastinate.PsycopgConnector:
    """The connector of a worker process: its own pool beside the sessions of its tasks."""
    return procrastinate.PsycopgConnector(conninfo=libpq_url(url), min_size=1, max_size=pool_size)
