"""Lists that staff narrow down by state: one query each, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.lending.models import DelinquencyRow, LoanRow
from throughline.origination.models import Application


@dataclass(frozen=True, slots=True)
class LoanLine:
    """A loan in the list of all loans."""

    id: UUID
    borrower_id: UUID
    product_code: str
    status: str
    currency: str
    principal_minor: int
    outstanding_minor: int
    disbursed_on: date | None
    range: str | None
    delinquent_days: int
    paused: bool


def applications(session: Session, *, state: str | None, after: UUID | None, limit: int) -> list[Application]:
    """A page of applications, of one state or of all."""
    query = select(Application)
    if state is not None:
        query = query.where(Application.state == state)
    if after is not None:
        query = query.where(Application.id < after)
    return list(session.scalars(query.order_by(Application.id.desc()).limit(limit)))


def loans(
    session: Session, *, status: str | None, late: str | None, after: UUID | None, limit: int
) -> list[LoanLine]:
    """A page of loans, of one status, of one range of delinquent days, or of all."""
    query = select(LoanRow, DelinquencyRow).outerjoin(
        DelinquencyRow,
        (DelinquencyRow.borrower_id == LoanRow.borrower_id) & (DelinquencyRow.loan_id == LoanRow.id),
    )
    if status is not None:
        query = query.where(LoanRow.status == status)
    if late is not None:
        query = query.where(DelinquencyRow.range == late)
    if after is not None:
        query = query.where(LoanRow.id < after)
    return [
        LoanLine(
            loan.id,
            loan.borrower_id,
            loan.product_code,
            loan.status,
            loan.currency,
            loan.principal_minor,
            loan.outstanding_minor,
            loan.disbursed_on,
            row.range if row else None,
            row.delinquent_days if row else 0,
            row.paused if row else False,
        )
        for loan, row in session.execute(query.order_by(LoanRow.id.desc()).limit(limit))
    ]
