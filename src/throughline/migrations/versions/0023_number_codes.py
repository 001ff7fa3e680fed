"""Codes that prove a number: found when their time is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the codes that are not forgotten yet."""
    op.create_index(
        "ix_msg_intent_codes",
        "msg_intent",
        ["deadline"],
        postgresql_where=sa.text("klass = 'otp' AND params <> ''::bytea"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_msg_intent_codes", "msg_intent")
