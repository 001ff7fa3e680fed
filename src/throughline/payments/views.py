"""Orders as others see them: no account numbers, reasons in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.i18n import Text
from throughline.payments.models import PayeeAccount, PaymentAttempt, PaymentOrder, PaymentStep
from throughline.payments.orders import UnknownOrder

MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with what its newest attempt says. `payee_last_four` for payouts, `code_url` for QR codes."""

    id: UUID
    borrower_id: UUID
    direction: str
    state: str
    amount_minor: int
    currency: str
    source: str
    rail: str | None
    out_ref: str | None
    code_url: str | None
    expires_at: datetime | None
    payee_last_four: str | None
    reason: Text | None
    value_at: datetime | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StepView:
    """One transition of an attempt."""

    old: str
    new: str
    cause: str
    provider_state: str | None
    error_code: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt with its history, for staff."""

    id: UUID
    generation: int
    rail: str
    merchant: str
    out_ref: str
    state: str
    prepared_at: datetime
    sent_at: datetime | None
    sends: int
    queries: int
    next_query_at: datetime | None
    provider_ref: str | None
    provider_state: str | None
    error_code: str | None
    steps: tuple[StepView, ...]


def order_view(session: Session, order_id: UUID) -> OrderView:
    """One order. Raises `UnknownOrder`."""
    order = session.execute(select(PaymentOrder).where(PaymentOrder.id == order_id)).scalar_one_or_none()
    if order is None:
        raise UnknownOrder
    return _views(session, [order])[0]


def orders(
    session: Session,
    *,
    state: str | None = None,
    borrower_id: UUID | None = None,
    source: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[OrderView]:
    """A page of orders, oldest first; of a state, a borrower, a source, or all."""
    query = select(PaymentOrder)
    if state is not None:
        query = query.where(PaymentOrder.state == state)
    if borrower_id is not None:
        query = query.where(PaymentOrder.borrower_id == borrower_id)
    if source is not None:
        query = query.where(PaymentOrder.source == source)
    if after is not None:
        query = query.where(PaymentOrder.id > after)
    return _views(session, list(session.scalars(query.order_by(PaymentOrder.id).limit(limit))))


def attempts_of(session: Session, order_id: UUID) -> list[AttemptView]:
    """The attempts of an order with their steps (the first 200 of each)."""
    found = session.scalars(
        select(PaymentAttempt)
        .where(PaymentAttempt.order_id == order_id)
        .order_by(PaymentAttempt.generation)
        .limit(99)
    ).all()
    return [_attempt(session, attempt) for attempt in found]


def _attempt(session: Session, attempt: PaymentAttempt) -> AttemptView:
    steps = session.scalars(
        select(PaymentStep)
        .where(PaymentStep.borrower_id == attempt.borrower_id, PaymentStep.attempt_id == attempt.id)
        .order_by(PaymentStep.id)
        .limit(MAX_STEPS)
    )
    return AttemptView(
        attempt.id,
        attempt.generation,
        attempt.rail,
        attempt.merchant,
        attempt.out_ref,
        attempt.state,
        attempt.prepared_at,
        attempt.sent_at,
        attempt.sends,
        attempt.queries,
        attempt.next_query_at,
        attempt.provider_ref,
        attempt.provider_state,
        attempt.error_code,
        tuple(
            StepView(step.old, step.new, step.cause, step.provider_state, step.error_code, step.at)
            for step in steps
        ),
    )


def _views(session: Session, found: list[PaymentOrder]) -> list[OrderView]:
    ids = [order.id for order in found]
    newest: dict[UUID, PaymentAttempt] = {}
    for attempt in session.scalars(
        select(PaymentAttempt).where(PaymentAttempt.order_id.in_(ids)).order_by(PaymentAttempt.generation)
    ):
        newest[attempt.order_id] = attempt
    account_ids = [order.payee_account_id for order in found if order.payee_account_id]
    last_four = {
        row.id: row.last_four
        for row in session.execute(
            select(PayeeAccount.id, PayeeAccount.last_four).where(PayeeAccount.id.in_(account_ids))
        )
    }
    return [_view(order, newest.get(order.id), last_four) for order in found]


def _view(order: PaymentOrder, attempt: PaymentAttempt | None, last_four: dict[UUID, str]) -> OrderView:
    return OrderView(
        order.id,
        order.borrower_id,
        order.direction,
        order.state,
        order.amount_minor,
        order.currency,
        order.source,
        order.rail,
        attempt.out_ref if attempt else None,
        attempt.code_url if attempt else None,
        attempt.expires_at if attempt else None,
        last_four.get(order.payee_account_id) if order.payee_account_id else None,
        order.reason,
        order.value_at,
        order.created_at,
        order.changed_at,
    )
