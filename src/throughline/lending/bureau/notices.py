"""What the borrower is told of reports: ahead of a negative one, of a correction, of a dispute's end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel.settings import settings
from throughline.lending.bureau import policy
from throughline.lending.models import LoanRow
from throughline.messaging import service as messaging
from throughline.parties import service as parties

DEADLINE = timedelta(days=14)


def tell_ahead(session: Session, loan: LoanRow, late_since: date | None, *, now: datetime) -> None:
    """Tell the borrower of a delay that will be reported if it stays: once for each delay, by its due day."""
    if late_since is None:
        return
    days = policy.in_force("notice_days", settings().jurisdiction, late_since).value
    params: dict[str, str | int] = {"due_date": late_since.isoformat(), "notice_days": days}
    _tell(
        session,
        loan.borrower_id,
        loan.id,
        "negative_report_ahead",
        f"negative-report-ahead:{loan.id}:{late_since}",
        params,
        now,
    )


def tell_corrected(
    session: Session, borrower_id: UUID, loan_id: UUID, item_id: UUID, month: date, *, now: datetime
) -> None:
    """Tell the borrower that the bureau has confirmed a correction."""
    key, params = f"credit-report-corrected:{item_id}", {"month": f"{month:%Y-%m}"}
    _tell(session, borrower_id, loan_id, "credit_report_corrected", key, params, now)


def tell_answered(
    session: Session, borrower_id: UUID, loan_id: UUID, dispute_id: UUID, month: date, *, now: datetime
) -> None:
    """Tell the borrower that a dispute is decided."""
    key, params = f"credit-dispute-answered:{dispute_id}", {"month": f"{month:%Y-%m}"}
    _tell(session, borrower_id, loan_id, "credit_dispute_answered", key, params, now)


def _tell(
    session: Session,
    borrower_id: UUID,
    loan_id: UUID,
    template: str,
    key: str,
    params: Mapping[str, str | int],
    now: datetime,
) -> None:
    try:
        messaging.request(
            session,
            messaging.NewIntent(
                borrower_id=borrower_id,
                idem_key=key,
                purpose="loan_contact",
                klass="contract",
                template=template,
                params=params,
                deadline=now + DEADLINE,
                subject=f"loan:{loan_id}",
            ),
            now=now,
        )
    except parties.UnknownPerson:
        return  # the registration was erased: there is nobody to tell
