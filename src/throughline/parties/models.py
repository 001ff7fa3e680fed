"""Tables of parties. Clear personal data stands in sealed columns only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class Person(Base):
    """A person. The sealed places are "party_person|<borrower id>|<column>"."""

    __tablename__ = "party_person"
    __table_args__ = (
        Index(
            "uq_party_person_id_number_index",
            "id_number_index",
            unique=True,
            postgresql_where=text("discarded_at IS NULL"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[bytes] = mapped_column(LargeBinary)
    id_number: Mapped[bytes] = mapped_column(LargeBinary)
    id_number_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    locale: Mapped[str]
    zone: Mapped[str]
    registered_at: Mapped[Instant]
    discarded_at: Mapped[Instant | None]


class ContactPointRow(Base):
    """An address. The sealed place is "party_contact_point|<id>|value"."""

    __tablename__ = "party_contact_point"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("borrower_id", "kind", "value_index"),
        Index("ix_party_contact_point_value_index", "value_index"),
    )

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("party_person.borrower_id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    value: Mapped[bytes] = mapped_column(LargeBinary)
    value_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    owner: Mapped[str]
    added_at: Mapped[Instant]
    verified_at: Mapped[Instant | None]
    content_until: Mapped[Instant | None]  # how long the proof counts for texts that say something
    suspended_at: Mapped[Instant | None]
    reassigned_probability: Mapped[Decimal] = mapped_column(Numeric(5, 4), default=Decimal(0))
    standing_at: Mapped[Instant | None]
    frozen_at: Mapped[Instant | None]
    frozen_reason: Mapped[str | None]


class ConsentRow(Base):
    """A consent; at most one open for a purpose. Rows are never deleted, they are withdrawn."""

    __tablename__ = "party_consent"
    __table_args__ = (
        Index(
            "uq_party_consent_open",
            "borrower_id",
            "purpose",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("party_person.borrower_id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    purpose: Mapped[str]
    evidence: Mapped[Json]
    given_at: Mapped[Instant]
    withdrawn_at: Mapped[Instant | None]
    withdrawal_evidence: Mapped[dict[str, Any] | None]


class AccessLogRow(Base):
    """One read of a clear value: what, for which purpose, by whom. The person may see all of it."""

    __tablename__ = "party_access_log"

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("party_person.borrower_id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    field: Mapped[str]
    contact_point_id: Mapped[UUID | None]
    purpose: Mapped[str]
    reader: Mapped[str]
    at: Mapped[Instant]
