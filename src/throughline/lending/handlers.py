"""What lending does when money moves: payouts and collections whose source is a loan."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.lending.account import read_loan
from throughline.lending.bureau import handlers as _bureau  # noqa: F401 - its handlers register themselves
from throughline.lending.history import EventType
from throughline.lending.recording import NewEvent, event_of_order, loan_of_source, record_event


@subscribe(
    "payments.payout_succeeded.v1",
    "payments.payout_returned.v1",
    "payments.collection_received.v1",
    "payments.collection_reversed.v1",
    name="lending.money",
)
def on_money(session: Session, event: StoredEvent) -> None:
    """Record a disbursement, a repayment or the reversal of one. Orders for anything else are not ours."""
    loan_id = loan_of_source(str(event.payload["source"]))
    if loan_id is None:
        return
    order_id = UUID(event.payload["order_id"])
    now = clock.now()
    if event.type in {"payments.payout_succeeded.v1", "payments.collection_received.v1"}:
        payout = event.type == "payments.payout_succeeded.v1"
        new = NewEvent(
            type=EventType.DISBURSEMENT if payout else EventType.REPAYMENT,
            value_date=_value_date(session, loan_id, event, now=now),
            idempotency_key=f"order:{order_id}",
            amount_minor=int(event.payload["amount_minor"]),
            external_id=str(order_id),
            actor="payments",
        )
    else:
        brought = event_of_order(session, loan_id, order_id)
        if brought is None:
            raise LookupError(f"order {order_id} was reversed before it was booked")  # retried in order
        new = NewEvent(
            type=EventType.REVERSAL,
            value_date=max(_value_date(session, loan_id, event, now=now), brought.value_date),
            idempotency_key=f"order:{order_id}:reversal",
            target=brought.id,
            actor="payments",
        )
    record_event(session, loan_id, new, now=now)


def _value_date(session: Session, loan_id: UUID, event: StoredEvent, *, now: datetime) -> date:
    """The day of the act in the loan's zone: not after today, and a repayment not before the payout."""
    loan = read_loan(session, loan_id).row
    day = clock.local_date(datetime.fromisoformat(event.payload["value_at"]), loan.zone)
    if loan.disbursed_on is not None:
        day = max(day, loan.disbursed_on)
    return min(day, max(clock.local_date(now, loan.zone), loan.disbursed_on or day))
