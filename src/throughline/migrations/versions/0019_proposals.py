"""Proposals that wait for a second person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table of proposals."""
    op.create_table(
        "lending_proposal",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("loan_id", sa.Uuid),
        sa.Column("product_code", sa.String),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
        sa.Column("proposed_by", sa.String, nullable=False),
        sa.Column("proposed_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.String),
        sa.Column("decided_at", INSTANT),
        sa.Column("decision_reason", sa.LargeBinary),
        sa.Column("failure", JSONB),
        sa.Column("event_id", sa.Uuid),
        sa.Column("product_version", sa.Integer),
        sa.UniqueConstraint("id"),
        # A product has no loan, and then this asks nothing.
        sa.ForeignKeyConstraint(["borrower_id", "loan_id"], ["lending_loan.borrower_id", "lending_loan.id"]),
        # Also the database lets nobody decide about what he proposed himself.
        sa.CheckConstraint(
            "state NOT IN ('approved', 'refused', 'failed') OR decided_by <> proposed_by", name="two_people"
        ),
    )
    op.create_index(
        "ix_lending_proposal_waiting",
        "lending_proposal",
        ["id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_lending_proposal_loan_id", "lending_proposal", ["loan_id"])
    op.create_index(
        "uq_lending_proposal_event_id",
        "lending_proposal",
        ["event_id"],
        unique=True,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the table of proposals."""
    op.drop_table("lending_proposal")
