"""Tables of messaging. Texts with personal meaning stand in sealed columns only."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Id, Instant
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id

LIVE_ATTEMPT = "superseded_at IS NULL AND state IN ('prepared', 'submitted', 'unknown', 'accepted')"


class MsgIntent(Base):
    """The wish to tell a borrower something, once. Its row lock guards everything below it."""

    __tablename__ = "msg_intent"
    __table_args__ = (
        UniqueConstraint("borrower_id", "idem_key"),
        UniqueConstraint("id"),
        Index("ix_msg_intent_outcome_id", "outcome", "id"),
        Index(
            "ix_msg_intent_codes",
            "deadline",
            postgresql_where=text("klass = 'otp' AND params <> ''::bytea"),  # not forgotten yet
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    idem_key: Mapped[str]
    purpose: Mapped[str]
    klass: Mapped[str]
    template: Mapped[str]
    template_version: Mapped[int]
    params: Mapped[bytes] = mapped_column(LargeBinary)  # place "msg_intent|<id>|params"
    locale: Mapped[str]
    subject: Mapped[str | None]
    not_before: Mapped[datetime | None]
    deadline: Mapped[Instant]
    outcome: Mapped[str]  # open, or what it came to
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]


class MsgStep(Base):
    """One step of the plan: a channel and an address. `act_at`: when the sweep has to look at it."""

    __tablename__ = "msg_step"
    __table_args__ = (
        ForeignKeyConstraint(["borrower_id", "intent_id"], ["msg_intent.borrower_id", "msg_intent.id"]),
        Index("ix_msg_step_act_at", "act_at", postgresql_where=text("act_at IS NOT NULL")),
        Index("ix_msg_step_held", "contact_point_id", postgresql_where=text("state = 'held'")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    intent_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str]
    contact_point_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[Text | None]
    act_at: Mapped[datetime | None]
    covered_by: Mapped[UUID | None]  # the catch-up message that stands for this held step
    changed_at: Mapped[Instant]


class MsgAttempt(Base):
    """One try of a step, written before the first byte leaves. `fence` tells the newest claim from older ones."""

    __tablename__ = "msg_attempt"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "intent_id", "step_n"],
            ["msg_step.borrower_id", "msg_step.intent_id", "msg_step.n"],
        ),
        UniqueConstraint("id"),
        UniqueConstraint("route", "client_ref"),
        Index(
            "uq_msg_attempt_live",
            "borrower_id",
            "intent_id",
            "step_n",
            unique=True,
            postgresql_where=text(LIVE_ATTEMPT),
        ),
        Index("ix_msg_attempt_provider_ref", "route", "provider_ref"),
        Index("ix_msg_attempt_submitted_at", "route", "submitted_at"),
        Index(
            "ix_msg_attempt_due",
            "channel",
            "urgency",
            "due_at",
            postgresql_where=text("state = 'prepared' AND superseded_at IS NULL"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    intent_id: Mapped[UUID]
    step_n: Mapped[int]
    try_n: Mapped[int]
    channel: Mapped[str]
    urgency: Mapped[int]  # the lowest goes first
    due_at: Mapped[Instant]  # not sent before
    route: Mapped[str]  # chosen when it is claimed; before that the first that fits
    contact_point_id: Mapped[UUID]
    content_class: Mapped[int | None]  # of the body that was sent
    client_ref: Mapped[str]
    provider_ref: Mapped[str | None]
    state: Mapped[str]
    fence: Mapped[int]
    lease_until: Mapped[datetime | None]
    prepared_at: Mapped[Instant]
    submitted_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    code: Mapped[str | None]


class MsgInbox(Base):
    """What the borrower reads when signed in; both languages, as they were written that day."""

    __tablename__ = "msg_inbox"
    __table_args__ = (
        ForeignKeyConstraint(["borrower_id", "intent_id"], ["msg_intent.borrower_id", "msg_intent.id"]),
        UniqueConstraint("borrower_id", "intent_id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    intent_id: Mapped[UUID]
    content: Mapped[bytes] = mapped_column(LargeBinary)  # place "msg_inbox|<id>|content"
    created_at: Mapped[Instant]
    read_at: Mapped[datetime | None]


class MsgReceipt(Base):
    """A provider's word on one attempt, once. The number that it names is not kept."""

    __tablename__ = "msg_receipt"
    __table_args__ = (
        UniqueConstraint("route", "client_ref", "provider_ref", "code"),
        Index("ix_msg_receipt_attempt_id", "attempt_id"),
        Index("ix_msg_receipt_waiting", "got_at", postgresql_where=text("attempt_id IS NULL")),
    )

    id: Mapped[Id]
    route: Mapped[str]
    client_ref: Mapped[str]
    provider_ref: Mapped[str]
    delivered: Mapped[bool]
    state: Mapped[str]  # of the attempt, by this receipt
    code: Mapped[str]
    attempt_id: Mapped[UUID | None]  # None: nothing of ours has that reference yet
    reported_at: Mapped[datetime | None]
    got_at: Mapped[Instant]


class MsgRoute(Base):
    """Where a route stands, for all processes: see `routes/weight.py`. `trips`: instants of its recent falls."""

    __tablename__ = "msg_route"

    name: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[str]
    share_percent: Mapped[int]
    until: Mapped[datetime | None]
    moved_at: Mapped[datetime | None]
    trips: Mapped[list[str]] = mapped_column(JSONB)
    why: Mapped[str]
    changed_at: Mapped[Instant]


class MsgRouteEvent(Base):
    """What happened to a route; only ever appended."""

    __tablename__ = "msg_route_event"
    __table_args__ = (Index("ix_msg_route_event_route_id", "route", "id"),)

    id: Mapped[Id]
    route: Mapped[str]
    at: Mapped[Instant]
    phase: Mapped[str]
    share_percent: Mapped[int]
    why: Mapped[str]


class MsgInbound(Base):
    """A text that somebody sent from a number that a borrower has. Of other numbers nothing is kept."""

    __tablename__ = "msg_inbound"
    __table_args__ = (UniqueConstraint("id"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    contact_point_id: Mapped[UUID]
    route: Mapped[str]
    meaning: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)  # place "msg_inbound|<id>|content"
    got_at: Mapped[Instant]
