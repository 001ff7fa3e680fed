"""Continuity: evidence that borrowers hand in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "continuity_evidence",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("episode_id", sa.Uuid, nullable=False),
        sa.Column("appeal_id", sa.Uuid),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("words", sa.LargeBinary),
        sa.Column("content", sa.LargeBinary),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("handed_in_at", INSTANT, nullable=False),
        sa.Column("answer_by", INSTANT, nullable=False),
        sa.Column("seen_by", JSONB, nullable=False),
        sa.Column("decided_at", INSTANT),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("answer", JSONB),
        sa.Column("outage_id", sa.Uuid),
        sa.Column("expires_at", INSTANT),
        sa.Column("purged_at", INSTANT),
        sa.Column("record_id", sa.Uuid),
        sa.ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
        sa.ForeignKeyConstraint(
            ["borrower_id", "appeal_id"], ["continuity_appeal.borrower_id", "continuity_appeal.id"]
        ),
    )
    # A sealed file does not compress: PostgreSQL need not try.
    op.execute("ALTER TABLE continuity_evidence ALTER COLUMN content SET STORAGE EXTERNAL")
    op.create_index(
        "uq_continuity_evidence_report",
        "continuity_evidence",
        ["episode_id", "digest"],
        unique=True,
        postgresql_where=sa.text("appeal_id IS NULL"),
    )
    op.create_index(
        "uq_continuity_evidence_appeal",
        "continuity_evidence",
        ["appeal_id", "digest"],
        unique=True,
        postgresql_where=sa.text("appeal_id IS NOT NULL"),
    )
    op.create_index(
        "ix_continuity_evidence_waiting",
        "continuity_evidence",
        ["id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_continuity_evidence_expires_at",
        "continuity_evidence",
        ["expires_at"],
        postgresql_where=sa.text("purged_at IS NULL"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("continuity_evidence")
