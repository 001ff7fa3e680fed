"""Publishing what is said of an incident. A note is never changed: a correction is another one that names it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity import incidents
from throughline.continuity.status.models import StatusNote
from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_, Text

STAGES = ("noticed", "identified", "fixed", "closed", "update")
MOST = 200


class NoteImpossible(Invalid):
    """The stage is none, or the note that is corrected belongs elsewhere."""

    code = "status-note-impossible"
    title = N_("This cannot be published: check the stage and the note that it corrects")


class TooManyNotes(Conflict):
    """Nobody reads so many."""

    code = "too-many-notes"
    title = N_("This incident has too many notes already")


def publish(
    session: Session,
    incident_id: UUID,
    stage: str,
    text: Text,
    *,
    now: datetime,
    by: UUID | None = None,
    next_update_by: datetime | None = None,
    corrects: UUID | None = None,
) -> StatusNote:
    """Publish a note; `by` nobody: it goes out by itself. Raises IncidentUnknown, NoteImpossible, TooManyNotes."""
    incidents.incident(session, incident_id)
    known = of(session, incident_id)
    if len(known) >= MOST:
        raise TooManyNotes
    if stage not in STAGES or (corrects is not None and corrects not in {one.id for one in known}):
        raise NoteImpossible
    note = StatusNote(
        incident_id=incident_id,
        at=now,
        stage=stage,
        text=dict(text),
        next_update_by=next_update_by,
        corrects=corrects,
        published_by=by,
    )
    session.add(note)
    session.flush()
    return note


def of(session: Session, incident_id: UUID) -> list[StatusNote]:
    """All notes of an incident, oldest first."""
    query = select(StatusNote).where(StatusNote.incident_id == incident_id)
    return list(session.scalars(query.order_by(StatusNote.id).limit(MOST)))
