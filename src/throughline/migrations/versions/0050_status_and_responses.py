"""Continuity: what probes saw, its sums by day, what was published of incidents; responses and their log."""

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
    """Three tables of the status page, two of responses."""
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
    op.create_table(
        "continuity_response",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("incident_id", sa.Uuid, sa.ForeignKey("continuity_incident.id"), nullable=False),
        sa.Column("playbook", sa.String, nullable=False),
        sa.Column("plan", JSONB, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("started_by", sa.Uuid),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("aware_at", INSTANT),
        sa.Column("classes", JSONB, nullable=False),
        sa.Column("roles", JSONB, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.UniqueConstraint("incident_id"),
    )
    op.create_index("ix_continuity_response_state", "continuity_response", ["state", "id"])
    op.create_table(
        "continuity_response_entry",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("response_id", sa.Uuid, sa.ForeignKey("continuity_response.id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("by", sa.Uuid),
        sa.Column("text", JSONB, nullable=False),
        sa.Column("details", JSONB, nullable=False),
    )
    op.create_index(
        "ix_continuity_response_entry_response_id", "continuity_response_entry", ["response_id", "id"]
    )
    op.execute(
        "CREATE FUNCTION continuity_only_added() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME; END $$"
    )
    for table in ("continuity_response_entry", "continuity_status_note"):
        op.execute(
            f"CREATE TRIGGER {table}_only_added BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION continuity_only_added()"
        )


def downgrade() -> None:
    """Without a status page and without responses."""
    op.drop_table("continuity_response_entry")
    op.drop_table("continuity_response")
    op.drop_table("continuity_status_note")
    op.drop_table("continuity_probe_day")
    op.drop_table("continuity_probe")
    op.execute("DROP FUNCTION continuity_only_added()")
