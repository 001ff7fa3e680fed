"""HTTP for staff: evidence that waits, one file opened by a person, the decision."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator
from sqlalchemy.orm import Session

from throughline.continuity import views
from throughline.continuity.api_decisions import ReasonIn, staff_id
from throughline.continuity.evidence import deciding, looking, media, standing
from throughline.continuity.evidence.api import MyEvidenceOut, answer
from throughline.continuity.evidence.models import EvidenceFile
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.http import (
    AnyCaller,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)

router = APIRouter(prefix="/api/v1", tags=["continuity"])
READER = [Depends(require_scope("continuity:read"))]
WRITER = [Depends(require_scope("continuity:write"))]


class WaitingOut(BaseModel):
    """A report whose evidence waits. `answer_by`: what the borrower was told."""

    id: UUID
    borrower_id: UUID
    episode_id: UUID
    files: int
    handed_in_at: datetime
    answer_by: datetime


class EvidenceOut(MyEvidenceOut):
    """A file as staff see it. `seen_by`: who has opened it; `expires_at`: when its content goes."""

    borrower_id: UUID
    seen_by: list[str]
    decided_by: UUID | None
    expires_at: datetime | None


class ProvedIn(BaseModel):
    """What the evidence proves of the line. `to_at` is left out while it goes on."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["suspended", "pre_cancelled", "cancelled", "reassigned"]
    from_at: AwareDatetime
    to_at: AwareDatetime | None = None


class EvidenceDecisionIn(BaseModel):
    """The decision about all evidence of a report that waits. With `proved` it is accepted, without refused."""

    model_config = ConfigDict(extra="forbid")
    accept: bool
    reason: ReasonIn
    proved: ProvedIn | None = None

    @model_validator(mode="after")
    def _whole(self) -> EvidenceDecisionIn:
        if self.accept != (self.proved is not None):
            raise ValueError("proved belongs to an acceptance")
        return self


@router.get("/outage-evidence", responses=problems(401, 403, 422), dependencies=READER)
def evidence_that_waits(session: Reading, page: PageParams) -> Paged[WaitingOut]:
    """Reports whose evidence waits for a person, oldest first."""
    rows = standing.queue(session, after=page.after, limit=page.limit + 1)
    found = [WaitingOut.model_validate(row, from_attributes=True) for row in rows]
    return paged(found, page, lambda row: row.id)


@router.get("/episodes/{episode_id}/evidence", responses=problems(401, 403, 404, 422), dependencies=WRITER)
def evidence_of(episode_id: UUID, session: Reading) -> list[EvidenceOut]:
    """What was handed in for a report (at most five), with the borrower's words, for the person who decides."""
    views.episode(session, episode_id)
    return [_out(session, row) for row in standing.files_of(session, episode_id)]


@router.get(
    "/outage-evidence/{evidence_id}/file",
    response_class=Response,
    responses=problems(401, 403, 404, 422) | {200: {"content": {one: {} for one in media.ENDINGS}}},
    dependencies=WRITER,
)
def open_evidence(evidence_id: UUID, caller: AnyCaller) -> Response:
    """One file, for a person of the staff who decides; each time is written down and the borrower sees it."""
    by = staff_id(caller)
    found = database().run(
        lambda session: looking.opened_by_staff(session, evidence_id, by=by, now=clock.now())
    )
    return answer(found)


@router.post(
    "/episodes/{episode_id}/evidence/decision",
    responses=problems(401, 403, 404, 409, 422),
    dependencies=WRITER,
)
def decide_evidence(
    episode_id: UUID, body: EvidenceDecisionIn, caller: AnyCaller, write: Writing
) -> Response:
    """Accept the evidence of a report for days, which records an outage on evidence, or refuse it."""
    by = staff_id(caller)

    def verb(session: Session) -> dict[str, Any]:
        reason, now = body.reason.text(), clock.now()
        if body.proved is None:
            deciding.refuse(session, episode_id, reason=reason, by=by, now=now)
            return {"outage_id": None}
        proved = deciding.Proved(body.proved.kind, body.proved.from_at, body.proved.to_at)
        outage_id = deciding.accept(session, episode_id, proved, reason=reason, by=by, now=now)
        return {"outage_id": str(outage_id)}

    return write.once(verb)


def _out(session: Session, row: EvidenceFile) -> EvidenceOut:
    said = {name: getattr(row, name) for name in EvidenceOut.model_fields.keys() - {"words"}}
    return EvidenceOut(**said, words=standing.words_of(session, row))
