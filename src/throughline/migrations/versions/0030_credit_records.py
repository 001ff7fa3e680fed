"""The credit-record guard: reports to the bureau, their files and corrections, letters, disputes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030"
down_revision = "0025"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
LOAN = (["borrower_id", "loan_id"], ["lending_loan.borrower_id", "lending_loan.id"])


def upgrade() -> None:
    """Create the tables of credit records."""
    op.create_table(
        "lending_bureau_run",
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("after_loan", sa.Uuid),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("negative", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("moved_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
    )
    _files_and_items()
    op.create_table(
        "lending_bureau_letter",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("carrier", sa.String, nullable=False),
        sa.Column("tracking_number", sa.LargeBinary, nullable=False),
        sa.Column("tracking_hash", sa.LargeBinary, nullable=False),
        sa.Column("posted_on", sa.Date, nullable=False),
        sa.Column("handed_over_on", sa.Date, nullable=False),
        sa.Column("recorded_by", sa.String, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(*LOAN),
        sa.UniqueConstraint("borrower_id", "tracking_hash"),
    )
    op.create_index("ix_lending_bureau_letter_loan", "lending_bureau_letter", ["borrower_id", "loan_id"])
    op.create_table(
        "lending_bureau_dark_span",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("contact_point_id", sa.Uuid, primary_key=True),
        sa.Column("from_at", INSTANT, primary_key=True),
        sa.Column("until_at", INSTANT),
    )
    _disputes()
    op.create_table(
        "lending_bureau_cursor",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("after", sa.BigInteger, nullable=False),
    )


def _files_and_items() -> None:
    op.create_table(
        "lending_bureau_file",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("content_kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.Column("asks", sa.Integer, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("record_id", sa.Uuid, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.Column("next_step_at", INSTANT),
        sa.UniqueConstraint("ref"),
    )
    op.create_index(
        "ix_lending_bureau_file_next",
        "lending_bureau_file",
        ["next_step_at"],
        postgresql_where=sa.text("next_step_at IS NOT NULL"),
    )
    op.create_table(
        "lending_bureau_item",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("corrects", sa.Uuid),
        sa.Column("why", JSONB),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("event_seq", sa.Integer, nullable=False),
        sa.Column("past_due_days", sa.Integer, nullable=False),
        sa.Column("delinquent_days", sa.Integer, nullable=False),
        sa.Column("negative", sa.Boolean, nullable=False),
        sa.Column("said", JSONB, nullable=False),
        sa.Column("missing", JSONB, nullable=False),
        sa.Column("late_since", sa.Date),
        sa.Column("notice_ref", sa.Uuid),
        sa.Column("notice_way", sa.String),
        sa.Column("noticed_at", INSTANT),
        sa.Column("notice_contact_point_id", sa.Uuid),
        sa.Column("decision_id", sa.Uuid),
        sa.Column("ref", sa.String),
        sa.Column("file_id", sa.Uuid),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("not_before", INSTANT),
        sa.Column("code", sa.String),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT),
        sa.Column("answered_at", INSTANT),
        sa.Column("record_id", sa.Uuid),
        sa.Column("confirmed_record_id", sa.Uuid),
        sa.ForeignKeyConstraint(*LOAN),
        sa.ForeignKeyConstraint(
            ["borrower_id", "decision_id"], ["compliance_decision.borrower_id", "compliance_decision.id"]
        ),
        sa.ForeignKeyConstraint(
            ["borrower_id", "corrects"], ["lending_bureau_item.borrower_id", "lending_bureau_item.id"]
        ),
        sa.ForeignKeyConstraint(["file_id"], ["lending_bureau_file.id"]),
        sa.UniqueConstraint("borrower_id", "loan_id", "month", "n"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("ref"),
        # Also the database lets nothing negative stand without its notice and the decision of the gate.
        sa.CheckConstraint(
            "NOT negative OR (decision_id IS NOT NULL AND notice_ref IS NOT NULL AND noticed_at IS NOT NULL "
            "AND missing = '[]')",
            name="negative_is_proved",
        ),
    )
    op.create_index(
        "ix_lending_bureau_item_queued",
        "lending_bureau_item",
        ["n", "id"],
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_lending_bureau_item_held",
        "lending_bureau_item",
        ["id"],
        postgresql_where=sa.text("missing <> '[]'"),
    )
    op.create_index("ix_lending_bureau_item_file_id", "lending_bureau_item", ["file_id"])
    op.create_index("ix_lending_bureau_item_state", "lending_bureau_item", ["state", "id"])
    op.create_index(
        "ix_lending_bureau_item_notice",
        "lending_bureau_item",
        ["notice_contact_point_id"],
        postgresql_where=sa.text("negative AND notice_contact_point_id IS NOT NULL"),
    )


def _disputes() -> None:
    op.create_table(
        "lending_bureau_dispute",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("item_id", sa.Uuid, nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("came_from", sa.String, nullable=False),
        sa.Column("bureau_ref", sa.String),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("rule_id", sa.String, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("look_by", sa.Date),
        sa.Column("provisional", sa.Boolean, nullable=False),
        sa.Column("resolved_at", INSTANT),
        sa.Column("resolved_by", sa.String),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("answer_state", sa.String, nullable=False),
        sa.Column("asks", sa.Integer, nullable=False),
        sa.Column("next_step_at", INSTANT),
        sa.ForeignKeyConstraint(*LOAN),
        sa.ForeignKeyConstraint(
            ["borrower_id", "item_id"], ["lending_bureau_item.borrower_id", "lending_bureau_item.id"]
        ),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("bureau_ref"),
    )
    op.create_index(
        "uq_lending_bureau_dispute_open",
        "lending_bureau_dispute",
        ["borrower_id", "loan_id", "month"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_lending_bureau_dispute_due", "lending_bureau_dispute", ["state", "due_at", "id"])
    op.create_index(
        "ix_lending_bureau_dispute_next",
        "lending_bureau_dispute",
        ["next_step_at"],
        postgresql_where=sa.text("next_step_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the tables of credit records."""
    for table in ("cursor", "dispute", "dark_span", "letter", "item", "file", "run"):
        op.drop_table(f"lending_bureau_{table}")
