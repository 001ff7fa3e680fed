"""Tables of `origination`: applications and their transitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `origination`."""
    op.create_table(
        "origination_application",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("product_code", sa.String, nullable=False),
        sa.Column("requested_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("installments", sa.Integer, nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.Column("payee_account_id", sa.Uuid, nullable=False),
        sa.Column("decision_id", sa.Uuid),
        sa.Column("offer", JSONB),
        sa.Column("cost_table_id", sa.Uuid),
        sa.Column("showing_id", sa.Uuid),
        sa.Column("contract_id", sa.Uuid),
        sa.Column("loan_id", sa.Uuid),
        sa.Column("order_id", sa.Uuid),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_index("ix_origination_application_state", "origination_application", ["state", "id"])
    op.create_index(
        "uq_origination_application_open",
        "origination_application",
        ["borrower_id"],
        unique=True,
        postgresql_where=sa.text("is_open"),
    )
    op.create_index("ix_origination_application_loan_id", "origination_application", ["loan_id"])
    op.create_table(
        "origination_step",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("application_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("old", sa.String),
        sa.Column("new", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("reason", JSONB, nullable=False),
        sa.ForeignKeyConstraint(
            ["borrower_id", "application_id"],
            ["origination_application.borrower_id", "origination_application.id"],
        ),
        sa.UniqueConstraint("application_id", "seq"),
    )


def downgrade() -> None:
    """Drop the tables of `origination`."""
    op.drop_table("origination_step")
    op.drop_table("origination_application")
