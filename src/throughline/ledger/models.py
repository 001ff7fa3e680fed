"""Tables of the ledger."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant
from throughline.kernel.ids import new_id


class JournalEntry(Base):
    """The head of an entry."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        UniqueConstraint("borrower_id", "key"),
        Index("ix_ledger_entry_source", "source", "id"),
        Index("ix_ledger_entry_posting_date", "posting_date"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str]
    source: Mapped[str]
    value_date: Mapped[date]
    posting_date: Mapped[date]
    currency: Mapped[str]
    recorded_at: Mapped[Instant]


class JournalLine(Base):
    """One line of an entry: a debit or a credit, in minor units."""

    __tablename__ = "ledger_line"
    __table_args__ = (
        ForeignKeyConstraint(["borrower_id", "entry_id"], ["ledger_entry.borrower_id", "ledger_entry.id"]),
        CheckConstraint(
            "debit_minor >= 0 AND credit_minor >= 0 AND (debit_minor > 0) <> (credit_minor > 0)", name="side"
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    nr: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    account: Mapped[str]
    debit_minor: Mapped[int] = mapped_column(BigInteger)
    credit_minor: Mapped[int] = mapped_column(BigInteger)
    loan_id: Mapped[UUID | None]
