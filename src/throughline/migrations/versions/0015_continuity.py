"""Tables of `continuity`."""

from __future__ import annotations

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `continuity`."""


def downgrade() -> None:
    """Drop the tables of `continuity`."""
