"""HTTP for borrowers: handing in evidence for a report or an objection, what was handed in, and one's own file."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from throughline.continuity.evidence import handing_in, looking, media, standing
from throughline.continuity.evidence.media import Kind, MediaType
from throughline.continuity.evidence.models import EvidenceFile
from throughline.identity.levels import Level
from throughline.identity.service import require_level
from throughline.kernel import clock, uploads
from throughline.kernel.http import (
    AnyCaller,
    BorrowerId,
    Caller,
    IdempotencyKey,
    Paged,
    PageParams,
    Reading,
    allow_larger_body,
    paged,
    problems,
)
from throughline.kernel.i18n import Text
from throughline.kernel.uploads import Upload

router = APIRouter(prefix="/api/v1", tags=["continuity"])
READ_BYTES = 24 * 1024 * 1024  # of a body: a photo that is too large is read to its end, and then refused
allow_larger_body(r"/api/v1/me/(outages|protections)/[0-9A-Fa-f-]{32,36}/evidence", READ_BYTES)

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["kind", "file"],
                    "properties": {
                        "kind": {"type": "string", "enum": list(media.KINDS)},
                        "words": {"type": "string", "maxLength": media.MOST_WORDS},
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "JPEG, PNG or PDF, known by its content, at most 3 MiB",
                        },
                    },
                }
            }
        },
    }
}


class TakenOut(BaseModel):
    """A file that I have handed in, without my words: an answer to a writing request is kept for a while.

    `answer_by`: a person has looked by then. `outage_id`: what was recorded on it. `purged_at`: since then its
    content is not kept any more.
    """

    id: UUID
    episode_id: UUID
    appeal_id: UUID | None
    kind: Kind
    media_type: MediaType
    size_bytes: int
    state: Literal["waiting", "accepted", "refused"]
    handed_in_at: datetime
    answer_by: datetime
    decided_at: datetime | None
    answer: Text | None
    outage_id: UUID | None
    purged_at: datetime | None
    record_id: UUID | None


class MyEvidenceOut(TakenOut):
    """A file that I handed in, with my own words."""

    words: str


def _counted(borrower_id: BorrowerId) -> UUID:
    handing_in.count_try(borrower_id)
    return borrower_id


async def _uploaded(request: Request, borrower_id: Annotated[UUID, Depends(_counted)]) -> Upload:
    # Only now, for a borrower within the limit, is the body read.
    del borrower_id
    return await uploads.read(request, media.MOST_BYTES)


Uploaded = Annotated[Upload, Depends(_uploaded)]


@router.post(
    "/me/outages/{episode_id}/evidence",
    status_code=201,
    response_model=TakenOut,
    responses=problems(401, 403, 404, 409, 415, 422, 429),
    openapi_extra=FORM,
)
def hand_in(
    request: Request,
    episode_id: UUID,
    borrower_id: BorrowerId,
    caller: AnyCaller,
    upload: Uploaded,
    key: IdempotencyKey,
) -> Response:
    """Hand in evidence for what I reported: one file, at most five for a report. A person looks at it."""
    new = _new(upload)

    def verb(session: Session) -> TakenOut:
        row = handing_in.for_report(session, borrower_id, episode_id, new, now=clock.now())
        return TakenOut.model_validate(row, from_attributes=True)

    return uploads.writing(request, caller, key, upload).once(verb, status=201)


@router.post(
    "/me/protections/{case_id}/evidence",
    status_code=201,
    response_model=TakenOut,
    responses=problems(401, 403, 404, 409, 415, 422, 429),
    openapi_extra=FORM,
)
def hand_in_for_objection(
    request: Request,
    case_id: UUID,
    borrower_id: BorrowerId,
    caller: AnyCaller,
    upload: Uploaded,
    key: IdempotencyKey,
) -> Response:
    """Hand in evidence for my open objection to a decision: one file, at most five for an objection."""
    new = _new(upload)

    def verb(session: Session) -> TakenOut:
        row = handing_in.for_appeal(session, borrower_id, case_id, new, now=clock.now())
        return TakenOut.model_validate(row, from_attributes=True)

    return uploads.writing(request, caller, key, upload).once(verb, status=201)


@router.get("/me/outages/{episode_id}/evidence", responses=problems(401, 403, 404, 422))
def my_evidence(episode_id: UUID, borrower_id: BorrowerId, session: Reading) -> list[MyEvidenceOut]:
    """What I handed in for a report (at most five)."""
    handing_in.report_of(session, borrower_id, episode_id)
    return [mine(session, row) for row in standing.files_of(session, episode_id)]


@router.get("/me/outage-evidence", responses=problems(401, 403, 422))
def all_my_evidence(borrower_id: BorrowerId, session: Reading, page: PageParams) -> Paged[MyEvidenceOut]:
    """Everything that I ever handed in, newest first, with what was decided about it."""
    rows = standing.all_of(session, borrower_id, after=page.after, limit=page.limit + 1)
    return paged([mine(session, row) for row in rows], page, lambda row: row.id)


@router.get(
    "/me/outage-evidence/{evidence_id}/file",
    response_class=Response,
    responses=problems(401, 403, 404, 422) | {200: {"content": {one: {} for one in media.ENDINGS}}},
)
def my_file(
    evidence_id: UUID,
    borrower_id: BorrowerId,
    caller: Annotated[Caller, Depends(require_level(Level.A2))],
    session: Reading,
) -> Response:
    """A file of mine as it is kept, for a session that was begun with a passkey or two factors."""
    del caller
    return answer(looking.opened_by_owner(session, borrower_id, evidence_id))


def answer(found: looking.Opened) -> Response:
    """A file as an answer in which nothing runs."""
    return Response(found.content, media_type=found.media_type, headers=dict(found.headers))


def mine(session: Session, row: EvidenceFile) -> MyEvidenceOut:
    """A file as its borrower sees it."""
    names = MyEvidenceOut.model_fields.keys() - {"words"}
    said = {name: getattr(row, name) for name in names}
    return MyEvidenceOut(**said, words=standing.words_of(session, row))


def _new(upload: Upload) -> media.NewFile:
    return media.looked_at(upload.fields.get("kind", ""), upload.fields.get("words", ""), upload.content)
