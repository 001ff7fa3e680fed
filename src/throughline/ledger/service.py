"""The verbs of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.ids import new_id
from throughline.ledger.accounts import ROLES, Nature
from throughline.ledger.entries import EntryDraft, Line, check, credit, debit
from throughline.ledger.models import JournalEntry, JournalLine

__all__ = [
    "Balance",
    "EntryDraft",
    "Line",
    "PostedEntry",
    "credit",
    "debit",
    "entries",
    "post_entry",
    "post_new_entries",
    "trial_balance",
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
    return entry_id


def post_new_entries(session: Session, drafts: Sequence[EntryDraft], *, now: datetime) -> None:
    """Post many entries whose keys are new, at once, for batch work. A known key is an IntegrityError.

    Raises UnbalancedEntry before anything is written.
    """
    heads, lines = [], []
    for draft in drafts:
        check(draft.lines)
        entry_id = new_id()
        heads.append(
            {
                "borrower_id": draft.borrower_id,
                "id": entry_id,
                "key": draft.key,
                "source": draft.source,
                "value_date": draft.value_date,
                "posting_date": draft.posting_date,
                "currency": draft.currency,
                "recorded_at": now,
            }
        )
        lines += _line_values(draft, entry_id)
    if heads:
        session.execute(insert(JournalEntry), heads)
        session.execute(insert(JournalLine), lines)


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
        .group_by(JournalLine.account, JournalEntry.currency)
        .order_by(JournalEntry.currency, JournalLine.account)
    )
    if on is not None:
        query = query.where(JournalEntry.posting_date <= on)
    return [
        Balance(row.account, ROLES[row.account], row.currency, int(row.debit_minor), int(row.credit_minor))
        for row in session.execute(query)
    ]
