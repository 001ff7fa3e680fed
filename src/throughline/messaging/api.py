"""HTTP of messaging: a borrower's inbox, staff's list, and the doors of `hooks`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.errors import Unauthenticated
from throughline.kernel.http import BorrowerCaller, Paged, PageParams, Reading, Writing, problems
from throughline.kernel.i18n import Text
from throughline.messaging import service
from throughline.messaging.hooks import hooks_router
from throughline.messaging.lattice import AttemptState
from throughline.messaging.routes import api as routes_api
from throughline.messaging.steps import OUTCOMES, StepState

__all__ = ["hooks_router", "router"]

router = APIRouter()
messages_router = APIRouter(prefix="/api/v1", tags=["messaging"])


class MessageOut(BaseModel):
    """A message of the inbox, in both languages."""

    id: UUID
    subject: Text
    body: Text
    created_at: datetime
    read_at: datetime | None


class IntentOut(BaseModel):
    """A message that was asked for. `state`: what it has come to, by its best step or by being read."""

    id: UUID
    borrower_id: UUID
    purpose: str
    klass: str
    template: str
    template_version: int
    subject: str | None
    state: str = Field(description=", ".join(OUTCOMES))
    not_before: datetime | None
    deadline: datetime
    created_at: datetime
    changed_at: datetime


class ReceiptOut(BaseModel):
    """What the provider said of an attempt."""

    provider_ref: str
    delivered: bool
    code: str
    got_at: datetime


class AttemptOut(BaseModel):
    """One try of a step. The state only rises: prepared, submitted, unknown, accepted, expired, failed, delivered.

    `unknown`: the call was made and nobody told us how it ended. `content_class` 0: no personal meaning.
    """

    id: UUID
    try_n: int
    route: str
    state: AttemptState
    verdict: str | None
    code: str | None
    provider_ref: str | None
    content_class: int | None
    prepared_at: datetime
    submitted_at: datetime | None
    final_at: datetime | None
    superseded_at: datetime | None
    receipts: list[ReceiptOut]


class StepOut(BaseModel):
    """One step of the plan, the address masked. `act_at`: when it is looked at again; null: when news come.

    `planned`: its turn has not come. `ready`: written, about to be sent. `sending`: may be on the wire.
    `sent`: the provider has it. `unknown`: nobody told us how the call ended. `held`: waits for the line.
    `released`: the catch-up message `covered_by` stands for it. Ends: `delivered`, `failed`, `expired`,
    `suppressed` (must not be sent), `not_needed` (the borrower knows already). News may still raise an end
    to `delivered`.
    """

    n: int
    channel: str
    address: str
    state: StepState
    reason: Text | None
    act_at: datetime | None
    covered_by: UUID | None
    changed_at: datetime
    attempts: list[AttemptOut]


class IntentStoryOut(BaseModel):
    """A message with its steps, attempts and receipts; the texts are the borrower's alone."""

    intent: IntentOut
    read: bool
    steps: list[StepOut]


@messages_router.get("/me/messages", responses=problems(401, 403))
def my_messages(session: Reading, page: PageParams, caller: BorrowerCaller) -> Paged[MessageOut]:
    """The caller's own messages, newest first: also what a line that is out could not receive."""
    if caller.id is None:
        raise Unauthenticated
    rows = service.inbox(session, caller.id, after=page.after, limit=page.limit + 1)
    found = [MessageOut.model_validate(row, from_attributes=True) for row in rows]
    return http.paged(found, page, lambda item: item.id)


@messages_router.post(
    "/me/messages/{message_id}/read",
    responses=problems(401, 403, 404, 422),
    response_model=MessageOut,
)
def read_my_message(message_id: UUID, caller: BorrowerCaller, write: Writing) -> Response:
    """Mark one of the caller's own messages as read; what of it was still to be sent outside is called off."""
    borrower_id = caller.id
    if borrower_id is None:
        raise Unauthenticated

    def read(session: Session) -> BaseModel:
        row = service.mark_read(session, borrower_id, message_id, now=clock.now())
        return MessageOut.model_validate(row, from_attributes=True)

    return write.once(read)


@messages_router.get(
    "/messages",
    responses=problems(401, 403),
    dependencies=[Depends(http.require_scope("messaging:read"))],
)
def list_messages(
    session: Reading,
    page: PageParams,
    borrower_id: Annotated[UUID | None, Query(description="Only messages to this borrower")] = None,
    state: Annotated[str | None, Query(max_length=20, description="Only messages in this state")] = None,
) -> Paged[IntentOut]:
    """Messages that were asked for, newest first."""
    rows = service.intents(
        session, borrower_id=borrower_id, state=state, after=page.after, limit=page.limit + 1
    )
    found = [IntentOut.model_validate(row, from_attributes=True) for row in rows]
    return http.paged(found, page, lambda item: item.id)


@messages_router.get(
    "/messages/{intent_id}",
    responses=problems(401, 403, 404),
    dependencies=[Depends(http.require_scope("messaging:read"))],
)
def message_story(intent_id: UUID, session: Reading) -> IntentStoryOut:
    """One message with every step and try, and why each ended as it did."""
    return IntentStoryOut.model_validate(service.intent_story(session, intent_id), from_attributes=True)


router.include_router(messages_router)
router.include_router(routes_api.router)
