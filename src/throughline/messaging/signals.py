"""What sending teaches about addresses, told to whoever wants to know: receipts of SMS, mailboxes that are dead."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.messaging.events import AGGREGATE, ContactSignals
from throughline.messaging.models import MsgAttempt


def told(
    session: Session, attempt: MsgAttempt, source: str, provider: str, code: str, *, at: datetime
) -> None:
    """Publish what an attempt has shown of its address."""
    publish(
        session,
        ContactSignals(
            [
                {
                    "contact_point_id": attempt.contact_point_id,
                    "borrower_id": attempt.borrower_id,
                    "source": source,
                    "provider": provider,
                    "code": code,
                    "observed_at": at,
                }
            ]
        ),
        aggregate_type=AGGREGATE,
        aggregate_id=attempt.intent_id,
        borrower_id=attempt.borrower_id,
    )
