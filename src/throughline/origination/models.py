"""Tables of origination."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class Application(Base):
    """One application for a loan. What the borrower told of their means is sealed."""

    __tablename__ = "origination_application"
    __table_args__ = (
        Index("ix_origination_application_state", "state", "id"),
        # One open application for a borrower: two starts at once meet here.
        Index(
            "uq_origination_application_open", "borrower_id", unique=True, postgresql_where=text("is_open")
        ),
        Index("ix_origination_application_loan_id", "loan_id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    state: Mapped[str]
    is_open: Mapped[bool]
    channel: Mapped[str]
    product_code: Mapped[str]
    requested_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    installments: Mapped[int]
    facts: Mapped[bytes] = mapped_column(LargeBinary)
    payee_account_id: Mapped[UUID]
    decision_id: Mapped[UUID | None]
    offer: Mapped[dict[str, Any] | None]
    cost_table_id: Mapped[UUID | None]
    showing_id: Mapped[UUID | None]
    contract_id: Mapped[UUID | None]
    loan_id: Mapped[UUID | None]
    order_id: Mapped[UUID | None]
    expires_at: Mapped[Instant]
    created_at: Mapped[Instant]


class Step(Base):
    """One transition of an application: from, to, when, why. Only ever added to."""

    __tablename__ = "origination_step"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "application_id"],
            ["origination_application.borrower_id", "origination_application.id"],
        ),
        UniqueConstraint("application_id", "seq"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    application_id: Mapped[UUID]
    seq: Mapped[int]
    old: Mapped[str | None]
    new: Mapped[str]
    at: Mapped[Instant]
    reason: Mapped[Json]
