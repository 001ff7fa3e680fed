"""HTTP of what keeps the way open: codes to pay by, paying by one, what is held, being called back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity import callbacks, paycodes, unfinished
from throughline.continuity.api_decisions import staff_id
from throughline.continuity.models_way import PayCode
from throughline.kernel import clock
from throughline.kernel.http import (
    AnyCaller,
    BorrowerId,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.lending import service as lending

router = APIRouter(prefix="/api/v1", tags=["continuity"])
READER = [Depends(require_scope("continuity:read"))]
WRITER = [Depends(require_scope("continuity:write"))]
Topic = Literal["repay", "application", "sign_in", "outage", "complaint", "other"]
BestTime = Literal["any", "morning", "afternoon", "evening"]


class PayCodeOut(BaseModel):
    """A code of a loan of mine; `code` is there only in the answer that made it."""

    id: UUID
    loan_id: UUID
    tail: str
    made_at: datetime
    ends_at: datetime
    used_at: datetime | None
    code: str | None = None


class AskedOut(BaseModel):
    """What a code asks to be paid today: the amount due and the most that may be paid, in minor units."""

    due_minor: int
    most_minor: int
    currency: str


class PayIn(BaseModel):
    """Pay by a code. `code` may have hyphens and small letters; `amount_minor` in minor units."""

    model_config = ConfigDict(extra="forbid")
    code: Annotated[str, Field(min_length=16, max_length=40)]
    amount_minor: Annotated[int, Field(gt=0, le=10**12)]


class CodeIn(BaseModel):
    """A code to pay by."""

    model_config = ConfigDict(extra="forbid")
    code: Annotated[str, Field(min_length=16, max_length=40)]


class PayOrderOut(BaseModel):
    """A payment that was ordered by a code. `code_url` is what the QR code holds, as soon as it is there."""

    order_id: UUID
    state: str
    amount_minor: int
    currency: str
    code_url: str | None
    expires_at: datetime | None


class HeldOut(BaseModel):
    """Something that I had begun when an outage came: it waits for me."""

    kind: Literal["application", "signature", "repayment"]
    subject_id: UUID
    step: str
    changed_at: datetime
    held_at: datetime


class CallbackIn(BaseModel):
    """Please call me on this number."""

    model_config = ConfigDict(extra="forbid")
    number: Annotated[str, Field(min_length=5, max_length=26)]
    topic: Topic
    words: Annotated[str, Field(max_length=500)] = ""
    best_time: BestTime = "any"


class MyCallbackOut(BaseModel):
    """My request for a call."""

    id: UUID
    topic: Topic
    best_time: BestTime
    state: Literal["open", "reached", "not_reached", "withdrawn"]
    tries: int
    made_at: datetime
    due_at: datetime


class StaffCallbackOut(MyCallbackOut):
    """A request in the queue."""

    borrower_id: UUID


class OpenedCallbackOut(StaffCallbackOut):
    """A request with the number, for the person who calls."""

    number: str
    words: str


class CalledIn(BaseModel):
    """What came of the call."""

    model_config = ConfigDict(extra="forbid")
    reached: bool


@router.post("/me/loans/{loan_id}/pay-codes", status_code=201, responses=problems(401, 403, 404, 409, 422))
def make_pay_code(loan_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """Make a code by which anybody may pay for a loan of mine, without signing in."""

    def verb(session: Session) -> PayCodeOut:
        row, text = paycodes.make(session, borrower_id, loan_id, now=clock.now())
        return _code(row, text)

    return write.once(verb, status=201)


@router.post(
    "/loans/{loan_id}/pay-codes",
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
    dependencies=WRITER,
)
def make_pay_code_for(loan_id: UUID, caller: AnyCaller, write: Writing) -> Response:
    """Make a code for a borrower, to read out to them or to whoever pays for them."""
    staff_id(caller)

    def verb(session: Session) -> PayCodeOut:
        owner = lending.loan_summary(session, loan_id).borrower_id
        row, text = paycodes.make(session, owner, loan_id, now=clock.now(), made_by="staff")
        return _code(row, text)

    return write.once(verb, status=201)


@router.get("/me/loans/{loan_id}/pay-codes", responses=problems(401, 403, 404, 422))
def my_pay_codes(loan_id: UUID, borrower_id: BorrowerId, session: Reading) -> list[PayCodeOut]:
    """The codes of a loan of mine that are in use (at most five)."""
    return [_code(row) for row in paycodes.codes_of(session, borrower_id, loan_id, now=clock.now())]


@router.delete("/me/pay-codes/{code_id}", status_code=200, responses=problems(401, 403, 404, 422))
def end_pay_code(code_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """End a code."""

    def verb(session: Session) -> None:
        paycodes.revoke(session, borrower_id, code_id, now=clock.now())

    return write.once(verb)


@router.post("/pay-by-code/look", responses=problems(404, 409, 422))
def look_at_pay_code(body: CodeIn, session: Reading) -> AskedOut:
    """What a code asks to be paid. For everybody: it says nothing about the borrower."""
    found = paycodes.asked(session, body.code, now=clock.now())
    return AskedOut(due_minor=found.due_minor, most_minor=found.most_minor, currency=found.currency)


@router.post("/pay-by-code", status_code=201, responses=problems(404, 409, 422))
def pay_by_code(body: PayIn, write: Writing) -> Response:
    """Order a payment by a code. For everybody; ask for its QR code with `/pay-by-code/orders/{order_id}`."""

    def verb(session: Session) -> PayOrderOut:
        now = clock.now()
        order_id = paycodes.order(session, body.code, body.amount_minor, key=write.key, now=now)
        return _order(session, body.code, order_id)

    return write.once(verb, status=201)


@router.post("/pay-by-code/orders/{order_id}", responses=problems(404, 422))
def payment_by_code(order_id: UUID, body: CodeIn, session: Reading) -> PayOrderOut:
    """How a payment that was ordered by a code stands."""
    return _order(session, body.code, order_id)


@router.get("/me/held", responses=problems(401, 403))
def my_held(borrower_id: BorrowerId, session: Reading) -> list[HeldOut]:
    """What I had begun when an outage came, newest first (at most 20)."""
    rows = unfinished.held_of(session, borrower_id)
    return [HeldOut.model_validate(row, from_attributes=True) for row in rows]


@router.post("/me/callbacks", status_code=201, responses=problems(401, 403, 409, 422))
def ask_for_a_call(body: CallbackIn, borrower_id: BorrowerId, write: Writing) -> Response:
    """Ask to be called within a day on a number of my choice."""

    def verb(session: Session) -> MyCallbackOut:
        callback_id = callbacks.ask(
            session, borrower_id, number=body.number, topic=body.topic, words=body.words,
            best_time=body.best_time, now=clock.now(),
        )  # fmt: skip
        return MyCallbackOut.model_validate(callbacks.view(session, callback_id), from_attributes=True)

    return write.once(verb, status=201)


@router.get("/me/callbacks", responses=problems(401, 403))
def my_callbacks(borrower_id: BorrowerId, session: Reading) -> list[MyCallbackOut]:
    """My open requests for a call (at most two)."""
    rows = callbacks.open_of(session, borrower_id)
    return [MyCallbackOut.model_validate(row, from_attributes=True) for row in rows]


@router.delete("/me/callbacks/{callback_id}", status_code=200, responses=problems(401, 403, 404, 422))
def withdraw_callback(callback_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """I need no call any more."""

    def verb(session: Session) -> None:
        callbacks.withdraw(session, borrower_id, callback_id, now=clock.now())

    return write.once(verb)


@router.get("/callbacks", responses=problems(401, 403, 422), dependencies=READER)
def callbacks_that_wait(session: Reading, page: PageParams) -> Paged[StaffCallbackOut]:
    """Borrowers who wait for a call, oldest first; numbers are shown one by one."""
    rows = callbacks.queue(session, after=page.after, limit=page.limit + 1)
    found = [StaffCallbackOut.model_validate(row, from_attributes=True) for row in rows]
    return paged(found, page, lambda row: row.id)


@router.get("/callbacks/{callback_id}", responses=problems(401, 403, 404, 422), dependencies=WRITER)
def read_callback(callback_id: UUID, session: Reading) -> OpenedCallbackOut:
    """One request with its number, for the person who calls."""
    return OpenedCallbackOut.model_validate(callbacks.view(session, callback_id), from_attributes=True)


@router.post(
    "/callbacks/{callback_id}/calls", responses=problems(401, 403, 404, 409, 422), dependencies=WRITER
)
def called(callback_id: UUID, body: CalledIn, caller: AnyCaller, write: Writing) -> Response:
    """Say what came of a call."""
    by = staff_id(caller)

    def verb(session: Session) -> StaffCallbackOut:
        row = callbacks.called(session, callback_id, reached=body.reached, by=by, now=clock.now())
        return StaffCallbackOut.model_validate(row, from_attributes=True)

    return write.once(verb)


def _code(row: PayCode, text: str | None = None) -> PayCodeOut:
    found = PayCodeOut.model_validate(row, from_attributes=True)
    return found.model_copy(update={"code": text})


def _order(session: Session, code: str, order_id: UUID) -> PayOrderOut:
    found = paycodes.ordered(session, code, order_id, now=clock.now())
    return PayOrderOut(
        order_id=found.id,
        state=found.state,
        amount_minor=found.amount_minor,
        currency=found.currency,
        code_url=found.code_url,
        expires_at=found.expires_at,
    )
