"""Regions in which incidents are looked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the group; lines whose region was known keep it."""
    op.add_column("line_line", sa.Column("region_group", sa.String, nullable=False, server_default=""))
    op.execute("UPDATE line_line SET region_group = home_region WHERE home_region IS NOT NULL")


def downgrade() -> None:
    """Drop it."""
    op.drop_column("line_line", "region_group")
