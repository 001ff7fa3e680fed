"""The timeline of an episode: what happened, when, and on what evidence; written once, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity.models import Episode, TimelineEntry
from throughline.kernel.i18n import Text


def note(
    session: Session,
    episode: Episode,
    kind: str,
    text: Text,
    *,
    at: datetime,
    details: dict[str, Any] | None = None,
) -> None:
    """Add one entry. `details` holds ids, numbers and dates for staff; no personal data."""
    session.add(
        TimelineEntry(
            borrower_id=episode.borrower_id,
            episode_id=episode.id,
            at=at,
            kind=kind,
            text=text,
            details=details or {},
        )
    )
    session.flush()


def is_noted(session: Session, episode: Episode, kind: str, report_id: str) -> bool:
    """Whether an entry about that report is on the timeline already."""
    found = select(TimelineEntry.id).where(
        TimelineEntry.episode_id == episode.id,
        TimelineEntry.kind == kind,
        TimelineEntry.details["report"].as_string() == report_id,
    )
    return session.execute(found.limit(1)).first() is not None


def note_for_borrower(
    session: Session,
    borrower_id: UUID,
    kind: str,
    text: Text,
    *,
    at: datetime,
    details: dict[str, Any] | None = None,
) -> int:
    """Add one entry to each episode of the borrower that is open; returns to how many."""
    episodes = session.scalars(
        select(Episode).where(Episode.borrower_id == borrower_id, Episode.state == "open").limit(20)
    ).all()
    for episode in episodes:
        note(session, episode, kind, text, at=at, details=details)
    return len(episodes)


def timeline(
    session: Session, episode_id: UUID, *, after: UUID | None = None, limit: int = 200
) -> list[TimelineEntry]:
    """A page of an episode's entries, oldest first, after the entry with the id `after`."""
    query = select(TimelineEntry).where(TimelineEntry.episode_id == episode_id)
    if after is not None:
        query = query.where(TimelineEntry.id > after)
    return list(session.scalars(query.order_by(TimelineEntry.id).limit(limit)))
