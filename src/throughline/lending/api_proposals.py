"""HTTP of lending for staff: what waits for a second person, and deciding about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.errors import NotFound
from throughline.kernel.http import Caller, Paged, PageParams, Reading, Writing, problems
from throughline.kernel.i18n import N_, Text
from throughline.lending import service
from throughline.lending.api_what_if import WhatIfOut, what_if_out
from throughline.lending.event_bodies import Reason
from throughline.lending.second_person import ProposalState

router = APIRouter()
READER = [Depends(http.require_scope("lending:read"))]
Decider = Annotated[Caller, Depends(http.require_scope("lending:read"))]
DECIDING = problems(401, 403, 404, 409, 422, 503)


class ProposalOut(BaseModel):
    """What somebody proposed and somebody else decides. `kind` is a type of event or `product_publish`.

    `body` is what would be recorded or published. An approved proposal names its `event_id` or
    `product_version`; a `failed` one was approved, did not fit any more, and says why in `failure`.
    """

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    kind: str
    state: ProposalState
    loan_id: UUID | None
    product_code: str | None
    body: dict[str, Any]
    reason: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    failure: Text | None
    event_id: UUID | None
    product_version: int | None


class ApprovalIn(BaseModel):
    """An approval; a reason may be given."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason | None = None


class RefusalIn(BaseModel):
    """A refusal says why: the proposer reads it."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason = Field(description="Why not")


@router.get("/proposals", responses=problems(401, 403, 422), dependencies=READER)
def list_proposals(
    session: Reading,
    page: PageParams,
    state: Annotated[ProposalState | None, Query(description="Only proposals of this state")] = None,
    loan_id: Annotated[UUID | None, Query(description="Only proposals about this loan")] = None,
) -> Paged[ProposalOut]:
    """Proposals, newest first."""
    rows = service.proposals(
        session, state=state, loan_id=loan_id, after=page.after, limit=page.limit + 1, now=clock.now()
    )
    return http.paged([proposal_out(row) for row in rows], page, lambda row: row.id)


@router.get("/proposals/{proposal_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_proposal(proposal_id: UUID, session: Reading) -> ProposalOut:
    """One proposal."""
    return proposal_out(service.proposal(session, proposal_id, now=clock.now()))


@router.get("/proposals/{proposal_id}/what-if", responses=problems(401, 403, 404, 422), dependencies=READER)
def ask_what_a_proposal_would_do(proposal_id: UUID, session: Reading) -> WhatIfOut:
    """What the proposed event would do to the loan as it is now; `event-refused` when it fits no more.

    404 for a product, which changes no loan.
    """
    one = service.proposal(session, proposal_id, now=clock.now())
    found = service.proposal_what_if(session, one, now=clock.now())
    if found is None:
        raise NotFound(N_("A version of a product changes no loan"))
    return what_if_out(found)


@router.post("/proposals/{proposal_id}/approve", response_model=ProposalOut, responses=DECIDING)
def approve_proposal(proposal_id: UUID, body: ApprovalIn, caller: Decider, write: Writing) -> Response:
    """Approve somebody else's proposal; the event is recorded, once, or the version published.

    Needs the scope that proposing needed. If it does not fit any more, nothing is recorded and the proposal is
    `failed`: look at `state`.
    """

    def verb(session: Session) -> BaseModel:
        return proposal_out(
            service.approve(
                session,
                proposal_id,
                by=actor_of(caller),
                scopes=caller.scopes,
                reason=body.reason,
                now=clock.now(),
            )
        )

    return write.once(verb, for_ever=True)


@router.post("/proposals/{proposal_id}/refuse", response_model=ProposalOut, responses=DECIDING)
def refuse_proposal(proposal_id: UUID, body: RefusalIn, caller: Decider, write: Writing) -> Response:
    """Refuse somebody else's proposal, with a reason."""

    def verb(session: Session) -> BaseModel:
        return proposal_out(
            service.refuse(
                session,
                proposal_id,
                by=actor_of(caller),
                scopes=caller.scopes,
                reason=body.reason,
                now=clock.now(),
            )
        )

    return write.once(verb)


@router.post("/proposals/{proposal_id}/withdraw", response_model=ProposalOut, responses=DECIDING)
def withdraw_proposal(proposal_id: UUID, caller: Decider, write: Writing) -> Response:
    """Take back one's own proposal."""

    def verb(session: Session) -> BaseModel:
        return proposal_out(
            service.withdraw(session, proposal_id, by=actor_of(caller), scopes=caller.scopes, now=clock.now())
        )

    return write.once(verb)


def actor_of(caller: Caller) -> str:
    """How the history names who proposed, decided or recorded something."""
    return f"{caller.kind}:{caller.id}"


def proposal_out(one: service.Proposal) -> ProposalOut:
    """A proposal as JSON."""
    return ProposalOut.model_validate(one)
