"""Tables of line. Never stored: cell, place, call records, contacts, network type."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id
from throughline.line.feed.models import (
    Authorization,
    CreditAnswer,
    Feed,
    LineSwap,
    RawAnswer,
)
from throughline.line.joint.models import JointGrant, JointMonth

__all__ = [
    "Authorization",
    "CreditAnswer",
    "Feed",
    "FeedSubscription",
    "JointGrant",
    "JointMonth",
    "Line",
    "LineQuery",
    "LineSignal",
    "LineSwap",
    "LineTransition",
    "RawAnswer",
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
    """A question to a provider, written before the call. `outcome` empty: asked, not answered yet.

    `consent_id` is the consent that was open when it was asked; `cost_minor` what the provider bills.
    """

    __tablename__ = "line_query"
    __table_args__ = (
        Index("ix_line_query_line_id", "line_id", "asked_at"),
        Index("ix_line_query_open", "asked_at", postgresql_where=text("outcome IS NULL")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    source: Mapped[str]
    provider: Mapped[str | None]
    purpose: Mapped[str]
    consent_id: Mapped[UUID | None]
    reason: Mapped[str]
    asked_at: Mapped[Instant]
    answered_at: Mapped[Instant | None]
    outcome: Mapped[str | None]
    code: Mapped[str | None]
    cost_minor: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[Instant | None]


class FeedSubscription(Base):
    """A subscription at a carrier: one event type of one line. `sink_token_hash` checks its callbacks.

    wanted: asked for. active: it lives. replaced: another took its place, it is to be ended there. ended.
    """

    __tablename__ = "line_subscription"
    __table_args__ = (
        Index("ix_line_subscription_line_id", "line_id", "event_type"),
        Index(
            "uq_line_subscription_wanted",
            "line_id",
            "event_type",
            unique=True,
            postgresql_where=text("state = 'wanted'"),
        ),
        Index(
            "uq_line_subscription_active",
            "line_id",
            "event_type",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
        Index("ix_line_subscription_expires_at", "expires_at", postgresql_where=text("state = 'active'")),
        UniqueConstraint("carrier", "remote_id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    event_type: Mapped[str]
    carrier: Mapped[str]
    state: Mapped[str]  # wanted | active | replaced | ended
    made_at: Mapped[Instant]
    ended_reason: Mapped[str | None]
    remote_id: Mapped[str | None]
    sink_token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Instant | None]
    sink_token_expires_at: Mapped[Instant | None]
    last_event_at: Mapped[Instant | None]


class SeenCallback(Base):
    """A CloudEvent that came in, by its source and id: a repeat is answered and forgotten."""

    __tablename__ = "line_callback"
    __table_args__ = (Index("ix_line_callback_received_at", "received_at"),)

    source: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[Instant]
