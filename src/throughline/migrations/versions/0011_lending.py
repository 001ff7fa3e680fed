"""Tables of `lending`."""

from __future__ import annotations

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `lending`."""


def downgrade() -> None:
    """Drop the tables of `lending`."""
