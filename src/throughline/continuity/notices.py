"""What continuity tells the borrower, and under which key, so that nothing is told twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from throughline.continuity.models import ProtectionCase
from throughline.messaging import service as messaging

DEADLINE = timedelta(days=7)


def protection_granted(session: Session, case: ProtectionCase, *, now: datetime) -> None:
    """Tell the borrower that the installment is protected, by whichever route still reaches them."""
    _tell(session, case, "outage_protection_granted", f"protection-granted:{case.id}", now=now)


def protection_ended(session: Session, case: ProtectionCase, *, now: datetime) -> None:
    """Tell the borrower until which day the protection runs."""
    _tell(session, case, "outage_ended", f"protection-ended:{case.id}", now=now)


def _tell(session: Session, case: ProtectionCase, template: str, key: str, *, now: datetime) -> None:
    messaging.request(
        session,
        messaging.NewIntent(
            borrower_id=case.borrower_id,
            idem_key=key,
            purpose="service_continuity",
            klass="continuity",
            template=template,
            params={
                "due_date": case.due_date.isoformat(),
                "first_day": case.first_day.isoformat() if case.first_day else "",
                "last_day": case.last_day.isoformat() if case.last_day else "",
            },
            deadline=now + DEADLINE,
            subject=f"loan:{case.loan_id}",
        ),
        now=now,
    )
