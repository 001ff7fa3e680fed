"""Ordering a movement, once for its key, and closing an order that nobody needs any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.money import MAX_MINOR, digits_of
from throughline.kernel.settings import load
from throughline.payments import accounts, attempts, booking
from throughline.payments.models import PaymentAttempt, PaymentOrder
from throughline.payments.ports import Rail
from throughline.payments.rails import bank_iso20022
from throughline.payments.registry import rail as rail_named
from throughline.payments.registry import rails
from throughline.payments.router import Candidate, route_payout
from throughline.payments.settings import PaymentSettings
from throughline.payments.states import ASKABLE, OPEN, Direction, State

MAX_SOURCE = 100


class InvalidOrder(Invalid):
    """An order that can't be carried out as it stands."""

    code = "invalid-payment-order"
    title = N_("The payment order is not valid")


class OrderKeyReused(Invalid):
    """The key belongs to another order."""

    code = "payment-key-reused"
    title = N_("This key belongs to another payment order")


class UnknownOrder(NotFound):
    """No such order."""

    code = "unknown-payment-order"
    title = N_("This payment order is not known here")


class NotClosable(Conflict):
    """The order can't be closed any more."""

    code = "payment-order-not-closable"
    title = N_("This payment order can't be closed any more")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What makes two orders with one key the same order."""

    direction: Direction
    amount_minor: int
    currency: str
    source: str
    payee_account_id: UUID | None


def order_payout(
    session: Session,
    borrower_id: UUID,
    amount_minor: int,
    currency: str,
    payee_account_id: UUID,
    source: str,
    idempotency_key: str,
    line_state: str,
    *,
    now: datetime,
) -> UUID:
    """Order money to a borrower's own account; returns the order's id, the same for the same key.

    `source` says for what ("loan:<id>"), `line_state` is the state of the payee's phone line: no rail that
    needs the payee's phone is taken unless it is "active". Without a fit rail the order waits with a
    visible reason. Raises `InvalidOrder`, `OrderKeyReused`, `accounts.UnknownAccount`.
    """
    wish = _Wish(Direction.OUT, amount_minor, currency, source, payee_account_id)
    _check(wish, idempotency_key)
    accounts.open_account(session, borrower_id, payee_account_id)
    order, fresh = _order(session, borrower_id, wish, idempotency_key, line_state, now)
    if fresh:
        attempt = _start_payout(session, order, now)
        booking.commit_order(session, order, attempt.out_ref if attempt else None, now=now)
    return order.id


def order_collection(
    session: Session,
    borrower_id: UUID,
    amount_minor: int,
    currency: str,
    source: str,
    rail: str = "wechat_native",
    *,
    idempotency_key: str,
    now: datetime,
) -> UUID:
    """Order money in on a rail; returns the order's id, the same for the same key.

    The address of the QR code is in `order_view` as soon as the provider has given it. Raises
    `InvalidOrder`, `OrderKeyReused`, `RailNotSetUp`.
    """
    wish = _Wish(Direction.IN, amount_minor, currency, source, None)
    _check(wish, idempotency_key)
    chosen = rail_named(rail)
    can = chosen.capabilities()
    if can.direction is not Direction.IN or can.currency != currency:
        raise InvalidOrder(N_("This way of payment does not carry the currency"))
    if amount_minor > can.max_amount_minor:
        raise InvalidOrder(N_("The amount is above the limit of this way of payment"))
    order, fresh = _order(session, borrower_id, wish, idempotency_key, None, now)
    if fresh:
        expires_at = now + timedelta(minutes=load(PaymentSettings).collection_open_min)
        attempt = attempts.prepare(session, order, chosen, expires_at=expires_at, now=now)
        booking.commit_order(session, order, attempt.out_ref, now=now)
    return order.id


def route_waiting(session: Session, order_id: UUID, *, now: datetime) -> bool:
    """Try again to find a rail for a payout that waits; whether one was found."""
    order = lock_order(session, order_id)
    return State(order.state) is State.WAITING and _start_payout(session, order, now) is not None


def close(session: Session, order_id: UUID, *, now: datetime) -> None:
    """Close an order that is not wanted any more: nothing is sent, or the provider is asked to end it.

    A collection that somebody pays in the same moment is still booked: only the provider's answer ends
    it. A payout that was sent can't be called back: `NotClosable`. Closing twice changes nothing.
    """
    order = lock_order(session, order_id)
    state = State(order.state)
    if order.close_requested_at is not None:
        return
    if state is State.WAITING:
        order.close_requested_at = order.changed_at = order.value_at = now
        order.state, order.reason = State.FAILED.value, bilingual(attempts.NO_LONGER_WANTED)
        booking.book_result(session, order, None, at=now, now=now)
        return
    if state not in OPEN or (state is not State.CREATED and Direction(order.direction) is Direction.OUT):
        raise NotClosable
    order.close_requested_at = now
    if state in ASKABLE:
        attempts.ask_now(session, open_attempt(session, order))


def lock_order(session: Session, order_id: UUID) -> PaymentOrder:
    """The order's row, locked and read afresh. Raises `UnknownOrder`."""
    order = session.execute(
        select(PaymentOrder)
        .where(PaymentOrder.id == order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if order is None:
        raise UnknownOrder
    return order


def open_attempt(session: Session, order: PaymentOrder) -> PaymentAttempt:
    """The one open attempt of an order that has one."""
    return session.execute(
        select(PaymentAttempt).where(
            PaymentAttempt.borrower_id == order.borrower_id,
            PaymentAttempt.order_id == order.id,
            PaymentAttempt.state.in_([state.value for state in OPEN]),
        )
    ).scalar_one()


def _check(wish: _Wish, idempotency_key: str) -> None:
    if not 0 < wish.amount_minor <= MAX_MINOR:
        raise InvalidOrder(N_("The amount must be more than zero"))
    try:
        digits_of(wish.currency)
    except ValueError:
        raise InvalidOrder(N_("The currency is not known")) from None
    if not 0 < len(wish.source) <= MAX_SOURCE:
        raise ValueError("source has 1 to 100 characters")
    if not 0 < len(idempotency_key) <= 300:
        raise ValueError("an idempotency key has 1 to 300 characters")


def _order(
    session: Session,
    borrower_id: UUID,
    wish: _Wish,
    idempotency_key: str,
    line_state: str | None,
    now: datetime,
) -> tuple[PaymentOrder, bool]:
    """The order of this key, and whether it is new. A second caller waits for the first to commit."""
    inserted = session.execute(
        insert(PaymentOrder)
        .values(
            borrower_id=borrower_id,
            id=new_id(),
            direction=wish.direction.value,
            state=State.WAITING.value,
            amount_minor=wish.amount_minor,
            currency=wish.currency,
            payee_account_id=wish.payee_account_id,
            source=wish.source,
            idempotency_key=idempotency_key,
            line_state=line_state,
            created_at=now,
            changed_at=now,
        )
        .on_conflict_do_nothing(index_elements=["borrower_id", "idempotency_key"])
        .returning(PaymentOrder.id)
    ).scalar_one_or_none()
    order = session.execute(
        select(PaymentOrder).where(
            PaymentOrder.borrower_id == borrower_id, PaymentOrder.idempotency_key == idempotency_key
        )
    ).scalar_one()
    known = _Wish(
        Direction(order.direction), order.amount_minor, order.currency, order.source, order.payee_account_id
    )
    if known != wish:
        raise OrderKeyReused
    return order, inserted is not None


def _start_payout(session: Session, order: PaymentOrder, now: datetime) -> PaymentAttempt | None:
    available = rails()
    routing = route_payout(
        order.amount_minor,
        order.currency,
        order.line_state or "unknown",
        (Candidate(name, rail.capabilities(), _pays_bank_account(rail)) for name, rail in available.items()),
    )
    order.changed_at = now
    if not routing.choices:
        order.state, order.reason = State.WAITING.value, bilingual(routing.reason)
        return None
    order.reason = None
    return attempts.prepare(session, order, available[routing.choices[0]], expires_at=None, now=now)


def _pays_bank_account(rail: Rail) -> bool:
    return rail.name == bank_iso20022.NAME
