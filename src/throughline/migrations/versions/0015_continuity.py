"""Tables of `continuity`: episodes, protection cases, timeline."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `continuity`."""
    op.create_table(
        "continuity_episode",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("line_state", sa.String, nullable=False),
        sa.Column("probability", sa.String, nullable=False),
        sa.Column("cannot_receive", sa.String, nullable=False),
        sa.Column("dark_since", INSTANT, nullable=False),
        sa.Column("back_at", INSTANT),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("reason", JSONB, nullable=False),
    )
    op.create_index(
        "uq_continuity_episode_open",
        "continuity_episode",
        ["line_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_continuity_episode_state", "continuity_episode", ["state", "opened_at"])
    op.create_table(
        "continuity_case",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("episode_id", sa.Uuid, nullable=False),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("installment_nr", sa.Integer, nullable=False),
        sa.Column("due_date", sa.Date, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("rule_id", sa.String),
        sa.Column("first_day", sa.Date),
        sa.Column("last_day", sa.Date),
        sa.Column("measures", JSONB, nullable=False),
        sa.Column("difference", JSONB, nullable=False),
        sa.Column("reason", JSONB, nullable=False),
        sa.Column("end_reason", JSONB),
        sa.Column("record_id", sa.Uuid),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
        sa.UniqueConstraint("episode_id", "loan_id"),
    )
    op.create_table(
        "continuity_timeline",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("episode_id", sa.Uuid, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("text", JSONB, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
    )
    op.create_index("ix_continuity_timeline_episode_id", "continuity_timeline", ["episode_id", "id"])


def downgrade() -> None:
    """Drop the tables of `continuity`."""
    for table in ("continuity_timeline", "continuity_case", "continuity_episode"):
        op.drop_table(table)
