"""Tables of `ledger`."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `ledger`."""


def downgrade() -> None:
    """Drop the tables of `ledger`."""
