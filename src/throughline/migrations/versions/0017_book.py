"""Table of the book: ids of another system."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the book."""
    op.create_table(
        "book_reference",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("external_id", sa.String, primary_key=True),
        sa.Column("borrower_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_book_reference_borrower_id", "book_reference", ["borrower_id"])


def downgrade() -> None:
    """Drop the table of the book."""
    op.drop_table("book_reference")
