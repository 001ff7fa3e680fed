"""Tables of line. Never stored: cell, place, call records, contacts, network type."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id
from throughline.line.feed.models import (
    Authorization,
    CarrierVisit,
    CreditAnswer,
    Feed,
    LineSwap,
    RawAnswer,
)
from throughline.line.joint.models import JointGrant, JointMonth

__all__ = [
    "Authorization",
    "CarrierVisit",
    "CreditAnswer",
    "Feed",
    "FeedSubscription",
    "JointGrant",
    "JointMonth",
    "Line",
    "LineBelief",
    "LineBin",
    "LineClaim",
    "LineDirty",
    "LineIncident",
    "LineQuery",
    "LineRate",
    "LineSignal",
    "LineSwap",
    "LineTransition",
    "RawAnswer",
    "SeenCallback",
]


class Line(Base):
    """A phone subscription of a borrower and what was last told of it.

    `home_region` comes from a registered address or the number plan, never from where a phone is. `region_group`: the
    region as far as incidents are looked for in it; empty while it has few lines, which count with their carrier's.
    """

    __tablename__ = "line_line"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("contact_point_id"),
        Index("ix_line_line_number_index", "number_index"),
        Index("ix_line_line_carrier", "carrier", "home_region"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    contact_point_id: Mapped[UUID]
    number_index: Mapped[bytes] = mapped_column(LargeBinary)
    carrier: Mapped[str]
    home_region: Mapped[str | None]
    region_group: Mapped[str] = mapped_column(default="", server_default="")
    registered_at: Mapped[Instant]
    state: Mapped[str]
    probability: Mapped[str]
    since: Mapped[Instant]
    alarm: Mapped[bool]
    evidence: Mapped[list[Any]]


class LineBelief(Base):
    """The track of a line after all evidence so far, and as it was some days ago for what comes late.

    All evidence observed up to `checkpoint_until` is in the checkpoint. The bytes are packed by `beliefs`.
    `next_look_at` empty: the line is not watched. The row of `line_line` is what is locked.
    """

    __tablename__ = "line_belief"
    __table_args__ = (
        UniqueConstraint("line_id"),
        Index("ix_line_belief_next_look_at", "next_look_at"),
        {"postgresql_with": {"fillfactor": 70}},  # so that a new belief stays on its page
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    track: Mapped[bytes | None] = mapped_column(LargeBinary)
    checkpoint: Mapped[bytes | None] = mapped_column(LargeBinary)
    checkpoint_until: Mapped[Instant | None]
    params_version: Mapped[str | None]
    folded_at: Mapped[Instant | None]
    suspected_at: Mapped[Instant | None]  # said that the number is probably somebody else's
    due_at: Mapped[Instant | None]  # the next due date that lending told of
    next_look_at: Mapped[Instant | None]


class LineDirty(Base):
    """New evidence of a line that is not folded yet: the oldest instant of it. Workers take rows away."""

    __tablename__ = "line_dirty"
    __table_args__ = (Index("ix_line_dirty_line_id", "line_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    line_id: Mapped[UUID]
    since: Mapped[Instant]
    pushed: Mapped[bool]
    marked_at: Mapped[Instant]
    failures: Mapped[int]
    not_before: Mapped[Instant | None]


class LineSignal(Base):
    """One observation. `key` names it by its content, so that a repeat is the same row."""

    __tablename__ = "line_signal"
    __table_args__ = (
        UniqueConstraint("line_id", "key"),
        Index("ix_line_signal_line_id", "line_id", "observed_at"),
        Index("ix_line_signal_received_at", "received_at", postgresql_using="brin"),
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


class LineRate(Base):
    """When a source may be asked next in a lane: questions are spread so that its rate is kept."""

    __tablename__ = "line_rate"

    source: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[Instant]


class LineBin(Base):
    """What a group of lines did in a quarter of an hour that is over. `region` is empty without one."""

    __tablename__ = "line_bin"

    carrier: Mapped[str] = mapped_column(primary_key=True)
    region: Mapped[str] = mapped_column(primary_key=True)
    begins_at: Mapped[Instant] = mapped_column(primary_key=True)
    failing: Mapped[int]  # distinct lines
    beats: Mapped[int]


class LineIncident(Base):
    """A common cause: many lines of a group failed together. `cleared_at` empty: it goes on."""

    __tablename__ = "line_incident"
    __table_args__ = (
        Index(
            "uq_line_incident_open",
            "carrier",
            "region",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    carrier: Mapped[str]
    region: Mapped[str]
    onset_at: Mapped[Instant]
    raised_at: Mapped[Instant]
    cleared_at: Mapped[Instant | None]
    lines: Mapped[int]


class LineClaim(Base):
    """What a borrower says of the line, and since when evidence speaks against it. Moves no belief."""

    __tablename__ = "line_claim"
    __table_args__ = (
        UniqueConstraint("id"),
        Index("ix_line_claim_line_id", "line_id", "made_at"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    state: Mapped[str]
    from_at: Mapped[Instant]
    to_at: Mapped[Instant | None]
    made_at: Mapped[Instant]
    made_by: Mapped[str]  # borrower | staff
    contradicted_at: Mapped[Instant | None]
    evidence: Mapped[list[Any]]


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
