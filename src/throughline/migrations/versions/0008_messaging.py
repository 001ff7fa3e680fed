"""Tables of `messaging`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
LIVE_ATTEMPT = "superseded_at IS NULL AND state IN ('prepared', 'submitted', 'unknown', 'accepted')"


def upgrade() -> None:
    """Create the tables of `messaging`."""
    op.create_table(
        "msg_intent",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("idem_key", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("klass", sa.String, nullable=False),
        sa.Column("template", sa.String, nullable=False),
        sa.Column("template_version", sa.Integer, nullable=False),
        sa.Column("params", sa.LargeBinary, nullable=False),
        sa.Column("locale", sa.String, nullable=False),
        sa.Column("subject", sa.String),
        sa.Column("not_before", INSTANT),
        sa.Column("deadline", INSTANT, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.UniqueConstraint("borrower_id", "idem_key"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_msg_intent_outcome_id", "msg_intent", ["outcome", "id"])
    op.create_table(
        "msg_step",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("intent_id", sa.Uuid, primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", JSONB),
        sa.Column("act_at", INSTANT),
        sa.Column("covered_by", sa.Uuid),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["borrower_id", "intent_id"], ["msg_intent.borrower_id", "msg_intent.id"]),
    )
    op.create_index(
        "ix_msg_step_act_at", "msg_step", ["act_at"], postgresql_where=sa.text("act_at IS NOT NULL")
    )
    op.create_index(
        "ix_msg_step_held", "msg_step", ["contact_point_id"], postgresql_where=sa.text("state = 'held'")
    )
    op.create_table(
        "msg_attempt",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("intent_id", sa.Uuid, nullable=False),
        sa.Column("step_n", sa.Integer, nullable=False),
        sa.Column("try_n", sa.Integer, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("content_class", sa.Integer),
        sa.Column("client_ref", sa.String, nullable=False),
        sa.Column("provider_ref", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_until", INSTANT),
        sa.Column("prepared_at", INSTANT, nullable=False),
        sa.Column("submitted_at", INSTANT),
        sa.Column("final_at", INSTANT),
        sa.Column("superseded_at", INSTANT),
        sa.Column("verdict", sa.String),
        sa.Column("code", sa.String),
        sa.ForeignKeyConstraint(
            ["borrower_id", "intent_id", "step_n"],
            ["msg_step.borrower_id", "msg_step.intent_id", "msg_step.n"],
        ),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("route", "client_ref"),
    )
    op.create_index(
        "uq_msg_attempt_live",
        "msg_attempt",
        ["borrower_id", "intent_id", "step_n"],
        unique=True,
        postgresql_where=sa.text(LIVE_ATTEMPT),
    )
    op.create_table(
        "msg_inbox",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("intent_id", sa.Uuid, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("read_at", INSTANT),
        sa.ForeignKeyConstraint(["borrower_id", "intent_id"], ["msg_intent.borrower_id", "msg_intent.id"]),
        sa.UniqueConstraint("borrower_id", "intent_id"),
    )
    op.create_table(
        "msg_receipt",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("client_ref", sa.String, nullable=False),
        sa.Column("provider_ref", sa.String, nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        sa.Column("got_at", INSTANT, nullable=False),
        sa.UniqueConstraint("route", "client_ref", "provider_ref", "code"),
    )
    op.create_index("ix_msg_receipt_attempt_id", "msg_receipt", ["attempt_id"])


def downgrade() -> None:
    """Drop the tables of `messaging`."""
    for table in ("msg_receipt", "msg_inbox", "msg_attempt", "msg_step", "msg_intent"):
        op.drop_table(table)
