"""Jobs of line: questions, subscriptions, the plan of questions."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.line import feeds, service
from throughline.line.feed import jobs as feed_jobs
from throughline.line.joint import jobs as joint_jobs
from throughline.line.models import Line

__all__ = ["feed_jobs", "joint_jobs", "look", "plan_queries", "query"]  # the former register themselves


@task("line.query", max_attempts=4)
def query(*, borrower_id: str, line_id: str, reason: str, source: str | None = None) -> None:
    """Ask about one line; without a source, the best one of its carrier."""
    feeds.query(UUID(borrower_id), UUID(line_id), reason, source)


@task("line.look")
def look(*, borrower_id: str, line_id: str) -> None:
    """Believe anew of one line."""
    database().run(lambda session: service.look(session, UUID(borrower_id), UUID(line_id), now=clock.now()))


@periodic("* * * * *", "line.plan_queries")
def plan_queries(timestamp: int) -> None:
    """Every minute: ask about the lines whose time has come; pushes and suspicion ask by themselves."""
    del timestamp
    now = clock.now()

    def plan(session: Session) -> None:
        for borrower_id, line_id in feeds.due_lines(session, now=now):
            service.ask(session, borrower_id, line_id, reason="planned")
            # The job sets the next time itself; until it runs, the line is not asked for again.
            session.execute(
                update(Line).where(Line.id == line_id).values(next_query_at=now + timedelta(hours=1))
            )

    database().run(plan)
