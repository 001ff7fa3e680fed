"""Jobs of line: evidence that waits, questions, subscriptions, the plan of questions, incidents."""

from __future__ import annotations

from uuid import UUID

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.line import engine, feeds, incidents, measures, planning, service
from throughline.line.feed import jobs as feed_jobs
from throughline.line.intake import FOLD
from throughline.line.joint import jobs as joint_jobs

__all__ = ["feed_jobs", "joint_jobs", "look", "plan_queries", "query"]  # the former register themselves

MAX_PLANNED = 600  # chunks of one run; what is left comes in the next minute


@task(FOLD)
def fold() -> None:
    """Fold the evidence that waits."""
    engine.work_off(database())


@task("line.query", max_attempts=4)
def query(*, borrower_id: str, line_id: str, reason: str, source: str | None = None) -> None:
    """Ask the carrier or a vendor about one line; without a source, whom the line's carrier offers best."""
    feeds.query(UUID(borrower_id), UUID(line_id), reason, source)


@task("line.look")
def look(*, borrower_id: str, line_id: str) -> None:
    """Believe anew of one line."""
    database().run(lambda session: service.look(session, UUID(borrower_id), UUID(line_id), now=clock.now()))


@periodic("* * * * *", "line.plan_queries")
def plan_queries(timestamp: int) -> None:
    """Every minute: look at the lines whose time has come and ask what is worth it; pushes and suspicion ask by
    themselves. Chunks are committed one by one, so that a run that dies goes on where it was."""
    del timestamp
    now = clock.now()
    for _ in range(MAX_PLANNED):
        if database().run(lambda session: planning.run(session, now=now)) < planning.CHUNK:
            break


@periodic("* * * * *", "line.incidents")
def find_incidents(timestamp: int) -> None:
    """Every minute: count what has ended, open and close incidents; fold what a lost job has left."""
    del timestamp
    where = database()
    for _ in range(incidents.MAX_BINS):
        if not where.run(lambda session: incidents.count_bins(session, now=clock.now())):
            break
    where.run(lambda session: incidents.detect(session, now=clock.now()))
    where.run(measures.observe)
    engine.sweep(where)
