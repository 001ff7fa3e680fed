"""Continuity: outages of four causes, cases in rounds and in review, appeals, incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0040"
down_revision = "0030"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Episodes get a cause and a kind, cases rounds and batches; appeals and incidents are new."""
    op.alter_column("continuity_episode", "line_state", new_column_name="kind")
    op.alter_column("continuity_episode", "line_id", nullable=True)
    op.alter_column("continuity_episode", "contact_point_id", nullable=True)
    for name, kind, default in (
        ("cause", sa.String, "line"),
        ("source", sa.String, "line"),
    ):
        op.add_column("continuity_episode", sa.Column(name, kind, nullable=False, server_default=default))
        op.alter_column("continuity_episode", name, server_default=None)
    op.add_column(
        "continuity_episode", sa.Column("requested", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.alter_column("continuity_episode", "requested", server_default=None)
    for name in ("incident_id", "claim_id", "merged_into"):
        op.add_column("continuity_episode", sa.Column(name, sa.Uuid))
    op.add_column("continuity_episode", sa.Column("contradicted_at", INSTANT))
    op.add_column("continuity_episode", sa.Column("stretch_since", INSTANT))
    op.execute("UPDATE continuity_episode SET stretch_since = dark_since")
    op.alter_column("continuity_episode", "stretch_since", nullable=False)
    op.create_index(
        "uq_continuity_episode_incident", "continuity_episode", ["incident_id", "borrower_id"], unique=True
    )
    op.create_index("uq_continuity_episode_claim", "continuity_episode", ["claim_id"], unique=True)
    op.create_index("ix_continuity_episode_dark_since", "continuity_episode", ["borrower_id", "dark_since"])
    op.add_column("continuity_case", sa.Column("round", sa.Integer, nullable=False, server_default="1"))
    op.alter_column("continuity_case", "round", server_default=None)
    op.add_column("continuity_case", sa.Column("stretch_since", INSTANT))
    op.execute(
        "UPDATE continuity_case SET stretch_since = e.dark_since FROM continuity_episode e "
        "WHERE e.borrower_id = continuity_case.borrower_id AND e.id = continuity_case.episode_id"
    )
    op.alter_column("continuity_case", "stretch_since", nullable=False)
    op.add_column("continuity_case", sa.Column("batch_id", sa.Uuid))
    op.execute("UPDATE continuity_case SET batch_id = id WHERE state <> 'refused'")
    op.add_column("continuity_case", sa.Column("policy_version", sa.String))
    op.execute("UPDATE continuity_case SET policy_version = 'outage-clause-1' WHERE rule_id IS NOT NULL")
    op.add_column("continuity_case", sa.Column("decided_by", sa.Uuid))
    op.drop_constraint("uq_continuity_case_episode_id_loan_id", "continuity_case", type_="unique")
    op.create_unique_constraint(
        "uq_continuity_case_episode_id_loan_id_round", "continuity_case", ["episode_id", "loan_id", "round"]
    )
    op.create_index(
        "ix_continuity_case_review", "continuity_case", ["id"], postgresql_where=sa.text("state = 'review'")
    )
    op.create_table(
        "continuity_appeal",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("words", sa.LargeBinary, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("decided_at", INSTANT),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("answer", JSONB),
        sa.ForeignKeyConstraint(
            ["borrower_id", "case_id"], ["continuity_case.borrower_id", "continuity_case.id"]
        ),
    )
    op.create_index(
        "uq_continuity_appeal_open",
        "continuity_appeal",
        ["case_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "continuity_incident",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("source_ref", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("scope", JSONB, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("noticed_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("opened_by", sa.Uuid),
        sa.Column("covered_after", sa.Uuid),
        sa.Column("covered_at", INSTANT),
        sa.Column("reason", JSONB, nullable=False),
        sa.Column("record_id", sa.Uuid),
        sa.UniqueConstraint("source_ref"),
    )
    op.create_index(
        "ix_continuity_incident_open",
        "continuity_incident",
        ["id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_lending_installment_due_date", "lending_installment", ["due_date", "borrower_id"])


def downgrade() -> None:
    """Back to episodes of lines only; those of other causes, and what hangs on them, are lost."""
    op.drop_index("ix_lending_installment_due_date", "lending_installment")
    op.drop_table("continuity_incident")
    op.drop_table("continuity_appeal")
    op.execute(
        "DELETE FROM continuity_case WHERE round > 1 OR episode_id IN "
        "(SELECT id FROM continuity_episode WHERE line_id IS NULL)"
    )
    op.execute(
        "DELETE FROM continuity_timeline WHERE episode_id IN "
        "(SELECT id FROM continuity_episode WHERE line_id IS NULL)"
    )
    op.execute("DELETE FROM continuity_episode WHERE line_id IS NULL")
    op.drop_index("ix_continuity_case_review", "continuity_case")
    op.drop_constraint("uq_continuity_case_episode_id_loan_id_round", "continuity_case", type_="unique")
    op.create_unique_constraint(
        "uq_continuity_case_episode_id_loan_id", "continuity_case", ["episode_id", "loan_id"]
    )
    for name in ("decided_by", "policy_version", "batch_id", "stretch_since", "round"):
        op.drop_column("continuity_case", name)
    op.drop_index("ix_continuity_episode_dark_since", "continuity_episode")
    op.drop_index("uq_continuity_episode_claim", "continuity_episode")
    op.drop_index("uq_continuity_episode_incident", "continuity_episode")
    for name in (
        "stretch_since",
        "contradicted_at",
        "merged_into",
        "claim_id",
        "incident_id",
        "requested",
        "source",
        "cause",
    ):
        op.drop_column("continuity_episode", name)
    op.alter_column("continuity_episode", "contact_point_id", nullable=False)
    op.alter_column("continuity_episode", "line_id", nullable=False)
    op.alter_column("continuity_episode", "kind", new_column_name="line_state")
