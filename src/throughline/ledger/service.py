"""The verbs of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, tuple_, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.db import array
from throughline.kernel.ids import new_id
from throughline.kernel.together import Together
from throughline.ledger.accounts import ROLES, Nature
from throughline.ledger.bulk import NewEntries
from throughline.ledger.days import (
    DaySums,
    PeriodLocked,
    close_day,
    day_sums,
    lines_not_summed,
    mismatches,
    note_late,
    note_mismatches,
    refuse_locked,
    sum_states,
    sum_up_day,
)
from throughline.ledger.entries import EntryDraft, Line, check, credit, debit
from throughline.ledger.models import DaySummary, JournalEntry, JournalLine, LateEntry
from throughline.ledger.periods import (
    LockUnchanged,
    PeriodActView,
    PeriodNotClosed,
    lock_period,
    locked_through,
    period_acts,
    unlock_period,
)

__all__ = [
    "Balance",
    "DaySums",
    "EntryDraft",
    "Line",
    "LockUnchanged",
    "NewEntries",
    "PeriodActView",
    "PeriodLocked",
    "PeriodNotClosed",
    "PostedEntry",
    "close_day",
    "credit",
    "day_sums",
    "debit",
    "entries",
    "loan_balances",
    "lock_period",
    "locked_through",
    "mismatches",
    "note_mismatches",
    "period_acts",
    "post_entry",
    "post_new_entries",
    "post_together",
    "sum_states",
    "sum_up_day",
    "trial_balance",
    "unlock_period",
]


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """An entry as it stands in the books."""

    id: UUID
    key: str
    source: str
    value_date: date
    posting_date: date
    currency: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """One account in one currency. `balance_minor` is positive on the side on which the account grows."""

    account: str
    nature: Nature
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        grown = self.debit_minor - self.credit_minor
        return grown if self.nature in {Nature.ASSET, Nature.EXPENSE} else -grown


def post_entry(session: Session, draft: EntryDraft, *, now: datetime) -> UUID:
    """Post an entry once for its key; a repeat returns the id of the first.

    Raises UnbalancedEntry before anything is written.
    """
    check(draft.lines)
    late = refuse_locked(session, [draft.posting_date])
    entry_id = session.execute(
        insert(JournalEntry)
        .values(
            borrower_id=draft.borrower_id,
            id=new_id(),
            key=draft.key,
            source=draft.source,
            value_date=draft.value_date,
            posting_date=draft.posting_date,
            currency=draft.currency,
            recorded_at=now,
        )
        .on_conflict_do_nothing(index_elements=["borrower_id", "key"])
        .returning(JournalEntry.id)
    ).scalar_one_or_none()
    if entry_id is None:
        return session.execute(
            select(JournalEntry.id).where(
                JournalEntry.borrower_id == draft.borrower_id, JournalEntry.key == draft.key
            )
        ).scalar_one()
    session.execute(insert(JournalLine), _line_values(draft, entry_id))
    if late:
        note_late(session, [(draft.borrower_id, entry_id, draft.posting_date)])
    return entry_id


def post_together(into: Together, session: Session, drafts: Sequence[EntryDraft], *, now: datetime) -> None:
    """Post entries whose keys are new, with the rows that are gathered there. A known key is an IntegrityError.

    Raises UnbalancedEntry, PeriodLocked.
    """
    for draft in drafts:
        check(draft.lines)
    late = refuse_locked(session, (draft.posting_date for draft in drafts))
    for draft in drafts:
        owner, entry_id = draft.borrower_id, new_id()
        into.new(
            JournalEntry,
            borrower_id=owner,
            id=entry_id,
            key=draft.key,
            source=draft.source,
            value_date=draft.value_date,
            posting_date=draft.posting_date,
            currency=draft.currency,
            recorded_at=now,
        )
        for line in _line_values(draft, entry_id):
            into.new(JournalLine, **line)
        if draft.posting_date in late:
            into.new(LateEntry, borrower_id=owner, entry_id=entry_id, posting_date=draft.posting_date)


def post_new_entries(session: Session, drafts: Sequence[EntryDraft], *, now: datetime) -> None:
    """Post many entries whose keys are new, at once, for batch work. A known key is an IntegrityError.

    Raises UnbalancedEntry before anything is written.
    """
    heads: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    for draft in drafts:
        check(draft.lines)
        entry_id = new_id()
        borrower_id = draft.borrower_id
        heads.append(
            (
                borrower_id,
                entry_id,
                draft.key,
                draft.source,
                draft.value_date,
                draft.posting_date,
                draft.currency,
            )
        )
        lines += [
            (borrower_id, entry_id, nr, line.account, line.debit_minor, line.credit_minor, line.loan_id)
            for nr, line in enumerate(draft.lines, 1)
        ]
    if heads:
        # One statement for each table: a row by itself would cost as much as all its index entries.
        late = refuse_locked(session, (draft.posting_date for draft in drafts))
        session.execute(_NEW_ENTRIES, {**_columns("e", heads, 7), "now": now})
        session.execute(_NEW_LINES, _columns("l", lines, 7))
        if late:
            note_late(session, [(head[0], head[1], head[5]) for head in heads if head[5] in late])


def _columns(prefix: str, rows: Sequence[tuple[Any, ...]], width: int) -> dict[str, str]:
    return {f"{prefix}{nr}": array(row[nr] for row in rows) for nr in range(width)}


_NEW_ENTRIES = text(
    """
    INSERT INTO ledger_entry (borrower_id, id, key, source, value_date, posting_date, currency, recorded_at)
    SELECT t.*, :now FROM unnest(CAST(:e0 AS uuid[]), CAST(:e1 AS uuid[]), CAST(:e2 AS text[]), CAST(:e3 AS text[]),
      CAST(:e4 AS date[]), CAST(:e5 AS date[]), CAST(:e6 AS text[])) AS t
    """
)
_NEW_LINES = text(
    """
    INSERT INTO ledger_line (borrower_id, entry_id, nr, account, debit_minor, credit_minor, loan_id)
    SELECT * FROM unnest(CAST(:l0 AS uuid[]), CAST(:l1 AS uuid[]), CAST(:l2 AS smallint[]), CAST(:l3 AS text[]),
      CAST(:l4 AS bigint[]), CAST(:l5 AS bigint[]), CAST(:l6 AS uuid[]))
    """
)


def _line_values(draft: EntryDraft, entry_id: UUID) -> list[dict[str, Any]]:
    return [
        {
            "borrower_id": draft.borrower_id,
            "entry_id": entry_id,
            "nr": nr,
            "account": line.account,
            "debit_minor": line.debit_minor,
            "credit_minor": line.credit_minor,
            "loan_id": line.loan_id,
        }
        for nr, line in enumerate(draft.lines, 1)
    ]


def entries(
    session: Session, *, source: str | None = None, after: UUID | None = None, limit: int = 50
) -> list[PostedEntry]:
    """A page of entries in the order of posting; of one source, or of all."""
    query = select(JournalEntry)
    if source is not None:
        query = query.where(JournalEntry.source == source)
    if after is not None:
        query = query.where(JournalEntry.id > after)
    heads = session.scalars(query.order_by(JournalEntry.id).limit(limit)).all()
    lines = _lines_of(session, [(head.borrower_id, head.id) for head in heads])
    return [
        PostedEntry(
            head.id,
            head.key,
            head.source,
            head.value_date,
            head.posting_date,
            head.currency,
            tuple(lines.get(head.id, ())),
        )
        for head in heads
    ]


def _lines_of(session: Session, keys: Sequence[tuple[UUID, UUID]]) -> dict[UUID, list[Line]]:
    found: dict[UUID, list[Line]] = {}
    if not keys:
        return found
    rows = session.scalars(
        select(JournalLine)
        .where(tuple_(JournalLine.borrower_id, JournalLine.entry_id).in_(keys))
        .order_by(JournalLine.entry_id, JournalLine.nr)
    )
    for row in rows:
        found.setdefault(row.entry_id, []).append(
            Line(row.account, row.debit_minor, row.credit_minor, row.loan_id)
        )
    return found


def trial_balance(session: Session, *, on: date | None = None) -> list[Balance]:
    """The sum of every account and currency up to a posting date (all without one).

    Debits equal credits for each currency; the caller may trust it, a nightly check proves it.
    """
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    summed = select(
        DaySummary.account,
        DaySummary.currency,
        func.sum(DaySummary.debit_minor).label("debit_minor"),
        func.sum(DaySummary.credit_minor).label("credit_minor"),
    ).group_by(DaySummary.account, DaySummary.currency)
    if on is not None:
        summed = summed.where(DaySummary.posting_date <= on)
    # One statement, one snapshot: a day that is being summed up counts once.
    found: Sequence[Row[str, str, int, int]] = session.execute(union_all(summed, lines_not_summed(on))).all()
    for row in found:
        place = (row.currency, row.account)
        debits, credits = sums.get(place, (0, 0))
        sums[place] = debits + int(row.debit_minor), credits + int(row.credit_minor)
    return [
        Balance(account, ROLES[account], currency, *amounts)
        for (currency, account), amounts in sorted(sums.items())
    ]


def loan_balances(session: Session, loan_id: UUID, *, borrower_id: UUID | None = None) -> list[Balance]:
    """The accounts of one loan: the sums of its lines, all days together."""
    query = (
        select(
            JournalLine.account,
            JournalEntry.currency,
            func.sum(JournalLine.debit_minor).label("debit_minor"),
            func.sum(JournalLine.credit_minor).label("credit_minor"),
        )
        .join(
            JournalEntry,
            (JournalEntry.borrower_id == JournalLine.borrower_id) & (JournalEntry.id == JournalLine.entry_id),
        )
        .where(JournalEntry.source == f"loan:{loan_id}", JournalLine.loan_id == loan_id)
        .group_by(JournalLine.account, JournalEntry.currency)
        .order_by(JournalEntry.currency, JournalLine.account)
    )
    if borrower_id is not None:
        query = query.where(JournalEntry.borrower_id == borrower_id)
    return [
        Balance(row.account, ROLES[row.account], row.currency, int(row.debit_minor), int(row.credit_minor))
        for row in session.execute(query)
    ]
