"""Loans with their past, for a file: the terms, the money that came in, and what such a file can't hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.lending.history import EventType
from throughline.lending.models import InstallmentRow, LoanEventRow, LoanRow, TransactionRow

_IMPORTED = "import:"
_PAID = {EventType.REPAYMENT.value, EventType.PAY_OFF.value}


@dataclass(frozen=True, slots=True)
class ExportedPayment:
    """A repayment; `key` is its id in the system that it was imported from, else ours."""

    key: str
    paid_on: date
    amount_minor: int
    reversed_on: date | None


@dataclass(slots=True)
class ExportedLoan:
    """A loan that was paid out. `left_out` names kinds of events that have no row of their own."""

    id: UUID
    borrower_id: UUID
    product_code: str
    product_version: int
    principal_minor: int
    currency: str
    annual_rate_percent: Decimal
    installments: int
    disbursed_on: date
    first_due_date: date | None
    agreed_charges: tuple[str, ...]
    status: str
    outstanding_principal_minor: int = 0
    payments: list[ExportedPayment] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)


def export_loans(session: Session, borrower_ids: Sequence[UUID]) -> dict[UUID, list[ExportedLoan]]:
    """The loans of some borrowers that were paid out, by borrower, oldest first."""
    rows = session.scalars(
        select(LoanRow)
        .where(LoanRow.borrower_id.in_(borrower_ids), LoanRow.disbursed_on.is_not(None))
        .order_by(LoanRow.id)
    )
    found = {row.id: _loan(row) for row in rows}
    if not found:
        return {}
    _owed(session, borrower_ids, found)
    amounts = _amounts(session, borrower_ids)
    events: dict[UUID, list[LoanEventRow]] = defaultdict(list)
    for event in session.scalars(
        select(LoanEventRow)
        .where(LoanEventRow.borrower_id.in_(borrower_ids), LoanEventRow.loan_id.in_(found))
        .order_by(LoanEventRow.loan_id, LoanEventRow.seq)
    ):
        events[event.loan_id].append(event)
    by_borrower: dict[UUID, list[ExportedLoan]] = defaultdict(list)
    for loan in found.values():
        _history(loan, events[loan.id], amounts)
        by_borrower[loan.borrower_id].append(loan)
    return by_borrower


def _loan(row: LoanRow) -> ExportedLoan:
    first = row.terms.get("first_due_date")
    if row.disbursed_on is None:
        raise ValueError("only a loan that was paid out has a history")
    return ExportedLoan(
        row.id, row.borrower_id, row.product_code, row.product_version, row.principal_minor, row.currency,
        row.annual_rate_percent, int(row.terms["installments"]), row.disbursed_on,
        date.fromisoformat(first) if first else None, tuple(row.agreed_charges), row.status,
    )  # fmt: skip


def _owed(session: Session, borrower_ids: Sequence[UUID], found: dict[UUID, ExportedLoan]) -> None:
    for row in session.scalars(
        select(InstallmentRow).where(
            InstallmentRow.borrower_id.in_(borrower_ids), InstallmentRow.loan_id.in_(found)
        )
    ):
        owed = row.due_minor[0] - row.paid_minor[0] - row.waived_minor[0]
        found[row.loan_id].outstanding_principal_minor += owed


def _amounts(session: Session, borrower_ids: Sequence[UUID]) -> dict[UUID, int]:
    """What each payment brought: an event that pays exactly its quote carries no amount itself."""
    newest = (
        select(TransactionRow.event_id, func.max(TransactionRow.amount_minor))
        .where(TransactionRow.borrower_id.in_(borrower_ids), TransactionRow.type.in_(_PAID))
        .group_by(TransactionRow.event_id)
    )
    return {event_id: int(amount) for event_id, amount in session.execute(newest)}


def _history(loan: ExportedLoan, events: Sequence[LoanEventRow], amounts: dict[UUID, int]) -> None:
    reversals = {event.target: event for event in events if event.type == EventType.REVERSAL.value}
    payments = set()
    for event in events:
        if event.type in _PAID:
            taken_back = reversals.get(event.id)
            payments.add(event.id)
            loan.payments.append(
                ExportedPayment(
                    event.idempotency_key.removeprefix(_IMPORTED)
                    if event.idempotency_key.startswith(_IMPORTED)
                    else str(event.id),
                    event.value_date,
                    event.amount_minor if event.amount_minor is not None else amounts.get(event.id, 0),
                    taken_back.value_date if taken_back else None,
                )
            )
        elif event.type == EventType.DISBURSEMENT.value:
            if event.amount_minor != loan.principal_minor or event.id in reversals:
                loan.left_out.add("disbursement")
        elif event.type != EventType.REVERSAL.value or event.target not in payments:
            loan.left_out.add(event.type)
