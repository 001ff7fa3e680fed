"""Tables of `payments`."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `payments`."""


def downgrade() -> None:
    """Drop the tables of `payments`."""
