"""Tables of `line`: lines with their belief, signals, transitions, queries, subscriptions, callbacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `line`."""
    op.create_table(
        "line_line",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("number_index", sa.LargeBinary, nullable=False),
        sa.Column("carrier", sa.String, nullable=False),
        sa.Column("registered_at", INSTANT, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("probability", sa.String, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("alarm", sa.Boolean, nullable=False),
        sa.Column("p", JSONB, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("believed_at", INSTANT, nullable=False),
        sa.Column("next_query_at", INSTANT),
        sa.UniqueConstraint("contact_point_id"),
    )
    op.create_index("ix_line_line_number_index", "line_line", ["number_index"])
    op.create_index("ix_line_line_next_query_at", "line_line", ["next_query_at"])
    op.create_table(
        "line_signal",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("provider", sa.String),
        sa.Column("code", sa.String),
        sa.Column("attributes", JSONB, nullable=False),
        sa.Column("meaning", sa.String),
        sa.Column("grade", sa.String),
        sa.Column("table_version", sa.String),
        sa.Column("observed_at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.UniqueConstraint("line_id", "key"),
    )
    op.create_index("ix_line_signal_line_id", "line_signal", ["line_id", "observed_at"])
    op.create_table(
        "line_transition",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("old", sa.String, nullable=False),
        sa.Column("new", sa.String, nullable=False),
        sa.Column("probability", sa.String, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("reason", JSONB, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("ix_line_transition_line_id", "line_transition", ["line_id", "id"])
    op.create_table(
        "line_query",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.Column("outcome", sa.String),
    )
    op.create_index("ix_line_query_line_id", "line_query", ["line_id", "asked_at"])
    op.create_table(
        "line_subscription",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("remote_id", sa.String),
        sa.Column("sink_token_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("last_event_at", INSTANT),
        sa.UniqueConstraint("line_id", "event_type"),
        sa.UniqueConstraint("remote_id"),
    )
    op.create_table(
        "line_callback",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("event_id", sa.String, primary_key=True),
        sa.Column("received_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables of `line`."""
    for table in (
        "line_callback",
        "line_subscription",
        "line_query",
        "line_transition",
        "line_signal",
        "line_line",
    ):
        op.drop_table(table)
