"""Tables of line. Never stored: cell, place, call records, contacts, network type."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id
from throughline.line.joint.models import JointGrant, JointMonth

__all__ = [
    "FeedSubscription",
    "JointGrant",
    "JointMonth",
    "Line",
    "LineQuery",
    "LineSignal",
    "LineTransition",
    "SeenCallback",
]


class Line(Base):
    """A phone subscription of a borrower and what is believed of it now."""

    __tablename__ = "line_line"
    __table_args__ = (
        UniqueConstraint("contact_point_id"),
        Index("ix_line_line_number_index", "number_index"),
        Index("ix_line_line_next_query_at", "next_query_at"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    contact_point_id: Mapped[UUID]
    number_index: Mapped[bytes] = mapped_column(LargeBinary)
    carrier: Mapped[str]
    registered_at: Mapped[Instant]
    state: Mapped[str]
    probability: Mapped[str]
    since: Mapped[Instant]
    alarm: Mapped[bool]
    p: Mapped[list[Any]]
    evidence: Mapped[list[Any]]
    believed_at: Mapped[Instant]
    next_query_at: Mapped[Instant | None]


class LineSignal(Base):
    """One observation. `key` names it by its content, so that a repeat is the same row."""

    __tablename__ = "line_signal"
    __table_args__ = (
        UniqueConstraint("line_id", "key"),
        Index("ix_line_signal_line_id", "line_id", "observed_at"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    key: Mapped[str]
    source: Mapped[str]
    provider: Mapped[str | None]
    code: Mapped[str | None]
    attributes: Mapped[Json]
    meaning: Mapped[str | None]
    grade: Mapped[str | None]
    table_version: Mapped[str | None]
    observed_at: Mapped[Instant]
    received_at: Mapped[Instant]


class LineTransition(Base):
    """The public state of a line changed; only ever added to."""

    __tablename__ = "line_transition"
    __table_args__ = (Index("ix_line_transition_line_id", "line_id", "id"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    old: Mapped[str]
    new: Mapped[str]
    probability: Mapped[str]
    since: Mapped[Instant]
    reason: Mapped[Json]
    evidence: Mapped[list[Any]]
    at: Mapped[Instant]


class LineQuery(Base):
    """A question to a carrier, written before the call. `outcome` empty: asked, not answered yet."""

    __tablename__ = "line_query"
    __table_args__ = (Index("ix_line_query_line_id", "line_id", "asked_at"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    source: Mapped[str]
    purpose: Mapped[str]
    reason: Mapped[str]
    asked_at: Mapped[Instant]
    answered_at: Mapped[Instant | None]
    outcome: Mapped[str | None]


class FeedSubscription(Base):
    """A subscription at a carrier: one event type of one line. `sink_token_hash` checks its callbacks."""

    __tablename__ = "line_subscription"
    __table_args__ = (UniqueConstraint("line_id", "event_type"), UniqueConstraint("remote_id"))

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    event_type: Mapped[str]
    state: Mapped[str]  # wanted | active | ended
    remote_id: Mapped[str | None]
    sink_token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Instant | None]
    last_event_at: Mapped[Instant | None]


class SeenCallback(Base):
    """A CloudEvent that came in, by its source and id: a repeat is answered and forgotten."""

    __tablename__ = "line_callback"

    source: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[Instant]
