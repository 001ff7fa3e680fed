"""Tables of the ledger."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
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


class LedgerDay(Base):
    """A posting date that is over. What is posted on it afterwards is noted as late until it is summed anew."""

    __tablename__ = "ledger_day"

    posting_date: Mapped[date] = mapped_column(primary_key=True)
    closed_at: Mapped[Instant]
    summed_at: Mapped[Instant | None]
    balanced: Mapped[bool | None]


class DaySummary(Base):
    """The sums of one account on one posting date that is over."""

    __tablename__ = "ledger_day_summary"
    __table_args__ = (ForeignKeyConstraint(["posting_date"], ["ledger_day.posting_date"]),)

    posting_date: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    debit_minor: Mapped[int] = mapped_column(BigInteger)
    credit_minor: Mapped[int] = mapped_column(BigInteger)


class LateEntry(Base):
    """An entry that was posted on a day after that day was closed; it stands in no summary yet."""

    __tablename__ = "ledger_late_entry"
    __table_args__ = (
        ForeignKeyConstraint(["borrower_id", "entry_id"], ["ledger_entry.borrower_id", "ledger_entry.id"]),
        Index("ix_ledger_late_entry_posting_date", "posting_date"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    posting_date: Mapped[date]


class PeriodAct(Base):
    """A lock or an unlock of the books, and who did it and why. The newest row is what stands."""

    __tablename__ = "ledger_period"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    action: Mapped[str]  # lock, unlock
    locked_through: Mapped[date | None]
    actor: Mapped[str]
    reason: Mapped[str]
    recorded_at: Mapped[Instant]


class Mismatch(Base):
    """Sums that should agree and do not, found by the nightly check."""

    __tablename__ = "ledger_mismatch"
    __table_args__ = (UniqueConstraint("posting_date", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    posting_date: Mapped[date]
    subject: Mapped[str]
    expected_minor: Mapped[int] = mapped_column(BigInteger)
    found_minor: Mapped[int] = mapped_column(BigInteger)
    found_at: Mapped[Instant]
