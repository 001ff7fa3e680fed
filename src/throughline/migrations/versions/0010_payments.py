"""Tables of `payments`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OPEN_STATES = "state IN ('created', 'sent', 'unknown', 'pending_user')"


def upgrade() -> None:
    """Create the tables of `payments`."""
    op.create_table(
        "payment_payee_account",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("bank_code", sa.String, nullable=False),
        sa.Column("holder_name", sa.LargeBinary, nullable=False),
        sa.Column("number", sa.LargeBinary, nullable=False),
        sa.Column("number_index", sa.LargeBinary, nullable=False),
        sa.Column("last_four", sa.String, nullable=False),
        sa.Column("name_match", sa.String, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.UniqueConstraint("borrower_id", "number_index"),
    )
    op.create_table(
        "payment_order",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("payee_account_id", sa.Uuid),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String, nullable=False),
        sa.Column("line_state", sa.String),
        sa.Column("rail", sa.String),
        sa.Column("reason", JSONB),
        sa.Column("value_at", INSTANT),
        sa.Column("close_requested_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["borrower_id", "payee_account_id"],
            ["payment_payee_account.borrower_id", "payment_payee_account.id"],
        ),
        sa.UniqueConstraint("borrower_id", "idempotency_key"),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
    )
    op.create_index("ix_payment_order_id", "payment_order", ["id"])
    op.create_index("ix_payment_order_source", "payment_order", ["source"])
    op.create_index("ix_payment_order_state_id", "payment_order", ["state", "id"])
    op.create_table(
        "payment_attempt",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("rail", sa.String, nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("out_ref", sa.String, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("prepared_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("sent_at", INSTANT),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.Column("queries", sa.Integer, nullable=False),
        sa.Column("next_query_at", INSTANT),
        sa.Column("provider_ref", sa.String),
        sa.Column("provider_state", sa.String),
        sa.Column("error_code", sa.String),
        sa.Column("code_url", sa.String),
        sa.ForeignKeyConstraint(
            ["borrower_id", "order_id"], ["payment_order.borrower_id", "payment_order.id"]
        ),
        sa.UniqueConstraint("rail", "merchant", "out_ref"),
    )
    op.create_index(
        "uq_payment_attempt_open",
        "payment_attempt",
        ["borrower_id", "order_id"],
        unique=True,
        postgresql_where=sa.text(OPEN_STATES),
    )
    op.create_index(
        "ix_payment_attempt_due", "payment_attempt", ["next_query_at"], postgresql_where=sa.text(OPEN_STATES)
    )
    op.create_index("ix_payment_attempt_id", "payment_attempt", ["id"])
    op.create_table(
        "payment_step",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        sa.Column("old", sa.String, nullable=False),
        sa.Column("new", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("provider_state", sa.String),
        sa.Column("error_code", sa.String),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["borrower_id", "attempt_id"], ["payment_attempt.borrower_id", "payment_attempt.id"]
        ),
    )
    op.create_index("ix_payment_step_attempt_id", "payment_step", ["attempt_id", "id"])
    op.create_table(
        "rail_event",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("rail", sa.String, nullable=False),
        sa.Column("event_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("serial", sa.String, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("out_refs", JSONB, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("processed_at", INSTANT),
        sa.UniqueConstraint("rail", "event_id"),
    )
    op.create_index(
        "ix_rail_event_waiting",
        "rail_event",
        ["received_at"],
        postgresql_where=sa.text("processed_at IS NULL"),
    )
    op.create_table(
        "payment_statement_line",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("rail", sa.String, nullable=False),
        sa.Column("merchant", sa.String, nullable=False),
        sa.Column("entry_ref", sa.String, nullable=False),
        sa.Column("out_ref", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", sa.String),
        sa.Column("provider_ref", sa.String),
        sa.Column("error_code", sa.String),
        sa.Column("reason", sa.String),
        sa.Column("value_at", INSTANT),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("applied_at", INSTANT),
        sa.UniqueConstraint("rail", "merchant", "entry_ref"),
    )
    op.create_index("ix_payment_statement_line_event_id", "payment_statement_line", ["event_id"])
    op.create_table(
        "rail_cursor",
        sa.Column("rail", sa.String, primary_key=True),
        sa.Column("merchant", sa.String, primary_key=True),
        sa.Column("after", sa.String),
    )


def downgrade() -> None:
    """Drop the tables of `payments`."""
    for table in (
        "rail_cursor",
        "payment_statement_line",
        "rail_event",
        "payment_step",
        "payment_attempt",
        "payment_order",
        "payment_payee_account",
    ):
        op.drop_table(table)
