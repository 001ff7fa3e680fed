"""Tables of `kernel`."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `kernel`."""


def downgrade() -> None:
    """Drop the tables of `kernel`."""
