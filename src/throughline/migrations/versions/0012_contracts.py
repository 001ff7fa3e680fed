"""Tables of `contracts`: cost tables, showings, contracts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `contracts`."""
    op.create_table(
        "contract_cost_table",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("content", JSONB, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("apr_percent", sa.String, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "contract_showing",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("cost_table_id", sa.Uuid, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("locale", sa.String, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("min_read_s", sa.Integer, nullable=False),
        sa.Column("shown_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("record_id", sa.Uuid),
    )
    op.create_table(
        "contract_contract",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("cost_table_id", sa.Uuid, nullable=False),
        sa.Column("showing_id", sa.Uuid, nullable=False),
        sa.Column("template", sa.String, nullable=False),
        sa.Column("clause", sa.String, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("principal_minor", sa.BigInteger, nullable=False),
        sa.Column("installments", sa.Integer, nullable=False),
        sa.Column("apr_percent", sa.String, nullable=False),
        sa.Column("agreed_on", sa.Date, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("signature", JSONB),
        sa.Column("record_id", sa.Uuid),
        sa.Column("drafted_at", INSTANT, nullable=False),
        sa.Column("signed_at", INSTANT),
    )


def downgrade() -> None:
    """Drop the tables of `contracts`."""
    for table in ("contract_contract", "contract_showing", "contract_cost_table"):
        op.drop_table(table)
