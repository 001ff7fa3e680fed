"""Line: questions that visits of a browser at a carrier are about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """One table."""
    op.create_table(
        "line_carrier_visit",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("correlator", sa.String, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.Column("result", sa.String),
        sa.Column("code", sa.String),
        sa.Column("cost_minor", sa.Integer, nullable=False),
    )
    op.create_index(
        "ix_line_carrier_visit_open",
        "line_carrier_visit",
        ["asked_at"],
        postgresql_where=sa.text("result IS NULL"),
    )


def downgrade() -> None:
    """Numbers are proved by codes alone, and carriers' permissions are asked for by carriers alone."""
    op.drop_table("line_carrier_visit")
