"""Tables of `contracts`."""

from __future__ import annotations

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `contracts`."""


def downgrade() -> None:
    """Drop the tables of `contracts`."""
