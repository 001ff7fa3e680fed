"""Tables of contracts. Documents with personal data are sealed."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class CostTable(Base):
    """An offer's cost table: immutable, named by the hash of its content."""

    __tablename__ = "contract_cost_table"

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    content: Mapped[Json]
    sha256: Mapped[str]
    apr_percent: Mapped[str]
    created_at: Mapped[Instant]


class Showing(Base):
    """A cost table was put before the borrower; `confirmed_at` when they said that they had read it."""

    __tablename__ = "contract_showing"

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cost_table_id: Mapped[UUID]
    channel: Mapped[str]
    locale: Mapped[str]
    device: Mapped[str]
    min_read_s: Mapped[int]
    shown_at: Mapped[Instant]
    confirmed_at: Mapped[Instant | None]
    record_id: Mapped[UUID | None]


class Contract(Base):
    """A contract: its sealed bytes, their hash, the key terms and, once signed, the proof."""

    __tablename__ = "contract_contract"

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cost_table_id: Mapped[UUID]
    showing_id: Mapped[UUID]
    template: Mapped[str]
    clause: Mapped[str]
    document: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str]
    principal_minor: Mapped[int] = mapped_column(BigInteger)
    installments: Mapped[int]
    apr_percent: Mapped[str]
    agreed_on: Mapped[date]
    state: Mapped[str]  # drafted | signed
    signature: Mapped[dict[str, Any] | None]
    record_id: Mapped[UUID | None]
    drafted_at: Mapped[Instant]
    signed_at: Mapped[Instant | None]
