"""The engine of lines: tracks with checkpoints, evidence that waits to be folded, incidents, claims."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables; every line that is there is folded anew from its stored signals."""
    op.create_table(
        "line_belief",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, primary_key=True),
        sa.Column("track", sa.LargeBinary),
        sa.Column("checkpoint", sa.LargeBinary),
        sa.Column("checkpoint_until", INSTANT),
        sa.Column("params_version", sa.String),
        sa.Column("folded_at", INSTANT),
        sa.Column("suspected_at", INSTANT),
        sa.Column("due_at", INSTANT),
        sa.Column("next_look_at", INSTANT),
        sa.UniqueConstraint("line_id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("ix_line_belief_next_look_at", "line_belief", ["next_look_at"])
    op.create_table(
        "line_dirty",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("pushed", sa.Boolean, nullable=False),
        sa.Column("marked_at", INSTANT, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("not_before", INSTANT),
    )
    op.create_index("ix_line_dirty_line_id", "line_dirty", ["line_id"])
    op.create_table(
        "line_rate",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("lane", sa.String, primary_key=True),
        sa.Column("free_at", INSTANT, nullable=False),
    )
    op.create_table(
        "line_bin",
        sa.Column("carrier", sa.String, primary_key=True),
        sa.Column("region", sa.String, primary_key=True),
        sa.Column("begins_at", INSTANT, primary_key=True),
        sa.Column("failing", sa.Integer, nullable=False),
        sa.Column("beats", sa.Integer, nullable=False),
    )
    op.create_table(
        "line_incident",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("carrier", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("onset_at", INSTANT, nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT),
        sa.Column("lines", sa.Integer, nullable=False),
    )
    op.create_index(
        "uq_line_incident_open",
        "line_incident",
        ["carrier", "region"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_table(
        "line_claim",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("line_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("to_at", INSTANT),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("made_by", sa.String, nullable=False),
        sa.Column("contradicted_at", INSTANT),
        sa.Column("evidence", JSONB, nullable=False),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_line_claim_line_id", "line_claim", ["line_id", "made_at"])
    op.add_column("line_line", sa.Column("home_region", sa.String))
    op.create_unique_constraint("uq_line_line_id", "line_line", ["id"])
    op.create_index("ix_line_line_carrier", "line_line", ["carrier", "home_region"])
    op.create_index("ix_line_signal_received_at", "line_signal", ["received_at"], postgresql_using="brin")
    op.execute(
        "INSERT INTO line_belief (borrower_id, line_id, next_look_at) SELECT borrower_id, id, next_query_at FROM line_line"
    )
    op.execute(
        "INSERT INTO line_dirty (line_id, since, pushed, marked_at, failures)"
        " SELECT id, registered_at, false, now(), 0 FROM line_line"
    )
    op.drop_index("ix_line_line_next_query_at", "line_line")
    for column in ("next_query_at", "p", "believed_at"):
        op.drop_column("line_line", column)


def downgrade() -> None:
    """Drop the tables; lines are asked about again soon."""
    op.add_column("line_line", sa.Column("next_query_at", INSTANT))
    op.add_column("line_line", sa.Column("p", JSONB, nullable=False, server_default="[]"))
    op.add_column(
        "line_line", sa.Column("believed_at", INSTANT, nullable=False, server_default=sa.func.now())
    )
    op.execute(
        "UPDATE line_line l SET next_query_at = b.next_look_at FROM line_belief b"
        " WHERE (b.borrower_id, b.line_id) = (l.borrower_id, l.id)"
    )
    op.alter_column("line_line", "p", server_default=None)
    op.alter_column("line_line", "believed_at", server_default=None)
    op.create_index("ix_line_line_next_query_at", "line_line", ["next_query_at"])
    op.drop_index("ix_line_signal_received_at", "line_signal")
    op.drop_index("ix_line_line_carrier", "line_line")
    op.drop_constraint("uq_line_line_id", "line_line")
    op.drop_column("line_line", "home_region")
    for table in ("line_claim", "line_incident", "line_bin", "line_rate", "line_dirty", "line_belief"):
        op.drop_table(table)
