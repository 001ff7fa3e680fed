"""HTTP for staff: cases that wait for a person, appeals, grants taken back, outages and incidents by hand."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity import service
from throughline.continuity.models import Appeal, OutageIncident
from throughline.kernel import clock
from throughline.kernel.errors import Forbidden
from throughline.kernel.http import (
    AnyCaller,
    Caller,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import N_, Text

router = APIRouter(prefix="/api/v1", tags=["continuity"])
READER = [Depends(require_scope("continuity:read"))]
WRITER = [Depends(require_scope("continuity:write"))]

Sentence = Annotated[str, Field(min_length=1, max_length=500)]
CaseState = Literal["granted", "refused", "review", "ended", "revoked"]


class ReasonIn(BaseModel):
    """Why, in both languages: the borrower reads it."""

    model_config = ConfigDict(extra="forbid")
    zh: Sentence
    en: Sentence

    def text(self) -> Text:
        """As it is stored."""
        return {"zh-CN": self.zh, "en": self.en}


class DecisionIn(BaseModel):
    """The decision about a case in review."""

    model_config = ConfigDict(extra="forbid")
    grant: bool
    reason: ReasonIn


class RevocationIn(BaseModel):
    """Take back a grant made in error."""

    model_config = ConfigDict(extra="forbid")
    reason: ReasonIn


class AppealDecisionIn(BaseModel):
    """The answer to an objection. `last_day`: protect until then where no rule gives it."""

    model_config = ConfigDict(extra="forbid")
    uphold: bool
    reason: ReasonIn
    last_day: date | None = None


class OutageIn(BaseModel):
    """An outage of a borrower's line that staff have evidence of. `evidence` names it, without personal data."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["suspended", "pre_cancelled", "cancelled", "reassigned"]
    from_at: AwareDatetime
    to_at: AwareDatetime | None = None
    evidence: Annotated[str, Field(min_length=3, max_length=200)]


class IncidentIn(BaseModel):
    """An outage of many to open. `scope` is {"carrier", "region"}, {"route"}, {"rail"} or empty for everybody."""

    model_config = ConfigDict(extra="forbid")
    cause: Literal["carrier", "own"]
    kind: Literal[
        "network", "disaster", "platform", "maintenance", "cyber", "payment_channel", "message_route"
    ]
    scope: Annotated[dict[str, Annotated[str, Field(max_length=60)]], Field(max_length=2)] = {}
    began_at: AwareDatetime


class EndIn(BaseModel):
    """When an incident ended; now, where it is left out."""

    model_config = ConfigDict(extra="forbid")
    ended_at: AwareDatetime | None = None


class AppealOut(BaseModel):
    """An objection with what the borrower wrote."""

    id: UUID
    case_id: UUID
    state: Literal["open", "upheld", "dismissed"]
    words: str
    made_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    answer: Text | None


class StaffCaseOut(BaseModel):
    """A protection case as staff see it."""

    case_id: UUID
    borrower_id: UUID
    episode_id: UUID
    loan_id: UUID
    round: int
    installment_nr: int
    due_date: date
    state: CaseState
    policy_version: str | None
    rule_id: str | None
    first_day: date | None
    last_day: date | None
    measures: list[str]
    difference: dict[str, Any]
    reason: Text
    end_reason: Text | None
    decided_by: UUID | None
    decided_at: datetime
    appeals: list[AppealOut]


class IncidentOut(BaseModel):
    """An outage of many. `covered_at`: when its borrowers were looked at last."""

    id: UUID
    cause: Literal["carrier", "own"]
    kind: str
    scope: dict[str, str]
    state: Literal["open", "closed"]
    began_at: datetime
    noticed_at: datetime
    ended_at: datetime | None
    covered_at: datetime | None
    reason: Text


def staff_id(caller: Caller) -> UUID:
    """Whose decision it is: people decide, programs do not. Raises Forbidden."""
    if caller.kind != "staff" or caller.id is None:
        raise Forbidden(N_("Only a person of the staff may decide this"))
    return caller.id


@router.get("/protection-cases", responses=problems(401, 403, 422), dependencies=READER)
def cases_that_wait(session: Reading, page: PageParams) -> Paged[StaffCaseOut]:
    """Cases that wait for a person, in review or under appeal, oldest first."""
    rows = service.queue(session, after=page.after, limit=page.limit + 1)
    return paged([case_out(session, row) for row in rows], page, lambda row: row.case_id)


@router.get("/protection-cases/{case_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_case(case_id: UUID, session: Reading) -> StaffCaseOut:
    """One case with its appeals."""
    return case_out(session, service.case(session, case_id))


@router.post(
    "/protection-cases/{case_id}/decision", responses=problems(401, 403, 404, 409, 422), dependencies=WRITER
)
def decide_case(case_id: UUID, body: DecisionIn, caller: AnyCaller, write: Writing) -> Response:
    """Decide a case in review."""
    by = staff_id(caller)

    def verb(session: Session) -> StaffCaseOut:
        reason = body.reason.text()
        found = service.decide_review(
            session, case_id, grant=body.grant, reason=reason, by=by, now=clock.now()
        )
        return case_out(session, found)

    return write.once(verb)


@router.post(
    "/protection-cases/{case_id}/revocation",
    responses=problems(401, 403, 404, 409, 422),
    dependencies=WRITER,
)
def revoke_case(case_id: UUID, body: RevocationIn, caller: AnyCaller, write: Writing) -> Response:
    """Take back a grant made in error: the loan stands as if it had never been."""
    by = staff_id(caller)

    def verb(session: Session) -> StaffCaseOut:
        found = service.revoke(session, case_id, reason=body.reason.text(), by=by, now=clock.now())
        return case_out(session, found)

    return write.once(verb)


@router.post(
    "/appeals/{appeal_id}/decision", responses=problems(401, 403, 404, 409, 422), dependencies=WRITER
)
def decide_appeal(appeal_id: UUID, body: AppealDecisionIn, caller: AnyCaller, write: Writing) -> Response:
    """Answer an objection; by somebody else than who decided before."""
    by = staff_id(caller)

    def verb(session: Session) -> StaffCaseOut:
        row = service.decide_appeal(
            session,
            appeal_id,
            uphold=body.uphold,
            reason=body.reason.text(),
            by=by,
            now=clock.now(),
            last_day=body.last_day,
        )
        return case_out(session, service.case(session, row.case_id))

    return write.once(verb)


@router.post(
    "/borrowers/{borrower_id}/outages",
    status_code=201,
    responses=problems(401, 403, 422),
    dependencies=WRITER,
)
def record_outage(borrower_id: UUID, body: OutageIn, caller: AnyCaller, write: Writing) -> Response:
    """Record an outage of a borrower's line on evidence, also of the past: what it cost is repaired."""
    by = staff_id(caller)

    def verb(session: Session) -> dict[str, Any]:
        episode_id = service.record_outage(
            session,
            borrower_id,
            body.kind,
            from_at=body.from_at,
            to_at=body.to_at,
            evidence=body.evidence,
            by=by,
            now=clock.now(),
        )
        return {"episode_id": str(episode_id)}

    return write.once(verb, status=201)


@router.get("/incidents", responses=problems(401, 403, 422), dependencies=READER)
def list_incidents(
    session: Reading,
    page: PageParams,
    state: Annotated[Literal["open", "closed"] | None, Query(description="Only these")] = None,
) -> Paged[IncidentOut]:
    """Outages of many, newest first."""
    rows = service.incidents(session, state=state, after=page.after, limit=page.limit + 1)
    return paged([_incident(row) for row in rows], page, lambda row: row.id)


@router.get("/incidents/{incident_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_incident(incident_id: UUID, session: Reading) -> IncidentOut:
    """One outage of many."""
    return _incident(service.incident(session, incident_id))


@router.post("/incidents", status_code=201, responses=problems(401, 403, 422), dependencies=WRITER)
def open_incident(body: IncidentIn, caller: AnyCaller, write: Writing) -> Response:
    """Open an outage of many; the borrowers whom it touches are looked at afterwards."""

    def verb(session: Session) -> IncidentOut:
        new = service.NewIncident(
            f"api:{write.key}", body.cause, body.kind, body.scope, body.began_at, opened_by=caller.id
        )
        found, _ = service.open_incident(session, new, now=clock.now())
        return _incident(found)

    return write.once(verb, status=201)


@router.post("/incidents/{incident_id}/end", responses=problems(401, 403, 404, 409, 422), dependencies=WRITER)
def end_incident(incident_id: UUID, body: EndIn, write: Writing) -> Response:
    """End an outage of many; the episodes of its borrowers end with it."""

    def verb(session: Session) -> IncidentOut:
        now = clock.now()
        found = service.end_incident(session, incident_id, ended_at=body.ended_at or now, now=now)
        return _incident(found)

    return write.once(verb)


def case_out(session: Session, row: service.ProtectionCase) -> StaffCaseOut:
    """A case with its appeals, opened for the person who decides."""
    appeals = [_appeal(session, one) for one in service.appeals_of(session, row.id)]
    fields = {
        name: getattr(row, name) for name in StaffCaseOut.model_fields if name not in ("case_id", "appeals")
    }
    return StaffCaseOut(case_id=row.id, appeals=appeals, **fields)


def _appeal(session: Session, row: Appeal) -> AppealOut:
    return AppealOut(
        id=row.id,
        case_id=row.case_id,
        state=row.state,
        words=service.words_of(session, row),
        made_at=row.made_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        answer=row.answer,
    )


def _incident(row: OutageIncident) -> IncidentOut:
    return IncidentOut.model_validate(row, from_attributes=True)
