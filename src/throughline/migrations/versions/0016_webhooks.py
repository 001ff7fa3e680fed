"""Tables of outgoing webhooks: endpoints, deliveries, alarms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of webhooks."""
    op.create_table(
        "kernel_webhook_endpoint",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=False),
        sa.Column("event_types", JSONB, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("failing_since", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "kernel_webhook_delivery",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey("kernel_webhook_endpoint.id"), nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_attempt_at", INSTANT),
        sa.Column("last_attempt_at", INSTANT),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.String),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.UniqueConstraint("endpoint_id", "event_id"),
    )
    op.create_index(
        "ix_kernel_webhook_delivery_endpoint_id", "kernel_webhook_delivery", ["endpoint_id", "id"]
    )
    op.create_index(
        "ix_kernel_webhook_delivery_next_attempt_at",
        "kernel_webhook_delivery",
        ["next_attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "kernel_webhook_alarm",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey("kernel_webhook_endpoint.id"), nullable=False),
        sa.Column("reason", JSONB, nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT),
    )
    op.create_index(
        "uq_kernel_webhook_alarm_open",
        "kernel_webhook_alarm",
        ["endpoint_id"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )


def downgrade() -> None:
    """Drop the tables of webhooks."""
    for table in ("kernel_webhook_alarm", "kernel_webhook_delivery", "kernel_webhook_endpoint"):
        op.drop_table(table)
