"""Jobs of continuity: the end of a protection or of a report by time, and who is touched by an incident."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from throughline.continuity import incidents, reports, service
from throughline.continuity.evidence import keeping
from throughline.continuity.response import service as responses
from throughline.continuity.status import intake
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task


@task("continuity.cap_case")
def cap_case(*, borrower_id: str, case_id: str) -> None:
    """End a case at its cap; a business date that lags behind the clock sets the timer again."""
    database().run(
        lambda session: service.cap_case(session, UUID(borrower_id), UUID(case_id), now=clock.now())
    )


@task("continuity.report_over")
def report_over(*, borrower_id: str, episode_id: str) -> None:
    """A report without an end, of which nobody has said more for a month, is over."""

    def close(session: Session) -> None:
        now = clock.now()
        try:
            reports.over(session, UUID(borrower_id), UUID(episode_id), back_at=now, now=now)
        except reports.ReportUnknown:
            return  # it was ended, or evidence took it over

    database().run(close)


@task("continuity.cover_incident", queue="batch")
def cover_incident(*, incident_id: str, after: str | None) -> None:
    """Look at the next borrowers whom an incident may touch; what is left is a job of its own."""
    database().run(
        lambda session: incidents.cover(
            session, UUID(incident_id), UUID(after) if after else None, now=clock.now()
        )
    )


@task("continuity.neutral_note")
def neutral_note(*, response_id: str) -> None:
    """Nobody approved the first note in time: a neutral one goes out by itself."""
    database().run(lambda session: responses.neutral_note(session, UUID(response_id), now=clock.now()))


@periodic("23 4 * * *", "continuity.forget_probes")
def forget_probes(timestamp: int) -> None:
    """Every night: single looks of probes older than 100 days; their sums by day stay."""
    del timestamp
    for _ in range(100):
        dropped = database().run(lambda session: intake.forget(session, now=clock.now()))
        if dropped < intake.MOST_FORGOTTEN:
            return


@periodic("43 4 * * *", "continuity.purge_evidence")
def purge_evidence(timestamp: int) -> None:
    """Every night: the content of evidence whose days are over."""
    del timestamp
    for _ in range(100):
        if database().run(lambda session: keeping.purge(session, now=clock.now())) < keeping.BATCH:
            return
