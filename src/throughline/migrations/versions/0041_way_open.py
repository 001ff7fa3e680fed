"""Keeping the way open: codes to pay by, what was begun, people to call back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "continuity_pay_code",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("tail", sa.String, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("orders", sa.Integer, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.UniqueConstraint("code_hash"),
    )
    op.create_index("ix_continuity_pay_code_loan", "continuity_pay_code", ["loan_id"])
    op.create_table(
        "continuity_unfinished",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("held_at", INSTANT),
        sa.Column("held_by", sa.Uuid),
        sa.Column("offered_at", INSTANT),
        sa.Column("done_at", INSTANT),
        sa.Column("outcome", sa.String),
        sa.UniqueConstraint("kind", "subject_id"),
    )
    op.create_index(
        "ix_continuity_unfinished_open",
        "continuity_unfinished",
        ["borrower_id"],
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "continuity_callback",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("number", sa.LargeBinary, nullable=False),
        sa.Column("words", sa.LargeBinary, nullable=False),
        sa.Column("best_time", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("taken_by", sa.Uuid),
        sa.Column("closed_at", INSTANT),
        sa.Column("note", JSONB),
    )
    op.create_index(
        "ix_continuity_callback_open",
        "continuity_callback",
        ["id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_continuity_callback_borrower", "continuity_callback", ["borrower_id", "made_at"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("continuity_callback", "continuity_unfinished", "continuity_pay_code"):
        op.drop_table(table)
