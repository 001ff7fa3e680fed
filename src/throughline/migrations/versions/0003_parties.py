"""Tables of `parties`."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `parties`."""


def downgrade() -> None:
    """Drop the tables of `parties`."""
