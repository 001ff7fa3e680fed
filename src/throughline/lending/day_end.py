"""What the end of a day means for a loan, as values that both paths of the close of business share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from throughline.kernel.events import Event
from throughline.ledger.entries import EntryDraft, debit
from throughline.lending import events as published
from throughline.lending.account import source_of
from throughline.lending.accrual import Accrued
from throughline.lending.models import LoanRow
from throughline.lending.segments import REMIND_DAYS


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose day it is."""

    borrower_id: UUID
    loan_id: UUID
    currency: str


def owner_of(row: LoanRow) -> Owner:
    """The owner of a loan's rows."""
    return Owner(row.borrower_id, row.id, row.currency)


def day_debits(known: Accrued, new: Accrued) -> list[tuple[str, int]]:
    """What has been earned and was not in the books yet: accounts and debits, below zero credits, in minor units."""
    changes = [
        (new.interest_minor - known.interest_minor, "interest_receivable", "interest_income"),
        (new.fee_minor - known.fee_minor, "fee_receivable", "fee_income"),
        (new.penalty_minor - known.penalty_minor, "penalty_receivable", "penalty_income"),
    ]
    found = [one for one in changes if one[0]]
    return [(one[1], one[0]) for one in found] + [(one[2], -one[0]) for one in found]


def day_key(loan_id: UUID | str, day: date) -> str:
    """The key of the entry of one closed day of a loan."""
    return f"loan-day:{loan_id}:{day}"


def day_entry(owner: Owner, known: Accrued, new: Accrued, day: date, posting_date: date) -> EntryDraft:
    """The journal entry of one closed day."""
    lines = [debit(account, change, owner.loan_id) for account, change in day_debits(known, new)]
    return EntryDraft(
        day_key(owner.loan_id, day),
        owner.borrower_id,
        source_of(owner.loan_id),
        day,
        posting_date,
        owner.currency,
        tuple(lines),
    )


def date_event(
    owner: Owner, nr: int, due_date: date, outstanding_minor: int, day: date, *, in_time: date, paused: bool
) -> Event | None:
    """What the day after `day` brings for an installment that is not paid: a reminder, or that it is overdue.

    `in_time` is the last day on which paying it is in time.
    """
    if in_time == day:
        return published.InstallmentOverdue(
            owner.loan_id, owner.borrower_id, nr, due_date, outstanding_minor, owner.currency, paused
        )
    days_left = (due_date - day).days - 1
    if days_left in {0, REMIND_DAYS}:
        return published.InstallmentDue(
            owner.loan_id, owner.borrower_id, nr, due_date, outstanding_minor, owner.currency, days_left
        )
    return None
