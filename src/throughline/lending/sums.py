"""The nightly check of sums: what the journal says of a loan is what its replay says (lending.md section 11, step 8).

Every night another sample; a loan that somebody holds is passed over, its turn comes again.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.ids import new_id
from throughline.ledger import service as ledger
from throughline.lending.account import LoanFile, lock_loan
from throughline.lending.books import totals
from throughline.lending.models import LoanRow
from throughline.lending.state import LoanStatus

SAMPLE = 200
TOGETHER = 20  # in one transaction


def sample(session: Session, *, size: int = SAMPLE) -> list[UUID]:
    """Loans to check, beginning at a place in the book that differs from night to night."""
    newest = session.scalars(select(LoanRow.id).order_by(LoanRow.id.desc()).limit(1)).one_or_none()
    oldest = session.scalars(select(LoanRow.id).order_by(LoanRow.id).limit(1)).one_or_none()
    if newest is None or oldest is None:
        return []
    start = UUID(int=oldest.int + new_id().int % (newest.int - oldest.int + 1))
    some = select(LoanRow.id).where(LoanRow.status != LoanStatus.APPROVED.value).order_by(LoanRow.id)
    found = list(session.scalars(some.where(LoanRow.id >= start).limit(size)))
    return found + list(session.scalars(some.where(LoanRow.id < start).limit(size - len(found))))


def check_loans(session: Session, ids: list[UUID], day: date, *, now: datetime) -> int:
    """Compare the journal of loans with their replay; a difference is noted and alarms. Returns how many."""
    found: list[tuple[str, int, int]] = []
    for loan_id in sorted(ids):
        file = lock_loan(session, loan_id, skip_locked=True)
        if file is not None:
            found += _differences(session, file)
    return ledger.note_mismatches(session, day, found, now=now)


def _differences(session: Session, file: LoanFile) -> list[tuple[str, int, int]]:
    as_of = max([event.value_date for event in file.events], default=file.row.agreed_on)
    expected = totals(file.state(as_of), file.recognised)
    # Loans that came from elsewhere have their money of then on migration_clearing: only what is owed is compared.
    receivable = {account: amount for account, amount in expected.items() if account.endswith("_receivable")}
    booked = {
        one.account: one.debit_minor - one.credit_minor
        for one in ledger.loan_balances(session, file.row.id, borrower_id=file.row.borrower_id)
    }
    return [
        (f"loan:{file.row.id}:{account}", amount, booked.get(account, 0))
        for account, amount in receivable.items()
    ]
