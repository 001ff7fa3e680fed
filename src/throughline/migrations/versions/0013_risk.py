"""Tables of `risk`: decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `risk`."""
    op.create_table(
        "risk_decision",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.Column("snapshot_hash", sa.String, nullable=False),
        sa.Column("scorecard", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("grade", sa.String),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("pd", sa.String, nullable=False),
        sa.Column("limit_minor", sa.BigInteger, nullable=False),
        sa.Column("annual_rate_percent", sa.String),
        sa.Column("reasons", JSONB, nullable=False),
        sa.Column("record_id", sa.Uuid),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables of `risk`."""
    op.drop_table("risk_decision")
