"""What a settled movement leaves behind: journal entry, notary commitment, event; all in one transaction."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel.clock import local_date
from throughline.kernel.events import publish
from throughline.kernel.settings import settings
from throughline.ledger import service as ledger
from throughline.ledger.service import EntryDraft, credit, debit
from throughline.notary import service as notary
from throughline.payments import events
from throughline.payments.models import PaymentAttempt, PaymentOrder
from throughline.payments.states import Direction, State

# (debit, credit) by what happened; lending meets these entries at the clearing accounts.
_ENTRIES = {
    (Direction.OUT, State.SUCCEEDED): ("payout_clearing", "bank"),
    (Direction.OUT, State.RETURNED): ("bank", "payout_clearing"),
    (Direction.IN, State.SUCCEEDED): ("provider_receivable", "collection_clearing"),
    (Direction.IN, State.REVERSED): ("collection_clearing", "provider_receivable"),
}

_EVENTS: dict[tuple[Direction, State], type[events.Movement]] = {
    (Direction.OUT, State.SUCCEEDED): events.PayoutSucceeded,
    (Direction.OUT, State.FAILED): events.PayoutFailed,
    (Direction.OUT, State.RETURNED): events.PayoutReturned,
    (Direction.IN, State.SUCCEEDED): events.CollectionReceived,
    (Direction.IN, State.REVERSED): events.CollectionReversed,
}


def commit_order(session: Session, order: PaymentOrder, out_ref: str | None, *, now: datetime) -> None:
    """Commit to the log that this order was given, with these terms."""
    notary.commit(
        session,
        order.borrower_id,
        "payment.ordered",
        {
            "order_id": str(order.id),
            "direction": order.direction,
            "amount_minor": order.amount_minor,
            "currency": order.currency,
            "source": order.source,
            "out_ref": out_ref,
        },
        now=now,
    )


def book_result(
    session: Session, order: PaymentOrder, attempt: PaymentAttempt | None, *, at: datetime, now: datetime
) -> UUID | None:
    """Book the final state that the order has just taken; returns the id of the journal entry, if one is due.

    `at` is the value instant. The caller holds the order's row lock.
    """
    direction, state = Direction(order.direction), State(order.state)
    entry_id = None
    accounts = _ENTRIES.get((direction, state))
    if accounts is not None and attempt is not None:
        entry_id = _post(session, order, attempt, accounts, at, now)
    notary.commit(
        session,
        order.borrower_id,
        "payment.result",
        {
            "order_id": str(order.id),
            "state": state.value,
            "amount_minor": order.amount_minor,
            "currency": order.currency,
            "out_ref": attempt.out_ref if attempt else None,
            "provider_ref": attempt.provider_ref if attempt else None,
            "value_at": at.isoformat(timespec="seconds"),
        },
        now=now,
    )
    event = _EVENTS.get((direction, state))
    if event is not None:
        publish(
            session,
            event(
                order.id,
                order.borrower_id,
                order.source,
                order.amount_minor,
                order.currency,
                at,
                order.reason,
            ),
            aggregate_type=events.AGGREGATE,
            aggregate_id=order.id,
            borrower_id=order.borrower_id,
        )
    return entry_id


def _post(
    session: Session,
    order: PaymentOrder,
    attempt: PaymentAttempt,
    accounts: tuple[str, str],
    at: datetime,
    now: datetime,
) -> UUID:
    zone = settings().zone
    return ledger.post_entry(
        session,
        EntryDraft(
            key=f"payment:{attempt.out_ref}:{order.state}",
            borrower_id=order.borrower_id,
            source=f"payment_order:{order.id}",
            value_date=local_date(at, zone),
            posting_date=local_date(now, zone),
            currency=order.currency,
            lines=(debit(accounts[0], order.amount_minor), credit(accounts[1], order.amount_minor)),
        ),
        now=now,
    )
