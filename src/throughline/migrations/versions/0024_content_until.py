"""How long the proof of an address counts for texts that say something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the end; of proofs that are there, 45 days after them."""
    op.add_column("party_contact_point", sa.Column("content_until", sa.DateTime(timezone=True)))
    op.execute("UPDATE party_contact_point SET content_until = verified_at + interval '45 days'")


def downgrade() -> None:
    """Drop it."""
    op.drop_column("party_contact_point", "content_until")
