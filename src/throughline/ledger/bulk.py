"""Many new entries at once, gathered by columns: what one statement for each table takes.

A night posts an entry for every loan. Objects for entries and lines, made only to be taken apart again,
would cost as much as the rows themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import array, plain_array
from throughline.kernel.ids import new_id
from throughline.ledger.accounts import ROLES
from throughline.ledger.days import note_late, refuse_locked
from throughline.ledger.entries import UnbalancedEntry


@dataclass(slots=True)
class NewEntries:
    """Entries of one posting date whose keys are new. Ids are given as texts."""

    posting_date: date
    _borrowers: list[str] = field(default_factory=list)
    _ids: list[str] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    _sources: list[str] = field(default_factory=list)
    _value_dates: list[date] = field(default_factory=list)
    _currencies: list[str] = field(default_factory=list)
    _line_borrowers: list[str] = field(default_factory=list)
    _line_entries: list[str] = field(default_factory=list)
    _line_nrs: list[int] = field(default_factory=list)
    _accounts: list[str] = field(default_factory=list)
    _debits: list[int] = field(default_factory=list)
    _credits: list[int] = field(default_factory=list)
    _line_loans: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self,
        *,
        key: str,
        borrower: str,
        source: str,
        value_date: date,
        currency: str,
        loan: str,
        debits: Iterable[tuple[str, int]],
    ) -> None:
        """One entry, every line of it on a loan. `debits`: account and minor units, below zero a credit.

        Raises UnbalancedEntry.
        """
        entry = str(new_id())
        nr = total = 0
        for nr, (account, amount) in enumerate(debits, 1):
            if account not in ROLES or not amount:
                raise UnbalancedEntry(f"{account!r}: no account, or nothing on it")
            total += amount
            self._line_borrowers.append(borrower)
            self._line_entries.append(entry)
            self._line_nrs.append(nr)
            self._accounts.append(account)
            self._debits.append(amount if amount > 0 else 0)
            self._credits.append(-amount if amount < 0 else 0)
            self._line_loans.append(loan)
        if nr < 2 or total:
            raise UnbalancedEntry(f"{key}: {nr} lines, debits less credits {total}")
        self._borrowers.append(borrower)
        self._ids.append(entry)
        self._keys.append(key)
        self._sources.append(source)
        self._value_dates.append(value_date)
        self._currencies.append(currency)

    def post(self, session: Session, *, now: datetime) -> None:
        """Write them all. A known key is an IntegrityError. Raises PeriodLocked."""
        if not self._ids:
            return
        late = refuse_locked(session, [self.posting_date])
        borrowers, ids = plain_array(self._borrowers), plain_array(self._ids)
        session.execute(
            _ENTRIES,
            {
                "borrowers": borrowers,
                "ids": ids,
                "keys": array(self._keys),
                "sources": array(self._sources),
                "value_dates": plain_array(self._value_dates),
                "currencies": array(self._currencies),
                "posting_date": self.posting_date,
                "now": now,
            },
        )
        session.execute(
            _LINES,
            {
                "borrowers": plain_array(self._line_borrowers),
                "entries": plain_array(self._line_entries),
                "nrs": plain_array(self._line_nrs),
                "accounts": plain_array(self._accounts),
                "debits": plain_array(self._debits),
                "credits": plain_array(self._credits),
                "loans": plain_array(self._line_loans),
            },
        )
        if late:
            pairs = zip(self._borrowers, self._ids, strict=True)
            note_late(session, [(UUID(owner), UUID(one), self.posting_date) for owner, one in pairs])


_ENTRIES = text(
    """
    INSERT INTO ledger_entry (borrower_id, id, key, source, value_date, posting_date, currency, recorded_at)
    SELECT t.borrower, t.id, t.key, t.source, t.value_date, :posting_date, t.currency, :now
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:sources AS text[]),
      CAST(:value_dates AS date[]), CAST(:currencies AS text[])) AS t(borrower, id, key, source, value_date, currency)
    """
)
_LINES = text(
    """
    INSERT INTO ledger_line (borrower_id, entry_id, nr, account, debit_minor, credit_minor, loan_id)
    SELECT * FROM unnest(CAST(:borrowers AS uuid[]), CAST(:entries AS uuid[]), CAST(:nrs AS smallint[]),
      CAST(:accounts AS text[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[]), CAST(:loans AS uuid[]))
    """
)
