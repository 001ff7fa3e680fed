"""Tables of `identity`."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `identity`."""


def downgrade() -> None:
    """Drop the tables of `identity`."""
