"""Tables of `notary`."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `notary`."""


def downgrade() -> None:
    """Drop the tables of `notary`."""
