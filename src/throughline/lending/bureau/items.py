"""Making reports and reading them back: the rows of a month, and what of them is with the bureau."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id
from throughline.lending.bureau.figures import Said, said_of
from throughline.lending.bureau.models import ReportItemRow
from throughline.lending.bureau.saying import Saying
from throughline.lending.bureau.states import GONE_OUT, ItemState
from throughline.lending.models import LoanRow

Chain = list[ReportItemRow]  # the reports of one loan for one month, oldest first


def new_item(
    loan: LoanRow,
    month: date,
    saying: Saying,
    *,
    now: datetime,
    corrects: ReportItemRow | None = None,
    n: int = 0,
    why: Text | None = None,
) -> ReportItemRow:
    """A report that will leave with the next file."""
    return ReportItemRow(
        borrower_id=loan.borrower_id,
        id=new_id(),
        loan_id=loan.id,
        month=month,
        n=n,
        as_of=saying.figures.as_of,
        corrects=corrects.id if corrects else None,
        why=why,
        state=ItemState.QUEUED.value,
        tries=0,
        queued_at=now,
        **saying.columns(),
    )


def chains(session: Session, loan: LoanRow, *, since: date | None = None) -> list[Chain]:
    """All reports of a loan by month, oldest month first, as they stand now."""
    query = select(ReportItemRow).where(
        ReportItemRow.borrower_id == loan.borrower_id, ReportItemRow.loan_id == loan.id
    )
    if since is not None:
        query = query.where(ReportItemRow.month >= since)
    found: dict[date, Chain] = {}
    ordered = query.order_by(ReportItemRow.month, ReportItemRow.n).execution_options(populate_existing=True)
    for row in session.scalars(ordered):
        found.setdefault(row.month, []).append(row)
    return list(found.values())


def chain_of(session: Session, item: ReportItemRow) -> Chain:
    """The reports of the same loan and month, oldest first."""
    return list(
        session.scalars(
            select(ReportItemRow)
            .where(
                ReportItemRow.borrower_id == item.borrower_id,
                ReportItemRow.loan_id == item.loan_id,
                ReportItemRow.month == item.month,
            )
            .order_by(ReportItemRow.n)
            .execution_options(populate_existing=True)
        )
    )


def standing(chain: Sequence[ReportItemRow]) -> ReportItemRow | None:
    """The newest report of a month that the bureau has or may have."""
    return next((row for row in reversed(chain) if ItemState(row.state) in GONE_OUT), None)


def said_by(row: ReportItemRow) -> Said:
    """What a report says."""
    return said_of(row.said)


def item_ref(item_id: UUID, tries: int) -> str:
    """How a report is called at the bureau; each try has a name of its own, since a refused one stays refused."""
    return f"{item_id.hex}-{tries}"
