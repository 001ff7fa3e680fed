"""Whether anything about a loan has left for the bureau. Asked by the verbs that change a loan's past."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.lending.bureau.models import ReportItemRow
from throughline.lending.bureau.states import GONE_OUT


def has_gone_out(session: Session, borrower_id: UUID, loan_id: UUID, *, about: date | None = None) -> bool:
    """Whether a report of this loan is with the bureau, or may be; with `about`, one of that day or a later one."""
    query = select(ReportItemRow.id).where(
        ReportItemRow.borrower_id == borrower_id,
        ReportItemRow.loan_id == loan_id,
        ReportItemRow.state.in_([one.value for one in GONE_OUT]),
    )
    if about is not None:
        query = query.where(ReportItemRow.as_of >= about)
    return session.execute(query.limit(1)).first() is not None
