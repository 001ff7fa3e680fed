"""Tables of outgoing webhooks: who wants to hear, what is on its way, what went wrong for long."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Id, Instant
from throughline.kernel.i18n import Text


class WebhookEndpoint(Base):
    """An address of another company's system. `failing_since`: no delivery has arrived from then on."""

    __tablename__ = "kernel_webhook_endpoint"

    id: Mapped[Id]
    url: Mapped[str]
    description: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(JSONB)
    secret: Mapped[bytes] = mapped_column(LargeBinary)  # sealed under the lender's key
    active: Mapped[bool]
    failing_since: Mapped[Instant | None]
    created_at: Mapped[Instant]


class WebhookDelivery(Base):
    """One event for one endpoint. States: pending, delivered, dead (given up), cancelled (endpoint switched off)."""

    __tablename__ = "kernel_webhook_delivery"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_kernel_webhook_delivery_endpoint_id", "endpoint_id", "id"),
        Index(
            "ix_kernel_webhook_delivery_next_attempt_at",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[Id]
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("kernel_webhook_endpoint.id"))
    event_id: Mapped[UUID]
    event_type: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    first_attempt_at: Mapped[Instant | None]
    last_attempt_at: Mapped[Instant | None]
    next_attempt_at: Mapped[Instant]
    status: Mapped[int | None]  # the last HTTP status; null: no answer
    error: Mapped[str | None]
    created_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]


class WebhookAlarm(Base):
    """An endpoint was switched off for its failures; open until somebody switches it on again."""

    __tablename__ = "kernel_webhook_alarm"
    __table_args__ = (
        Index(
            "uq_kernel_webhook_alarm_open",
            "endpoint_id",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("kernel_webhook_endpoint.id"))
    reason: Mapped[Text]
    raised_at: Mapped[Instant]
    cleared_at: Mapped[Instant | None]
