"""Report holds: while one stands, nothing negative about its days may go to a credit bureau.

`continuity`, disputes and complaints place and lift them; the verb that queues a report asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.kernel.i18n import Text
from throughline.lending import events as published
from throughline.lending.account import locked_loan
from throughline.lending.bureau.gone_out import has_gone_out
from throughline.lending.models import LoanRow, ReportHoldRow


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold to place. `source` names who asks, such as "protection_case:<id>"; open without `until_date`."""

    source: str
    from_date: date
    until_date: date | None
    reason: Text


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as it stands."""

    id: UUID
    source: str
    from_date: date
    until_date: date | None
    reason: Text
    released_at: datetime | None


def place_report_hold(session: Session, loan_id: UUID, hold: Hold, *, now: datetime) -> UUID:
    """Place a hold; one for a source. Placing it again moves its dates and makes a lifted one stand again.

    Raises LoanUnknown.
    """
    loan = locked_loan(session, loan_id).row
    row = _of_source(session, loan, hold.source)
    if row is None:
        row = ReportHoldRow(
            borrower_id=loan.borrower_id,
            loan_id=loan_id,
            source=hold.source,
            from_date=hold.from_date,
            until_date=hold.until_date,
            reason=hold.reason,
            placed_at=now,
            released_at=None,
            release_reason=None,
        )
        session.add(row)
    else:
        row.from_date, row.until_date, row.reason = hold.from_date, hold.until_date, hold.reason
        row.released_at = row.release_reason = None
    session.flush()
    _say_anew(session, loan)
    return row.id


def _say_anew(session: Session, loan: LoanRow) -> None:
    """A hold may be about days that were reported: then the bureau is told anew."""
    if has_gone_out(session, loan.borrower_id, loan.id):
        publish(
            session,
            published.ReportCorrectionNeeded(loan.id, loan.borrower_id, "report_hold"),
            aggregate_type=published.AGGREGATE,
            aggregate_id=loan.id,
            borrower_id=loan.borrower_id,
        )


def lift_report_hold(session: Session, loan_id: UUID, source: str, *, reason: Text, now: datetime) -> bool:
    """Lift the hold of a source; False when none stands. Raises LoanUnknown."""
    loan = locked_loan(session, loan_id).row
    row = _of_source(session, loan, source)
    if row is None or row.released_at is not None:
        return False
    row.released_at, row.release_reason = now, reason
    session.flush()
    return True


def end_report_hold(session: Session, loan_id: UUID, source: str, until_date: date) -> bool:
    """Give a standing hold its last day: those days stay protected for ever. False when none stands."""
    loan = locked_loan(session, loan_id).row
    row = _of_source(session, loan, source)
    if row is None or row.released_at is not None:
        return False
    row.until_date = until_date
    session.flush()
    return True


def holds_of(session: Session, loan: LoanRow, *, limit: int = 200) -> list[HoldView]:
    """The holds of a loan, lifted ones included, oldest first."""
    rows = session.scalars(
        select(ReportHoldRow)
        .where(ReportHoldRow.borrower_id == loan.borrower_id, ReportHoldRow.loan_id == loan.id)
        .order_by(ReportHoldRow.id)
        .limit(limit)
    )
    return [
        HoldView(row.id, row.source, row.from_date, row.until_date, row.reason, row.released_at)
        for row in rows
    ]


def stands(hold: HoldView, on: date) -> bool:
    """Whether a hold stands on a day."""
    return (
        hold.released_at is None
        and hold.from_date <= on
        and (hold.until_date is None or on <= hold.until_date)
    )


def _of_source(session: Session, loan: LoanRow, source: str) -> ReportHoldRow | None:
    return session.scalars(
        select(ReportHoldRow).where(
            ReportHoldRow.borrower_id == loan.borrower_id,
            ReportHoldRow.loan_id == loan.id,
            ReportHoldRow.source == source,
        )
    ).one_or_none()
