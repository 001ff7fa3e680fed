"""Tables of `risk`."""

from __future__ import annotations

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `risk`."""


def downgrade() -> None:
    """Drop the tables of `risk`."""
