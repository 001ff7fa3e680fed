"""What is heard of lines, kept as spans in which a text reached nobody: also when it is learned late."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.lending.bureau.models import DarkSpanRow, ReportItemRow

DARK_FROM = Decimal("0.5")  # the belief above which a text counts as lost


def heard(
    session: Session,
    borrower_id: UUID,
    contact_point_id: UUID,
    *,
    cannot_receive: Decimal,
    since: datetime,
) -> list[UUID]:
    """Keep that a line is dark, or is back, since an instant; the loans whose reports stand on a notice there."""
    ours = (DarkSpanRow.borrower_id == borrower_id, DarkSpanRow.contact_point_id == contact_point_id)
    if cannot_receive < DARK_FROM:
        session.execute(
            update(DarkSpanRow)
            .where(*ours, DarkSpanRow.until_at.is_(None))
            .values(until_at=since)
            .execution_options(synchronize_session=False)
        )
        return []
    open_span = session.scalars(
        select(DarkSpanRow).where(*ours, DarkSpanRow.until_at.is_(None)).with_for_update()
    ).first()
    if open_span is not None and open_span.from_at <= since:
        return []
    if open_span is not None:
        session.delete(open_span)
        session.flush()
    session.execute(
        insert(DarkSpanRow)
        .values(borrower_id=borrower_id, contact_point_id=contact_point_id, from_at=since, until_at=None)
        .on_conflict_do_update(
            index_elements=["borrower_id", "contact_point_id", "from_at"], set_={"until_at": None}
        )
    )
    return list(
        session.scalars(
            select(ReportItemRow.loan_id)
            .where(
                ReportItemRow.borrower_id == borrower_id,
                ReportItemRow.notice_contact_point_id == contact_point_id,
                ReportItemRow.negative,
                ReportItemRow.noticed_at >= since,
            )
            .distinct()
        )
    )
