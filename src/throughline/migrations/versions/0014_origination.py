"""Tables of `origination`."""

from __future__ import annotations

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `origination`."""


def downgrade() -> None:
    """Drop the tables of `origination`."""
