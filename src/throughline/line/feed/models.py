"""Tables around the feeds."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class RawAnswer(Base):
    """An answer as it came, sealed for its borrower, with the members that its schema names and no others.

    Never a cell, a country or a call. Dropped after `expires_at` by a nightly job.
    """

    __tablename__ = "line_raw"
    __table_args__ = (Index("ix_line_raw_expires_at", "expires_at"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    query_id: Mapped[UUID | None]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[Instant]
    expires_at: Mapped[Instant]


class Authorization(Base):
    """A borrower's refresh token at a carrier for one purpose (3-legged), sealed. `failed_at`: it did not work last time."""

    __tablename__ = "line_authorization"
    __table_args__ = (UniqueConstraint("line_id", "carrier", "purpose"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    carrier: Mapped[str]
    purpose: Mapped[str]
    refresh_token: Mapped[bytes] = mapped_column(LargeBinary)
    given_at: Mapped[Instant]
    failed_at: Mapped[Instant | None]


class LineSwap(Base):
    """A change of SIM or device that a carrier told of. Found for fraud prevention: never evidence about the line."""

    __tablename__ = "line_swap"

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)  # sim | device
    changed_at: Mapped[Instant] = mapped_column(primary_key=True)
    source: Mapped[str]
    seen_at: Mapped[Instant]


class Feed(Base):
    """How a provider's notices and answers come in. All times are real time: a provider's clock is not ours.

    `name`: "<provider>/notices" or "<provider>/answers". `gap_s` is the mean time between events, learned;
    `failures` counts questions without an answer since the last one with.
    """

    __tablename__ = "line_feed"

    name: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    last_event_at: Mapped[Instant | None]
    events: Mapped[int]
    gap_s: Mapped[float | None]
    failures: Mapped[int]
    state: Mapped[str]  # fresh | stale
    state_since: Mapped[Instant]


class CarrierVisit(Base):
    """A question that a visit of the person's browser at a carrier is about, written before the call.

    `source`: number-verification (did the browser come over the line of this number?) or consent-info (does the person
    permit questions about it there?). Its id is that of the visit, so that a return asks once. `result` empty: asked,
    and nobody knows what came of it. A number that was added and never proved has no line: so the address stands here.
    """

    __tablename__ = "line_carrier_visit"
    __table_args__ = (
        Index("ix_line_carrier_visit_open", "asked_at", postgresql_where=text("result IS NULL")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    contact_point_id: Mapped[UUID]
    source: Mapped[str]
    provider: Mapped[str]
    purpose: Mapped[str]
    consent_id: Mapped[UUID]
    correlator: Mapped[str]
    asked_at: Mapped[Instant]
    answered_at: Mapped[Instant | None]
    result: Mapped[str | None]
    code: Mapped[str | None]
    cost_minor: Mapped[int]


class CreditAnswer(Base):
    """A question to a carrier for a credit decision, and its answer: a store apart, under a consent of its own.

    Nothing of it is evidence about a line, and nothing about lines gets here.
    """

    __tablename__ = "line_credit_answer"
    __table_args__ = (Index("ix_line_credit_answer_contact_point_id", "contact_point_id", "asked_at"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    contact_point_id: Mapped[UUID]
    source: Mapped[str]
    provider: Mapped[str]
    consent_id: Mapped[UUID]
    reason: Mapped[str]
    asked_at: Mapped[Instant]
    answered_at: Mapped[Instant | None]
    outcome: Mapped[str | None]
    cost_minor: Mapped[int]
    answer: Mapped[Json | None]
