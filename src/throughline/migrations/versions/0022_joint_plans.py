"""Joint service plans: grants as orders, and what they cost in a month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of joint plans."""
    op.create_table(
        "line_joint_grant",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("carrier", sa.String, nullable=False),
        sa.Column("offer_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("idem_key", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("reason", JSONB),
        sa.Column("line_state", sa.String, nullable=False),
        sa.Column("data_state", sa.String, nullable=False),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("cost_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("budget_month", sa.Date, nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT),
        sa.Column("answered_at", INSTANT),
        sa.Column("remote_id", sa.String),
        sa.Column("token_hash", sa.LargeBinary),
        sa.Column("starts_at", INSTANT),
        sa.Column("ends_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("revoke_asked_at", INSTANT),
        sa.Column("revoke_code", sa.String),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("next_step_at", INSTANT),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("idem_key"),
        sa.CheckConstraint("cost_minor >= 0", name="cost_not_negative"),
    )
    op.create_index(
        "uq_line_joint_grant_open",
        "line_joint_grant",
        ["line_id", "offer_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'granted', 'unknown')"),
    )
    op.create_index("ix_line_joint_grant_line", "line_joint_grant", ["line_id", "offer_id", "requested_at"])
    op.create_index("uq_line_joint_grant_token", "line_joint_grant", ["token_hash"], unique=True)
    op.create_index("ix_line_joint_grant_next_step_at", "line_joint_grant", ["next_step_at"])
    op.create_index("ix_line_joint_grant_requested_at", "line_joint_grant", ["requested_at"])
    op.create_table(
        "line_joint_month",
        sa.Column("offer_id", sa.String, primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("grants", sa.Integer, nullable=False),
        sa.Column("cost_minor", sa.BigInteger, nullable=False),
        sa.CheckConstraint("grants >= 0 AND cost_minor >= 0", name="not_negative"),
    )


def downgrade() -> None:
    """Drop the tables of joint plans."""
    op.drop_table("line_joint_month")
    op.drop_table("line_joint_grant")
