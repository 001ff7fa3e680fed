"""Tables of the kernel: data keys, timers, events, idempotency, failures of jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of the kernel."""
    op.create_table(
        "kernel_data_key",
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("kek_id", sa.String, nullable=False),
        sa.Column("wrapped", sa.LargeBinary),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("destroyed_at", INSTANT),
    )
    op.create_table(
        "kernel_timer",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("task_name", sa.String, nullable=False),
        sa.Column("queue_name", sa.String, nullable=False),
        sa.Column("args", JSONB, nullable=False),
    )
    op.create_index("ix_kernel_timer_due_at", "kernel_timer", ["due_at"])
    op.create_table(
        "kernel_event",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("aggregate_type", sa.String, nullable=False),
        sa.Column("aggregate_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("borrower_id", sa.Uuid),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("trace", sa.String),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.UniqueConstraint("aggregate_id", "aggregate_type", "seq"),
    )
    op.create_index("ix_kernel_event_recorded_at", "kernel_event", ["recorded_at"])
    op.create_table(
        "kernel_event_seen",
        sa.Column("subscriber", sa.String, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
    )
    op.create_table(
        "kernel_idempotency",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.LargeBinary),
        sa.Column("for_ever", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_index("ix_kernel_idempotency_created_at", "kernel_idempotency", ["created_at"])
    op.create_table(
        "kernel_job_failure",
        sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task_name", sa.String, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables of the kernel."""
    for table in (
        "kernel_job_failure",
        "kernel_idempotency",
        "kernel_event_seen",
        "kernel_event",
        "kernel_timer",
        "kernel_data_key",
    ):
        op.drop_table(table)
