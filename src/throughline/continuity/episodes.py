"""Episodes: opened by evidence or a report, deepened, re-opened, merged and ended; all of it on their timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.continuity import chronicle
from throughline.continuity.events import EpisodeClosed, EpisodeOpened
from throughline.continuity.models import Episode
from throughline.contracts import outage
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.notary import service as notary

OPENED = {
    "line": N_("An outage episode was opened: the line can receive neither messages nor calls."),
    "carrier": N_("An outage episode was opened: the carrier's network fails where this line is."),
    "own": N_("An outage episode was opened: our own service fails."),
    "claim": N_("An outage episode was opened on the borrower's own report."),
}
MOST_EVIDENCE = 50


@dataclass(frozen=True, slots=True)
class NewEpisode:
    """An outage to open an episode for. `ended_at`: it is over already, learned of late."""

    borrower_id: UUID
    cause: str
    kind: str
    source: str
    dark_since: datetime
    reason: Text
    ended_at: datetime | None = None
    line_id: UUID | None = None
    contact_point_id: UUID | None = None
    incident_id: UUID | None = None
    claim_id: UUID | None = None
    requested: bool = False
    probability: str = "1.0000"
    cannot_receive: str = "1.0000"
    evidence: Sequence[str] = field(default_factory=tuple)


def open_episode(session: Session, new: NewEpisode, *, now: datetime) -> tuple[Episode, bool]:
    """Open an episode, or find the one that is there for its line, incident or report; says whether it is new."""
    fresh = session.execute(
        insert(Episode)
        .values(
            borrower_id=new.borrower_id,
            id=new_id(),
            cause=new.cause,
            kind=new.kind,
            source=new.source,
            line_id=new.line_id,
            contact_point_id=new.contact_point_id,
            incident_id=new.incident_id,
            claim_id=new.claim_id,
            state="open" if new.ended_at is None else "closed",
            requested=new.requested,
            probability=new.probability,
            cannot_receive=new.cannot_receive,
            dark_since=new.dark_since,
            stretch_since=new.dark_since,
            back_at=new.ended_at,
            opened_at=now,
            closed_at=now if new.ended_at is not None else None,
            evidence=list(new.evidence),
            reason=new.reason,
        )
        .on_conflict_do_nothing()
        .returning(Episode.id)
    ).scalar_one_or_none()
    if fresh is None:
        return _standing(session, new), False
    episode = session.get_one(Episode, (new.borrower_id, fresh), with_for_update=True)
    _tell_opened(session, episode, now=now)
    return episode, True


def _standing(session: Session, new: NewEpisode) -> Episode:
    """The episode that kept a new one from being opened."""
    if new.incident_id is not None:
        which = Episode.incident_id == new.incident_id
    elif new.claim_id is not None:
        which = Episode.claim_id == new.claim_id
    else:
        which = (Episode.line_id == new.line_id) & (Episode.state == "open")
    found = session.scalars(
        select(Episode).where(Episode.borrower_id == new.borrower_id, which).with_for_update()
    ).one_or_none()
    if found is None:
        raise RuntimeError("the episode that was just opened is not there")
    return found


def _tell_opened(session: Session, episode: Episode, *, now: datetime) -> None:
    publish(
        session,
        EpisodeOpened(
            episode.id,
            episode.borrower_id,
            episode.line_id,
            episode.dark_since,
            episode.cause,
            episode.kind,
            episode.probability,
            episode.reason,
        ),
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=episode.borrower_id,
    )
    note_state(session, episode, at=episode.dark_since)
    chronicle.note(session, episode, "episode_opened", bilingual(OPENED[episode.cause]), at=now)
    notary.commit(
        session,
        episode.borrower_id,
        "outage_opened",
        {
            "episode": str(episode.id),
            "cause": episode.cause,
            "outage": episode.kind,
            "probability": episode.probability,
            "cannot_receive": episode.cannot_receive,
            "since": episode.dark_since.isoformat(),
            "until": episode.back_at.isoformat() if episode.back_at is not None else None,
            "evidence": episode.evidence,
        },
        now=now,
    )


def note_state(session: Session, episode: Episode, *, at: datetime, reason: Text | None = None) -> None:
    """Write on the timeline how the outage is believed now."""
    chronicle.note(
        session,
        episode,
        "line" if episode.cause == "line" else "outage",
        reason or episode.reason,
        at=at,
        details={
            "state": episode.kind,
            "probability": episode.probability,
            "cannot_receive": episode.cannot_receive,
            "evidence": episode.evidence,
        },
    )


def add_evidence(episode: Episode, evidence: Sequence[str]) -> None:
    """Keep the names of what the episode stands on, the newest 50."""
    known: list[Any] = episode.evidence
    episode.evidence = [*known, *(one for one in evidence if one not in known)][-MOST_EVIDENCE:]


def reopen(session: Session, line_id: UUID, since: datetime, *, now: datetime) -> Episode | None:
    """The newest closed episode of a line, open again, if the new failure came soon enough; else None.

    How soon is a field of the policy row (`reopen_days`), so that a line that flickers is one episode.
    """
    last = session.scalars(
        select(Episode)
        .where(Episode.line_id == line_id, Episode.state == "closed", Episode.cause == "line")
        .order_by(Episode.back_at.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if last is None or last.back_at is None or since < last.back_at:
        return None
    row = outage.newest().row_for("line", last.kind, last.dark_since.date())
    if row is None or since - last.back_at > timedelta(days=row.reopen_days) or not row.reopen_days:
        return None
    last.state, last.back_at, last.closed_at, last.stretch_since = "open", None, None, since
    chronicle.note(
        session,
        last,
        "episode_reopened",
        bilingual(N_("The line failed again so soon after its return that it is the same outage.")),
        at=since,
    )
    notary.commit(
        session,
        last.borrower_id,
        "outage_reopened",
        {"episode": str(last.id), "since": since.isoformat()},
        now=now,
    )
    return last


def close(session: Session, episode: Episode, *, back_at: datetime, reason: Text, now: datetime) -> None:
    """End an episode; its protections are ended by whoever calls."""
    episode.state, episode.back_at, episode.closed_at = "closed", max(back_at, episode.stretch_since), now
    publish(
        session,
        EpisodeClosed(
            episode.id, episode.borrower_id, episode.line_id, episode.cause, episode.back_at, reason
        ),
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=episode.borrower_id,
    )
    notary.commit(
        session,
        episode.borrower_id,
        "outage_closed",
        {
            "episode": str(episode.id),
            "back_at": episode.back_at.isoformat(),
            "evidence": episode.evidence,
        },
        now=now,
    )


def merge_reports(session: Session, into: Episode, *, now: datetime) -> int:
    """Fold the borrower's own reports of the same days into an episode on evidence; returns how many.

    What was granted on the word stays: the days are counted once, whichever case covers them.
    """
    until = into.back_at or now
    reports = session.scalars(
        select(Episode)
        .where(
            Episode.borrower_id == into.borrower_id,
            Episode.cause == "claim",
            Episode.state != "merged",
            Episode.id != into.id,
            Episode.dark_since <= until,
            or_(Episode.back_at.is_(None), Episode.back_at >= into.dark_since),
        )
        .order_by(Episode.id)
        .limit(20)
        .with_for_update()
    ).all()
    for one in reports:
        one.state, one.merged_into, one.closed_at = "merged", into.id, now
        text = bilingual(N_("Evidence bears out the borrower's report: both are one outage."))
        chronicle.note(session, one, "episode_merged", text, at=now, details={"into": str(into.id)})
        chronicle.note(session, into, "episode_merged", text, at=now, details={"report": str(one.id)})
    return len(reports)


def overlapping(
    session: Session, borrower_id: UUID, since: datetime, until: datetime, *, causes: Sequence[str]
) -> list[Episode]:
    """The borrower's episodes of those causes that touch a span, oldest first; locked, at most 20."""
    return list(
        session.scalars(
            select(Episode)
            .where(
                Episode.borrower_id == borrower_id,
                Episode.cause.in_(causes),
                Episode.state != "merged",
                Episode.dark_since <= until,
                or_(Episode.back_at.is_(None), Episode.back_at >= since),
            )
            .order_by(Episode.dark_since)
            .limit(20)
            .with_for_update()
        )
    )
