"""Feeds of lines: what a question cost and under which consent, raw answers, swaps, feed health, credit answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns to questions and subscriptions, and the tables around the feeds."""
    op.add_column("line_query", sa.Column("provider", sa.String))
    op.add_column("line_query", sa.Column("consent_id", sa.Uuid))
    op.add_column("line_query", sa.Column("code", sa.String))
    op.add_column("line_query", sa.Column("cost_minor", sa.Integer, nullable=False, server_default="0"))
    op.alter_column("line_query", "cost_minor", server_default=None)
    op.add_column("line_query", sa.Column("not_before", INSTANT))
    op.create_index(
        "ix_line_query_open", "line_query", ["asked_at"], postgresql_where=sa.text("outcome IS NULL")
    )
    # Which carrier an old subscription is of stands on its line.
    op.add_column("line_subscription", sa.Column("carrier", sa.String))
    op.execute(
        "UPDATE line_subscription s SET carrier = l.carrier FROM line_line l"
        " WHERE l.borrower_id = s.borrower_id AND l.id = s.line_id"
    )
    op.execute("UPDATE line_subscription SET carrier = 'simulator' WHERE carrier IS NULL")
    op.alter_column("line_subscription", "carrier", nullable=False)
    op.add_column(
        "line_subscription", sa.Column("made_at", INSTANT, nullable=False, server_default=sa.text("now()"))
    )
    op.alter_column("line_subscription", "made_at", server_default=None)
    op.add_column("line_subscription", sa.Column("ended_reason", sa.String))
    op.add_column("line_subscription", sa.Column("sink_token_expires_at", INSTANT))
    op.execute("UPDATE line_subscription SET sink_token_expires_at = expires_at")
    op.drop_constraint("uq_line_subscription_line_id_event_type", "line_subscription")
    op.drop_constraint("uq_line_subscription_remote_id", "line_subscription")
    op.create_unique_constraint(
        "uq_line_subscription_carrier_remote_id", "line_subscription", ["carrier", "remote_id"]
    )
    op.create_index("ix_line_subscription_line_id", "line_subscription", ["line_id", "event_type"])
    for state in ("wanted", "active"):
        op.create_index(
            f"uq_line_subscription_{state}",
            "line_subscription",
            ["line_id", "event_type"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.create_index(
        "ix_line_subscription_expires_at",
        "line_subscription",
        ["expires_at"],
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("ix_line_callback_received_at", "line_callback", ["received_at"])
    op.create_table(
        "line_raw",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("query_id", sa.Uuid),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_line_raw_expires_at", "line_raw", ["expires_at"])
    op.create_table(
        "line_authorization",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("carrier", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("refresh_token", sa.LargeBinary, nullable=False),
        sa.Column("given_at", INSTANT, nullable=False),
        sa.Column("failed_at", INSTANT),
        sa.UniqueConstraint("line_id", "carrier", "purpose"),
    )
    op.create_table(
        "line_swap",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("changed_at", INSTANT, primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
    )
    op.create_table(
        "line_feed",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("last_event_at", INSTANT),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("gap_s", sa.Float),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("state_since", INSTANT, nullable=False),
    )
    op.create_table(
        "line_credit_answer",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.Column("outcome", sa.String),
        sa.Column("cost_minor", sa.Integer, nullable=False),
        sa.Column("answer", JSONB),
    )
    op.create_index(
        "ix_line_credit_answer_contact_point_id", "line_credit_answer", ["contact_point_id", "asked_at"]
    )


def downgrade() -> None:
    """Take them away again. Of two subscriptions to one event type the newer one stays."""
    for table in ("line_credit_answer", "line_feed", "line_swap", "line_authorization", "line_raw"):
        op.drop_table(table)
    op.drop_index("ix_line_callback_received_at", "line_callback")
    for index in (
        "ix_line_subscription_expires_at",
        "uq_line_subscription_active",
        "uq_line_subscription_wanted",
        "ix_line_subscription_line_id",
    ):
        op.drop_index(index, "line_subscription")
    op.drop_constraint("uq_line_subscription_carrier_remote_id", "line_subscription")
    op.execute(
        "DELETE FROM line_subscription a USING line_subscription b"
        " WHERE a.line_id = b.line_id AND a.event_type = b.event_type AND a.id < b.id"
    )
    op.execute("UPDATE line_subscription SET state = 'ended' WHERE state = 'replaced'")
    op.create_unique_constraint("uq_line_subscription_remote_id", "line_subscription", ["remote_id"])
    op.create_unique_constraint(
        "uq_line_subscription_line_id_event_type", "line_subscription", ["line_id", "event_type"]
    )
    for column in ("sink_token_expires_at", "ended_reason", "made_at", "carrier"):
        op.drop_column("line_subscription", column)
    op.drop_index("ix_line_query_open", "line_query")
    for column in ("not_before", "cost_minor", "code", "consent_id", "provider"):
        op.drop_column("line_query", column)
