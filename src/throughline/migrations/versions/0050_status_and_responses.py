"""Continuity: what probes saw, its sums by day, what was published of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0050"
down_revision = "0041"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Three tables of the status page."""
    op.create_table(
        "continuity_probe",
        sa.Column("component", sa.String, primary_key=True),
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("at", INSTANT, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("took_ms", sa.Integer, nullable=False),
        sa.Column("interval_s", sa.Integer, nullable=False),
    )
    op.create_table(
        "continuity_probe_day",
        sa.Column("component", sa.String, primary_key=True),
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("working_s", "slow_s", "partly_s", "down_s", "maintenance_s")
        ),
    )
    op.create_table(
        "continuity_status_note",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("incident_id", sa.Uuid, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("text", JSONB, nullable=False),
        sa.Column("next_update_by", INSTANT),
        sa.Column("corrects", sa.Uuid),
        sa.Column("published_by", sa.Uuid),
    )
    op.create_index("ix_continuity_status_note_incident_id", "continuity_status_note", ["incident_id", "id"])


def downgrade() -> None:
    """Without a status page."""
    op.drop_table("continuity_status_note")
    op.drop_table("continuity_probe_day")
    op.drop_table("continuity_probe")
