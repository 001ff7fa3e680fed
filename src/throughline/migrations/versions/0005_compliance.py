"""Tables of `compliance`: decisions of gates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `compliance`."""
    op.create_table(
        "compliance_decision",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("gate", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("jurisdiction", sa.String, nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("facts_hash", sa.String, nullable=False),
        sa.Column("rule_set", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("verdicts", JSONB, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_compliance_decision_subject", "compliance_decision", ["subject", "id"])


def downgrade() -> None:
    """Drop the tables of `compliance`."""
    op.drop_table("compliance_decision")
