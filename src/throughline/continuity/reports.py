"""What borrowers report of themselves: a line that is out, a phone lost or broken, a number that changed.

A report moves no belief about the line. It opens an episode on the borrower's word, for which the policy gives a
short grace; evidence is accepted afterwards and takes the report over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, episodes, protection
from throughline.continuity.episodes import NewEpisode
from throughline.continuity.facts import local
from throughline.continuity.models import Episode
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import set_timer
from throughline.line import claims
from throughline.line import service as line

# How a report reads as a claim about the line, which later evidence is weighed against.
AS_LINE_STATE = {
    "line_out": "suspended",
    "phone_lost": "device_off",
    "phone_broken": "device_off",
    "number_changed": "cancelled",
}
FROM_LINE_STATE = {"device_off": "phone_broken", "cancelled": "number_changed"}
SAID = {
    "line_out": N_("The borrower reports: the line is out."),
    "phone_lost": N_("The borrower reports: the phone is lost."),
    "phone_broken": N_("The borrower reports: the phone is broken or off."),
    "number_changed": N_("The borrower reports: the number has changed."),
}
LONGEST_PAST = timedelta(days=180)
OPEN_FOR = timedelta(days=30)  # a report without an end is over then, unless evidence took it over
MOST_LATELY = 10  # of a borrower in 30 days


class ReportImpossible(Invalid):
    """The times of a report can't be."""

    code = "outage-report-impossible"
    title = N_(
        "A report begins in the past, at most 180 days ago, and ends after its begin and not later than now"
    )


class TooManyReports(Conflict):
    """Somebody reports again and again."""

    code = "outage-reports-too-many"
    title = N_("You have reported often lately; we have all that you told us")


class ReportUnknown(NotFound):
    """The borrower has no such open report."""

    code = "outage-report-unknown"
    title = N_("You have no open report of that kind with us")


def report(
    session: Session,
    borrower_id: UUID,
    kind: str,
    *,
    from_at: datetime,
    to_at: datetime | None,
    now: datetime,
    made_by: str = "borrower",
) -> UUID:
    """Take a borrower's report and judge what it protects; returns the episode's id.

    Where an outage on evidence covers the days already, the report is noted there. Raises ReportImpossible,
    TooManyReports.
    """
    if (
        kind not in AS_LINE_STATE
        or not now - LONGEST_PAST <= from_at <= now
        or not (to_at is None or from_at < to_at <= now)
    ):
        raise ReportImpossible
    if _lately(session, borrower_id, now) >= MOST_LATELY:
        raise TooManyReports
    lines = line.lines_of(session, borrower_id)
    claim_id = (
        claims.make(
            session,
            borrower_id,
            lines[0].line_id,
            state=AS_LINE_STATE[kind],
            from_at=from_at,
            to_at=to_at,
            now=now,
            made_by=made_by,
        )
        if lines
        else new_id()
    )
    return take(session, borrower_id, claim_id, kind, from_at=from_at, to_at=to_at, now=now)


def take(
    session: Session,
    borrower_id: UUID,
    claim_id: UUID,
    kind: str,
    *,
    from_at: datetime,
    to_at: datetime | None,
    now: datetime,
) -> UUID:
    """Open the episode of a report, or note it where evidence speaks of the same days; safe to repeat."""
    proved = episodes.overlapping(session, borrower_id, from_at, to_at or now, causes=("line", "carrier"))
    if proved:
        said = bilingual(SAID[kind])
        if not chronicle.is_noted(session, proved[0], "report", str(claim_id)):
            chronicle.note(session, proved[0], "report", said, at=now, details={"report": str(claim_id)})
        return proved[0].id
    episode, fresh = episodes.open_episode(
        session,
        NewEpisode(
            borrower_id=borrower_id,
            cause="claim",
            kind=kind,
            source="claim",
            dark_since=from_at,
            ended_at=to_at,
            claim_id=claim_id,
            reason=bilingual(SAID[kind]),
        ),
        now=now,
    )
    if fresh:
        protection.protect_what_falls_due(session, episode, now=now)
        if to_at is None:
            _arm(session, episode, now + OPEN_FOR)
    return episode.id


def contradict(session: Session, claim_id: UUID, at: datetime, evidence: list[str], *, now: datetime) -> bool:
    """Several observations speak against a report: what it was given goes to a person; False: nothing to do.

    What the word had been given stays until a person has looked.
    """
    episode = session.scalars(
        select(Episode).where(Episode.claim_id == claim_id).with_for_update()
    ).one_or_none()
    if episode is None or episode.contradicted_at is not None:
        return False
    episode.contradicted_at = at
    episodes.add_evidence(episode, evidence)
    chronicle.note(
        session,
        episode,
        "contradicted",
        bilingual(N_("What was observed of the line differs from the report. A person looks at it.")),
        at=now,
        details={"evidence": evidence},
    )
    for case in protection.cases_in(session, episode, ("granted",)):
        protection.into_review(session, episode, case, now=now)
    return True


def over(session: Session, borrower_id: UUID, episode_id: UUID, *, back_at: datetime, now: datetime) -> None:
    """The borrower says that it is over, or nobody has said anything for a month. Raises ReportUnknown."""
    episode = session.get(Episode, (borrower_id, episode_id), with_for_update=True)
    if episode is None or episode.state != "open" or not theirs_to_end(episode):
        raise ReportUnknown
    reason = bilingual(N_("The reported outage is over."))
    protection.end_cases(session, episode, local(back_at), now=now)
    episodes.close(session, episode, back_at=back_at, reason=reason, now=now)
    chronicle.note(session, episode, "episode_closed", reason, at=now)


def theirs_to_end(episode: Episode) -> bool:
    """Whether the borrower says when it is over: what rests on their word, or on a person's record of what they showed.

    Of a line that we watch, the line itself tells.
    """
    return episode.cause == "claim" or (episode.source == "staff" and episode.line_id is None)


def _arm(session: Session, episode: Episode, at: datetime) -> None:
    set_timer(
        session,
        "continuity.report",
        str(episode.id),
        at,
        "continuity.report_over",
        {"borrower_id": str(episode.borrower_id), "episode_id": str(episode.id)},
    )


def _lately(session: Session, borrower_id: UUID, now: datetime) -> int:
    return session.execute(
        select(func.count())
        .select_from(Episode)
        .where(
            Episode.borrower_id == borrower_id,
            Episode.cause == "claim",
            Episode.opened_at > now - timedelta(days=30),
        )
    ).scalar_one()
