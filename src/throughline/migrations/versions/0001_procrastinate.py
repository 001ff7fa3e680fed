"""Tables of `procrastinate`."""

from __future__ import annotations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of `procrastinate`."""


def downgrade() -> None:
    """Drop the tables of `procrastinate`."""
