"""Tables of payments."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Id, Instant
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id

OPEN_STATES = "state IN ('created', 'sent', 'unknown', 'pending_user')"


class PayeeAccount(Base):
    """A borrower's own account that may be paid to. Holder and number are sealed."""

    __tablename__ = "payment_payee_account"
    __table_args__ = (UniqueConstraint("borrower_id", "number_index"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]  # bank
    bank_code: Mapped[str]
    holder_name: Mapped[bytes] = mapped_column(LargeBinary)
    number: Mapped[bytes] = mapped_column(LargeBinary)
    number_index: Mapped[bytes] = mapped_column(LargeBinary)  # blind index: one row for one account
    last_four: Mapped[str]
    name_match: Mapped[str]  # how the holder's name was compared: register
    created_at: Mapped[Instant]
    closed_at: Mapped[datetime | None]


class PaymentOrder(Base):
    """The wish that an amount moves, once. Its row lock guards everything below it."""

    __tablename__ = "payment_order"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "payee_account_id"],
            ["payment_payee_account.borrower_id", "payment_payee_account.id"],
        ),
        UniqueConstraint("borrower_id", "idempotency_key"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_payment_order_id", "id"),
        Index("ix_payment_order_source", "source"),
        Index("ix_payment_order_state_id", "state", "id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    direction: Mapped[str]
    state: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    payee_account_id: Mapped[UUID | None]
    source: Mapped[str]
    idempotency_key: Mapped[str]
    line_state: Mapped[str | None]  # the payee's line when the payout was ordered
    rail: Mapped[str | None]
    reason: Mapped[Text | None]
    value_at: Mapped[datetime | None]
    close_requested_at: Mapped[datetime | None]
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]


class PaymentAttempt(Base):
    """One try of an order on one rail, under one reference that is stored before the call."""

    __tablename__ = "payment_attempt"
    __table_args__ = (
        ForeignKeyConstraint(["borrower_id", "order_id"], ["payment_order.borrower_id", "payment_order.id"]),
        UniqueConstraint("rail", "merchant", "out_ref"),
        Index(
            "uq_payment_attempt_open",
            "borrower_id",
            "order_id",
            unique=True,
            postgresql_where=text(OPEN_STATES),
        ),
        Index("ix_payment_attempt_due", "next_query_at", postgresql_where=text(OPEN_STATES)),
        Index("ix_payment_attempt_id", "id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID]
    generation: Mapped[int]
    rail: Mapped[str]
    merchant: Mapped[str]
    out_ref: Mapped[str]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    prepared_at: Mapped[Instant]
    expires_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    sends: Mapped[int]
    answered_at: Mapped[datetime | None]
    queries: Mapped[int]
    next_query_at: Mapped[datetime | None]
    provider_ref: Mapped[str | None]
    provider_state: Mapped[str | None]
    error_code: Mapped[str | None]
    code_url: Mapped[str | None]


class PaymentStep(Base):
    """One transition of an attempt: from, to, what moved it. Only ever added to."""

    __tablename__ = "payment_step"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "attempt_id"], ["payment_attempt.borrower_id", "payment_attempt.id"]
        ),
        Index("ix_payment_step_attempt_id", "attempt_id", "id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    attempt_id: Mapped[UUID]
    old: Mapped[str]
    new: Mapped[str]
    cause: Mapped[str]
    provider_state: Mapped[str | None]
    error_code: Mapped[str | None]
    at: Mapped[Instant]


class RailEvent(Base):
    """A verified message of a provider, once. The raw bytes are sealed for the lender."""

    __tablename__ = "rail_event"
    __table_args__ = (
        UniqueConstraint("rail", "event_id"),
        Index("ix_rail_event_waiting", "received_at", postgresql_where=text("processed_at IS NULL")),
    )

    id: Mapped[Id]
    rail: Mapped[str]
    event_id: Mapped[str]
    kind: Mapped[str]
    serial: Mapped[str]
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    out_refs: Mapped[list[Any]]
    received_at: Mapped[Instant]
    processed_at: Mapped[datetime | None]


class StatementLine(Base):
    """A booked line of a provider's statement or account notification, once by the provider's own reference."""

    __tablename__ = "payment_statement_line"
    __table_args__ = (
        UniqueConstraint("rail", "merchant", "entry_ref"),
        Index("ix_payment_statement_line_event_id", "event_id"),
    )

    id: Mapped[Id]
    event_id: Mapped[UUID]
    rail: Mapped[str]
    merchant: Mapped[str]
    entry_ref: Mapped[str]
    out_ref: Mapped[str]
    outcome: Mapped[str]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None]
    provider_ref: Mapped[str | None]
    error_code: Mapped[str | None]
    reason: Mapped[str | None]
    value_at: Mapped[datetime | None]
    recorded_at: Mapped[Instant]
    applied_at: Mapped[datetime | None]


class RailCursor(Base):
    """How far we have read the files that wait at a provider."""

    __tablename__ = "rail_cursor"

    rail: Mapped[str] = mapped_column(primary_key=True)
    merchant: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[str | None]
