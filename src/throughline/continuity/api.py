"""HTTP of continuity: outage episodes with their evidence and decisions for staff; a borrower's protections."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from throughline.continuity import (
    api_decisions,
    api_outages,
    api_way,
    chronicle,
    joint_api,
    numbers_api,
    service,
)
from throughline.continuity.evidence import api as evidence_api
from throughline.continuity.evidence import api_staff as evidence_staff_api
from throughline.continuity.response import api as response_api
from throughline.continuity.status import api as status_api
from throughline.kernel.http import BorrowerId, Paged, PageParams, Reading, paged, problems, require_scope
from throughline.kernel.i18n import Text

router = APIRouter()
router.include_router(joint_api.router)
router.include_router(api_outages.router)
router.include_router(api_decisions.router)
router.include_router(api_way.router)
router.include_router(evidence_api.router)
router.include_router(evidence_staff_api.router)
router.include_router(numbers_api.router)
router.include_router(status_api.router)
router.include_router(response_api.router)
episodes_router = APIRouter(prefix="/api/v1", tags=["continuity"])
READER = [Depends(require_scope("continuity:read"))]


class EpisodeOut(BaseModel):
    """An outage as it touches a borrower. `cause` and `kind` are those of the outage policy (for a line `kind` is
    its state). `probability` is of `kind`, as it was believed last; `cannot_receive` that nothing arrives, whichever
    outage it is: what protection goes by. `merged_into`: the episode on evidence that took over a report.
    """

    id: UUID
    borrower_id: UUID
    cause: Literal["line", "carrier", "own", "claim"]
    kind: str
    source: Literal["line", "incident", "claim", "staff"]
    line_id: UUID | None
    incident_id: UUID | None
    merged_into: UUID | None
    state: Literal["open", "closed", "merged"]
    requested: bool
    contradicted_at: datetime | None
    probability: str
    cannot_receive: str
    dark_since: datetime
    back_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    evidence: list[Any]
    reason: Text


class CaseOut(BaseModel):
    """The protection of one loan in one episode: what was decided, by which rule, and why.

    `difference`: what the measures changed on the loan when they were decided (amounts in minor units).
    """

    case_id: UUID
    loan_id: UUID
    installment_nr: int
    due_date: date
    state: Literal["granted", "refused", "review", "ended", "revoked"]
    policy_version: str | None
    rule_id: str | None
    first_day: date | None
    last_day: date | None
    measures: list[str]
    difference: dict[str, int]
    reason: Text
    end_reason: Text | None
    record_id: UUID | None


class EpisodeStory(EpisodeOut):
    """An episode with the cases of all its loans."""

    cases: list[CaseOut]


class EntryOut(BaseModel):
    """One entry of an episode's timeline."""

    id: UUID
    at: datetime
    kind: str
    text: Text
    details: dict[str, Any]


@episodes_router.get("/episodes", responses=problems(401, 403, 422), dependencies=READER)
def list_episodes(
    session: Reading,
    page: PageParams,
    state: Annotated[Literal["open", "closed", "merged"] | None, Query(description="Only these")] = None,
    cause: Annotated[
        Literal["line", "carrier", "own", "claim"] | None, Query(description="Only of this cause")
    ] = None,
    borrower_id: Annotated[UUID | None, Query(description="Only of this borrower")] = None,
) -> Paged[EpisodeOut]:
    """Outage episodes, newest first."""
    rows = service.episodes_page(
        session, borrower_id=borrower_id, state=state, cause=cause, after=page.after, limit=page.limit + 1
    )
    return paged(
        [EpisodeOut.model_validate(row, from_attributes=True) for row in rows], page, lambda row: row.id
    )


@episodes_router.get("/episodes/{episode_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_episode(episode_id: UUID, session: Reading) -> EpisodeStory:
    """One episode with its protection cases."""
    found = EpisodeOut.model_validate(service.episode(session, episode_id), from_attributes=True)
    cases = [
        CaseOut.model_validate(service.case_document(row)) for row in service.cases_of(session, episode_id)
    ]
    return EpisodeStory(**found.model_dump(), cases=cases)


@episodes_router.get(
    "/episodes/{episode_id}/timeline", responses=problems(401, 403, 404, 422), dependencies=READER
)
def read_episode_timeline(episode_id: UUID, session: Reading, page: PageParams) -> Paged[EntryOut]:
    """What happened in an episode, in the order in which we learned of it."""
    service.episode(session, episode_id)
    rows = chronicle.timeline(session, episode_id, after=page.after, limit=page.limit + 1)
    return paged(
        [EntryOut.model_validate(row, from_attributes=True) for row in rows], page, lambda row: row.id
    )


@episodes_router.get("/me/protections", responses=problems(401, 403, 422))
def my_protections(borrower_id: BorrowerId, session: Reading, page: PageParams) -> Paged[CaseOut]:
    """What protects my loans, newest first; refusals too, with their reasons."""
    rows = service.protections_of(session, borrower_id, after=page.after, limit=page.limit + 1)
    return paged(
        [CaseOut.model_validate(service.case_document(row)) for row in rows], page, lambda row: row.case_id
    )


router.include_router(episodes_router)
