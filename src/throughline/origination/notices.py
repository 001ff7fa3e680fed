"""What origination tells the borrower, and under which key, so that nothing is told twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from throughline.messaging import service as messaging
from throughline.origination.models import Application
from throughline.parties.purposes import Purpose

DEADLINE = timedelta(days=3)


def tell(session: Session, application: Application, template: str, key: str, *, now: datetime) -> None:
    """Ask for one message about an application. The same key again asks for nothing new."""
    messaging.request(
        session,
        messaging.NewIntent(
            borrower_id=application.borrower_id,
            idem_key=key,
            purpose=Purpose.CONTACT,
            klass="receipt",
            template=template,
            params={},
            deadline=now + DEADLINE,
            subject=f"application:{application.id}",
        ),
        now=now,
    )
