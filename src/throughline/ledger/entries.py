"""What an entry is: pure values and the rule that every entry balances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from throughline.ledger.accounts import ROLES


class UnbalancedEntry(ValueError):
    """Debits and credits differ, or a line is malformed. Always a fault of ours, never of a user."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a debit or a credit of one account, in minor units, never both and never negative."""

    account: str
    debit_minor: int = 0
    credit_minor: int = 0
    loan_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An entry to be posted.

    `key` names it for ever. `value_date` is the day on which it counts for the borrower, `posting_date`
    the open business day of the books. `source` says what it is of, such as "loan:<id>".
    """

    key: str
    borrower_id: UUID
    source: str
    value_date: date
    posting_date: date
    currency: str
    lines: tuple[Line, ...]


def debit(account: str, amount_minor: int, loan_id: UUID | None = None) -> Line:
    """A debit line; a negative amount becomes a credit."""
    if amount_minor < 0:
        return Line(account, credit_minor=-amount_minor, loan_id=loan_id)
    return Line(account, debit_minor=amount_minor, loan_id=loan_id)


def credit(account: str, amount_minor: int, loan_id: UUID | None = None) -> Line:
    """A credit line; a negative amount becomes a debit."""
    return debit(account, -amount_minor, loan_id)


def check(lines: Sequence[Line]) -> None:
    """Raise UnbalancedEntry unless the lines make an entry: known accounts, one side each, equal sums."""
    if len(lines) < 2:
        raise UnbalancedEntry("an entry has at least two lines")
    for line in lines:
        if line.account not in ROLES:
            raise UnbalancedEntry(f"{line.account!r} is no account")
        if line.debit_minor < 0 or line.credit_minor < 0:
            raise UnbalancedEntry(f"{line.account}: negative amounts are written on the other side")
        if (line.debit_minor > 0) == (line.credit_minor > 0):
            raise UnbalancedEntry(f"{line.account}: a line has either a debit or a credit")
    debits = sum(line.debit_minor for line in lines)
    credits = sum(line.credit_minor for line in lines)
    if debits != credits:
        raise UnbalancedEntry(f"debits {debits} and credits {credits} differ")
