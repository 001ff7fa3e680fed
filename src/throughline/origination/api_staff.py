"""HTTP of origination for staff: applications with their reasons, and a person's decision on a referred one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.compliance import service as compliance
from throughline.kernel import clock
from throughline.kernel.http import (
    Paged,
    PageParams,
    Reading,
    StaffCaller,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import Text
from throughline.origination import service
from throughline.origination.api_documents import ApplicationOut, application_out
from throughline.origination.states import State
from throughline.risk import service as risk

router = APIRouter(prefix="/applications")
READER = [Depends(require_scope("origination:read"))]


class HumanDecision(BaseModel):
    """A person's decision on a referred application, with the reason that the borrower reads."""

    model_config = ConfigDict(extra="forbid")
    approve: bool
    reason_zh: Annotated[str, Field(min_length=1, max_length=500)]
    reason_en: Annotated[str, Field(min_length=1, max_length=500)]


class StepOut(BaseModel):
    """One transition of an application."""

    old: State | None
    new: State
    at: datetime
    reason: Text


class GateOut(BaseModel):
    """One question to the dated rules with its answer and the rules that it went by."""

    gate: str
    outcome: str
    on_date: str
    verdicts: list[dict[str, Any]]


class ApplicationStory(ApplicationOut):
    """An application with its history, the scorecard's decision and the gates' answers."""

    borrower_id: UUID
    steps: list[StepOut]
    decision: dict[str, Any] | None
    gates: list[GateOut]


@router.get("", responses=problems(401, 403, 422), dependencies=READER)
def list_applications(
    session: Reading,
    page: PageParams,
    borrower_id: Annotated[UUID | None, Query(description="Only of this borrower")] = None,
    state: Annotated[State | None, Query(description="Only these, such as referred ones")] = None,
) -> Paged[ApplicationOut]:
    """Applications, newest first."""
    rows = service.applications(
        session, borrower_id=borrower_id, state=state, after=page.after, limit=page.limit + 1
    )
    return paged([application_out(session, row) for row in rows], page, lambda row: row.id)


@router.get("/{application_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_application(application_id: UUID, session: Reading) -> ApplicationStory:
    """One application: each step, the decision with its reasons, and every gate's answer."""
    row = service.application_of_staff(session, application_id)
    decision = risk.decision(session, row.borrower_id, row.decision_id) if row.decision_id else None
    asked = compliance.decisions_of(session, subject=f"application:{row.id}")
    return ApplicationStory(
        **application_out(session, row).model_dump(),
        borrower_id=row.borrower_id,
        steps=[
            StepOut.model_validate(step, from_attributes=True)
            for step in service.steps(session, application_id)
        ],
        decision=service.decision_document(decision) if decision else None,
        gates=[
            GateOut(
                gate=one.gate, outcome=one.outcome, on_date=one.on_date.isoformat(), verdicts=one.verdicts
            )
            for one in asked
        ],
    )


@router.post(
    "/{application_id}/decision",
    response_model=ApplicationOut,
    responses=problems(401, 403, 404, 409, 422),
    dependencies=[Depends(require_scope("origination:write"))],
)
def decide_application(
    application_id: UUID, body: HumanDecision, caller: StaffCaller, write: Writing
) -> Response:
    """A person decides about a referred application."""

    def verb(session: Session) -> BaseModel:
        row = service.decide_referred(
            session,
            application_id,
            approve=body.approve,
            reason={"zh-CN": body.reason_zh, "en": body.reason_en},
            staff_id=caller.id,
            now=clock.now(),
        )
        return application_out(session, row)

    return write.once(verb)


@router.post(
    "/{application_id}/payout",
    response_model=ApplicationOut,
    responses=problems(401, 403, 404, 409, 422),
    dependencies=[Depends(require_scope("origination:write"))],
)
def order_payout_again(application_id: UUID, caller: StaffCaller, write: Writing) -> Response:
    """Have the money paid once more to the contract's account, after the bank refused it or sent it back."""

    def verb(session: Session) -> BaseModel:
        row = service.order_payout_again(session, application_id, staff_id=caller.id, now=clock.now())
        return application_out(session, row)

    return write.once(verb)
