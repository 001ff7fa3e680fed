"""Tables of `parties`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _borrower() -> sa.Column[object]:
    return sa.Column("borrower_id", sa.Uuid, sa.ForeignKey("party_person.borrower_id"), primary_key=True)


def upgrade() -> None:
    """Create the tables of `parties`."""
    op.create_table(
        "party_person",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("id_number", sa.LargeBinary, nullable=False),
        sa.Column("id_number_index", sa.LargeBinary),
        sa.Column("locale", sa.String, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("registered_at", INSTANT, nullable=False),
        sa.Column("discarded_at", INSTANT),
    )
    op.create_index(
        "uq_party_person_id_number_index",
        "party_person",
        ["id_number_index"],
        unique=True,
        postgresql_where=sa.text("discarded_at IS NULL"),
    )
    op.create_table(
        "party_contact_point",
        _borrower(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("value_index", sa.LargeBinary),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("verified_at", INSTANT),
        sa.Column("suspended_at", INSTANT),
        sa.Column("reassigned_probability", sa.Numeric(5, 4), nullable=False),
        sa.Column("standing_at", INSTANT),
        sa.Column("frozen_at", INSTANT),
        sa.Column("frozen_reason", sa.String),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("borrower_id", "kind", "value_index"),
    )
    op.create_index("ix_party_contact_point_value_index", "party_contact_point", ["value_index"])
    op.create_table(
        "party_consent",
        _borrower(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("given_at", INSTANT, nullable=False),
        sa.Column("withdrawn_at", INSTANT),
        sa.Column("withdrawal_evidence", JSONB),
    )
    op.create_index(
        "uq_party_consent_open",
        "party_consent",
        ["borrower_id", "purpose"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "party_access_log",
        _borrower(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("contact_point_id", sa.Uuid),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("reader", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables of `parties`."""
    for table in ("party_access_log", "party_consent", "party_contact_point", "party_person"):
        op.drop_table(table)
