"""HTTP of lending for staff: recording events, what they would do, versions of the plan, quote, journal."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.http import Caller, Paged, PageParams, Reading, Writing, problems
from throughline.ledger import service as ledger
from throughline.lending import service
from throughline.lending.api_documents import OnDay, PayoffOut
from throughline.lending.api_proposals import ProposalOut, actor_of, proposal_out
from throughline.lending.api_what_if import AmountsOut, LineOut, WhatIfOut, four, what_if_out
from throughline.lending.event_bodies import EventBody, body_field, new_event
from throughline.lending.second_person import ReasonNotKept
from throughline.lending.state import LoanStatus
from throughline.lending.writing import EventRefused

router = APIRouter()
READER = [Depends(http.require_scope("lending:read"))]
JOURNAL = [*READER, Depends(http.require_scope("ledger:read"))]
Recorder = Annotated[Caller, Depends(http.require_scope("lending:write"))]


class MovedOut(AmountsOut):
    """What an event moved: its amount and what it did to each component; the rest is an overpayment."""

    amount_minor: int
    overpayment_minor: int
    principal_balance_minor: int


class ReceiptOut(BaseModel):
    """A recorded event. `type` may be `pay_off` for a repayment that covered the quote of its day.

    `transaction` is null for an event that moves nothing by itself, `record_id` the notary's record of
    money that moved.
    """

    event_id: UUID
    seq: int
    type: str
    status: LoanStatus
    transaction: MovedOut | None
    record_id: UUID | None


class WhatIfIn(BaseModel):
    """Events in the order in which they would be recorded."""

    model_config = ConfigDict(extra="forbid")
    events: Annotated[list[EventBody], Field(min_length=1, max_length=20)]


class PlannedOut(BaseModel):
    """An installment of a plan, as it was planned."""

    nr: int
    from_date: date
    due_date: date
    principal_minor: int
    interest_minor: int


class ScheduleOut(BaseModel):
    """A version of the plan. `reason` is what made it, `made_at_seq` the number of that event."""

    version: int
    reason: str
    made_at_seq: int
    installments: list[PlannedOut]


class EntryOut(BaseModel):
    """A journal entry of the loan. `key` begins with `loan-event:<event id>` or names a closed day."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    key: str
    value_date: date
    posting_date: date
    currency: str
    lines: list[LineOut]


@router.post(
    "/loans/{loan_id}/events",
    response_model=ReceiptOut,
    status_code=201,
    responses={202: {"model": ProposalOut, "description": "Proposed"}, **problems(401, 403, 404, 422, 503)},
)
def record_loan_event(loan_id: UUID, body: EventBody, caller: Recorder, write: Writing) -> Response:
    """Record an event, today's or a late one; the difference is posted today.

    A write-off and its undoing, a charge-off as fraud, and refunds need a second person: with a `reason` they
    are proposed (202) and recorded when somebody else approves. Amounts are in minor units. What does not fit
    the loan is refused with `event-refused` (`params.field` names the member, `params.reason` the cause), a
    charge outside the cost table with `charge-not-agreed`.
    """
    actor = actor_of(caller)
    new = new_event(body, key=write.key, actor=actor)
    proposed = service.needs_second(new)

    def record(session: Session) -> BaseModel:
        return receipt_out(service.record_event(session, loan_id, new, now=clock.now()))

    def propose(session: Session) -> BaseModel:
        made = service.propose_event(session, loan_id, body, body.reason, by=actor, now=clock.now())
        return proposal_out(made)

    if body.reason is not None and not proposed:
        raise ReasonNotKept(ReasonNotKept.title, field="reason")
    try:
        if proposed:
            return write.once(propose, status=202, for_ever=True)
        return write.once(record, status=201, for_ever=True)
    except EventRefused as error:
        raise renamed(error, body_field(body, str(error.params.get("field", "")))) from error


@router.post("/loans/{loan_id}/what-if", responses=problems(401, 403, 404, 422), dependencies=READER)
def ask_what_if(loan_id: UUID, body: WhatIfIn, session: Reading) -> WhatIfOut:
    """What these events would do to the loan and to the books. Nothing is written.

    Amounts are in minor units. A refusal is that of recording; `params.field` is such as
    `events.0.amount_minor`.
    """
    events = [
        new_event(one, key=f"what-if:{number}", actor="what-if") for number, one in enumerate(body.events)
    ]
    try:
        found = service.what_if(session, loan_id, events, now=clock.now())
    except service.WhatIfRefused as error:
        field = body_field(body.events[error.number], str(error.params.get("field", "")))
        raise renamed(error, f"events.{error.number}.{field}") from error
    return what_if_out(found)


@router.get("/loans/{loan_id}/schedules", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_schedule_versions(loan_id: UUID, session: Reading) -> list[ScheduleOut]:
    """Every version of the plan, oldest first (at most 200), each with what made it."""
    return [
        ScheduleOut(
            version=row.version,
            reason=row.reason,
            made_at_seq=row.made_at_seq,
            installments=[
                PlannedOut.model_validate({**one, "from_date": one["from"]}) for one in row.installments
            ],
        )
        for row in service.schedule_versions(session, loan_id)
    ]


@router.get("/loans/{loan_id}/payoff", responses=problems(401, 403, 404, 409, 422), dependencies=READER)
def read_payoff(loan_id: UUID, session: Reading, on: OnDay = None) -> PayoffOut:
    """What settles the loan on a day, past or future, by what is known now."""
    day = on or service.business_date(session)
    return PayoffOut.model_validate(service.payoff(session, loan_id, day))


@router.get("/loans/{loan_id}/journal", responses=problems(401, 403, 404, 422), dependencies=JOURNAL)
def read_loan_journal(loan_id: UUID, session: Reading, page: PageParams) -> Paged[EntryOut]:
    """The journal entries of the loan in the order of posting."""
    service.loan_exists(session, loan_id)
    rows = ledger.entries(session, source=service.source_of(loan_id), after=page.after, limit=page.limit + 1)
    return http.paged([EntryOut.model_validate(row) for row in rows], page, lambda row: row.id)


def renamed(error: EventRefused, field: str) -> EventRefused:
    """The refusal with the caller's own name of the field."""
    params = {name: value for name, value in error.params.items() if name != "number"}
    return EventRefused(error.detail, **{**params, "field": field})


def receipt_out(receipt: service.EventReceipt) -> ReceiptOut:
    """A receipt as JSON."""
    moved = receipt.transaction
    return ReceiptOut(
        event_id=receipt.event_id,
        seq=receipt.seq,
        type=receipt.type.value,
        status=receipt.status,
        transaction=MovedOut(
            **four(moved.portions),
            amount_minor=moved.amount_minor,
            overpayment_minor=moved.overpayment_minor,
            principal_balance_minor=moved.principal_balance_minor,
        )
        if moved
        else None,
        record_id=receipt.record_id,
    )
