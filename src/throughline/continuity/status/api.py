"""HTTP of the status page for machines and staff: probes come in, notes are published. The page itself is `web`'s."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity.status import intake, notes
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.http import AnyCaller, Reading, Writing, problems, require_scope
from throughline.kernel.i18n import Text

router = APIRouter(prefix="/api/v1", tags=["status"])
PROBER = [Depends(require_scope("continuity:probe"))]
READER = [Depends(require_scope("continuity:read"))]
WRITER = [Depends(require_scope("continuity:write"))]
Sentence = Annotated[str, Field(min_length=1, max_length=1_000)]


class ObservationIn(BaseModel):
    """What a probe saw of one component: `platform`, a task, `rail:…`, `route:…` or `carrier:…`."""

    model_config = ConfigDict(extra="forbid")
    component: Annotated[str, Field(pattern=r"^[a-z_]{1,20}(:[a-z0-9_-]{1,32})?$")]
    at: AwareDatetime
    state: Literal["working", "slow", "partly", "down"]
    reason: Annotated[str, Field(pattern=r"^[a-z0-9:_-]{0,60}$")] = ""
    took_ms: Annotated[int, Field(ge=0, le=600_000)]
    interval_s: Annotated[int, Field(ge=1, le=3_600)]


class ProbesIn(BaseModel):
    """What one prober saw, oldest first; sending it again changes nothing."""

    model_config = ConfigDict(extra="forbid")
    source: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    observations: Annotated[list[ObservationIn], Field(min_length=1, max_length=intake.LONGEST_BATCH)]


class ProbesOut(BaseModel):
    """How many of them were new."""

    recorded: int


class NoteIn(BaseModel):
    """What is told the public of an incident, in both languages. `corrects`: the note that was wrong."""

    model_config = ConfigDict(extra="forbid")
    stage: Literal["noticed", "identified", "fixed", "closed", "update"]
    zh: Sentence
    en: Sentence
    next_update_by: AwareDatetime | None = None
    corrects: UUID | None = None

    def text(self) -> Text:
        """As it is stored."""
        return {"zh-CN": self.zh, "en": self.en}


class NoteOut(BaseModel):
    """A published note. `published_by` is empty where it went out by itself."""

    id: UUID
    incident_id: UUID
    at: datetime
    stage: str
    text: Text
    next_update_by: datetime | None
    corrects: UUID | None
    published_by: UUID | None


@router.post("/status/probes", responses=problems(401, 403, 422), dependencies=PROBER)
def take_probes(body: ProbesIn) -> ProbesOut:
    """Take in what a prober saw. Each row has its own key, so no Idempotency-Key is needed."""
    seen = [
        intake.Observation(one.component, one.at, one.state, one.reason, one.took_ms, one.interval_s)
        for one in body.observations
    ]
    count = database().run(
        lambda session: intake.record(session, body.source, seen, now=clock.now()), retry_s=20
    )
    return ProbesOut(recorded=count)


@router.get("/incidents/{incident_id}/notes", responses=problems(401, 403, 404, 422), dependencies=READER)
def published_notes(incident_id: UUID, session: Reading) -> list[NoteOut]:
    """What was published of an incident (at most 200 notes), oldest first."""
    return [NoteOut.model_validate(one, from_attributes=True) for one in notes.of(session, incident_id)]


@router.post(
    "/incidents/{incident_id}/notes",
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
    dependencies=WRITER,
)
def publish_note(incident_id: UUID, body: NoteIn, caller: AnyCaller, write: Writing) -> Response:
    """Publish a note. It cannot be taken back; a correction is a note that names it."""

    def verb(session: Session) -> NoteOut:
        note = notes.publish(
            session,
            incident_id,
            body.stage,
            body.text(),
            now=clock.now(),
            by=caller.id,
            next_update_by=body.next_update_by,
            corrects=body.corrects,
        )
        return NoteOut.model_validate(note, from_attributes=True)

    return write.once(verb, status=201)
