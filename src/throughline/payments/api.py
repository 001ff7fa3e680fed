"""HTTP of payments: a borrower's own order, staff's list, and the door for the providers' messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, TooLarge, Unauthenticated
from throughline.kernel.http import BorrowerCaller, BorrowerId, Paged, PageParams, Reading, Writing, problems
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.kernel.telemetry import REGISTRY
from throughline.payments import intake, service
from throughline.payments.ports import Refused
from throughline.payments.registry import HOOKS, rail
from throughline.payments.states import Direction, State

log = get_logger(__name__)

router = APIRouter(prefix="/api/v1", tags=["payments"])
hooks_router = APIRouter(prefix="/hooks/payments", tags=["payments"])

MAX_NOTICE_BYTES = 256 * 1024

NOTICES = Counter(
    "throughline_payment_notices",
    "Pushed messages by provider and verdict: taken, repeated, or why refused",
    ["provider", "verdict"],
    registry=REGISTRY,
)


class NoticeRefused(Unauthenticated):
    """A pushed message that is not proved to be the provider's. The answer says nothing more."""

    code = "notice-refused"
    title = N_("The message was not accepted")


class OrderOut(BaseModel):
    """A payment order. Amounts in minor units; `reason` in both languages; `code_url` for the QR code."""

    id: UUID
    direction: Direction
    state: State
    amount_minor: int
    currency: str
    rail: str | None
    out_ref: str | None
    code_url: str | None
    expires_at: datetime | None
    payee_last_four: str | None
    reason: dict[str, str] | None
    value_at: datetime | None
    created_at: datetime
    changed_at: datetime


class StaffOrderOut(OrderOut):
    """A payment order with whose it is and for what."""

    borrower_id: UUID
    source: str


class StepOut(BaseModel):
    """One transition of an attempt and what caused it."""

    old: State
    new: State
    cause: str
    provider_state: str | None
    error_code: str | None
    at: datetime


class NewPayeeAccount(BaseModel):
    """A bank account of mine; the holder must be me."""

    model_config = ConfigDict(extra="forbid")
    holder_name: Annotated[str, Field(min_length=1, max_length=100)]
    account_number: Annotated[str, Field(min_length=8, max_length=40)]
    bank_code: Annotated[str, Field(min_length=3, max_length=12)]


class PayeeAccountOut(BaseModel):
    """An account that I may be paid to: only the last four characters of its number."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    bank_code: str
    last_four: str
    created_at: datetime


class AttemptOut(BaseModel):
    """One attempt on a rail."""

    id: UUID
    generation: int
    rail: str
    merchant: str
    out_ref: str
    state: State
    prepared_at: datetime
    sent_at: datetime | None
    sends: int
    queries: int
    next_query_at: datetime | None
    provider_ref: str | None
    provider_state: str | None
    error_code: str | None
    steps: list[StepOut]


class OrderStory(BaseModel):
    """A payment order with all its attempts."""

    order: StaffOrderOut
    attempts: list[AttemptOut]


@router.get("/me/payee-accounts", responses=problems(401, 403))
def my_payee_accounts(borrower_id: BorrowerId, session: Reading) -> list[PayeeAccountOut]:
    """The accounts that I may be paid to (at most 10)."""
    return [PayeeAccountOut.model_validate(row) for row in service.payee_accounts(session, borrower_id)]


@router.post(
    "/me/payee-accounts",
    response_model=PayeeAccountOut,
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
)
def add_my_payee_account(body: NewPayeeAccount, borrower_id: BorrowerId, write: Writing) -> Response:
    """Keep a bank account in my own name; a number that is there already gives the known one."""

    def verb(session: Session) -> BaseModel:
        account_id = service.add_payee_account(
            session, borrower_id, body.holder_name, body.account_number, body.bank_code, now=clock.now()
        )
        rows = service.payee_accounts(session, borrower_id)
        return PayeeAccountOut.model_validate(next(row for row in rows if row.id == account_id))

    return write.once(verb, status=201)


@router.get("/me/payment-orders/{order_id}", responses=problems(401, 403, 404))
def my_payment_order(order_id: UUID, session: Reading, caller: BorrowerCaller) -> OrderOut:
    """One of the borrower's own payment orders."""
    view = service.order_view(session, order_id)
    if view.borrower_id != caller.id:
        raise service.UnknownOrder
    return OrderOut.model_validate(view, from_attributes=True)


@router.get(
    "/payments/orders",
    responses=problems(401, 403),
    dependencies=[Depends(http.require_scope("payments:read"))],
)
def list_payment_orders(
    session: Reading,
    page: PageParams,
    state: Annotated[State | None, Query(description="Only orders in this state")] = None,
    borrower_id: Annotated[UUID | None, Query(description="Only orders of this borrower")] = None,
    source: Annotated[str | None, Query(max_length=100, description='Only for this, as "loan:<id>"')] = None,
) -> Paged[StaffOrderOut]:
    """Payment orders, oldest first."""
    rows = service.orders(
        session,
        state=state.value if state else None,
        borrower_id=borrower_id,
        source=source,
        after=page.after,
        limit=page.limit + 1,
    )
    found = [StaffOrderOut.model_validate(row, from_attributes=True) for row in rows]
    return http.paged(found, page, lambda item: item.id)


@router.get(
    "/payments/orders/{order_id}",
    responses=problems(401, 403, 404),
    dependencies=[Depends(http.require_scope("payments:read"))],
)
def payment_order_story(order_id: UUID, session: Reading) -> OrderStory:
    """One payment order with its attempts and every step of them."""
    return OrderStory(
        order=StaffOrderOut.model_validate(service.order_view(session, order_id), from_attributes=True),
        attempts=[
            AttemptOut.model_validate(attempt, from_attributes=True)
            for attempt in service.attempts_of(session, order_id)
        ],
    )


async def _raw_body(request: Request) -> bytes:
    # The signature is over the bytes as they came; nothing may parse and write them anew.
    body = await request.body()
    if len(body) > MAX_NOTICE_BYTES:
        raise TooLarge
    return body


@hooks_router.post("/{provider}", status_code=204, responses=problems(401, 404, 413))
def take_notice(
    provider: Annotated[str, Path(max_length=20, pattern="^[a-z]+$")],
    request: Request,
    raw: Annotated[bytes, Depends(_raw_body)],
) -> Response:
    """A provider's signed message. Stored once, answered at once; a job asks before anything is booked."""
    if provider not in HOOKS:
        raise NotFound
    target = rail(HOOKS[provider])
    try:
        notice = target.read_notice(request.headers, raw, at=clock.real_now())
    except Refused as error:
        NOTICES.labels(provider, error.why).inc()
        log.warning("notice refused", rail=target.name, why=error.why)
        raise NoticeRefused from None
    fresh = database().run(lambda session: intake.take(session, target, notice, raw, now=clock.now()))
    NOTICES.labels(provider, "taken" if fresh else "repeated").inc()
    return Response(status_code=204)
