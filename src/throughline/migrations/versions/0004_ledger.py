"""Tables of `ledger`: journal entries and their lines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `ledger`."""
    op.create_table(
        "ledger_entry",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("value_date", sa.Date, nullable=False),
        sa.Column("posting_date", sa.Date, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("borrower_id", "key"),
    )
    op.create_index("ix_ledger_entry_source", "ledger_entry", ["source", "id"])
    op.create_index("ix_ledger_entry_posting_date", "ledger_entry", ["posting_date"])
    op.create_table(
        "ledger_line",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("entry_id", sa.Uuid, primary_key=True),
        sa.Column("nr", sa.SmallInteger, primary_key=True),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("debit_minor", sa.BigInteger, nullable=False),
        sa.Column("credit_minor", sa.BigInteger, nullable=False),
        sa.Column("loan_id", sa.Uuid),
        sa.ForeignKeyConstraint(["borrower_id", "entry_id"], ["ledger_entry.borrower_id", "ledger_entry.id"]),
        sa.CheckConstraint(
            "debit_minor >= 0 AND credit_minor >= 0 AND (debit_minor > 0) <> (credit_minor > 0)", name="side"
        ),
    )


def downgrade() -> None:
    """Drop the tables of `ledger`."""
    op.drop_table("ledger_line")
    op.drop_table("ledger_entry")
