"""What origination does when the payout has arrived, was refused, or came back."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.lending import service as lending
from throughline.origination import service


@subscribe("lending.loan_disbursed.v1", name="origination.disbursed")
def on_loan_disbursed(session: Session, event: StoredEvent) -> None:
    """The loan is paid out and booked."""
    service.on_disbursed(
        session, UUID(event.payload["borrower_id"]), UUID(event.payload["loan_id"]), now=clock.now()
    )


@subscribe("payments.payout_failed.v1", "payments.payout_returned.v1", name="origination.payout")
def on_payout_failed(session: Session, event: StoredEvent) -> None:
    """The bank refused the payout or sent it back."""
    loan_id = lending.loan_of_source(str(event.payload["source"]))
    if loan_id is not None:
        borrower_id, order_id = (UUID(event.payload[name]) for name in ("borrower_id", "order_id"))
        service.on_payout_failed(session, borrower_id, loan_id, order_id, now=clock.now())
