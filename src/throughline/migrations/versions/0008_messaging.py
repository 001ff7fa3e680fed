"""Tables of `messaging`."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `messaging`."""


def downgrade() -> None:
    """Drop the tables of `messaging`."""
