"""Messaging: a queue of attempts for the routes, how routes stand, receipts that come early, texts that come in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0060"
down_revision = "0052"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Columns and index of the queue; two tables of routes. Jobs that would send one by one are gone."""
    op.add_column("msg_attempt", sa.Column("channel", sa.String, nullable=False, server_default=""))
    op.add_column("msg_attempt", sa.Column("urgency", sa.Integer, nullable=False, server_default="3"))
    op.add_column("msg_attempt", sa.Column("due_at", INSTANT))
    op.execute(
        """
        UPDATE msg_attempt a SET channel = s.channel, due_at = coalesce(i.not_before, a.prepared_at)
        FROM msg_step s JOIN msg_intent i ON i.borrower_id = s.borrower_id AND i.id = s.intent_id
        WHERE s.borrower_id = a.borrower_id AND s.intent_id = a.intent_id AND s.n = a.step_n
        """
    )
    op.alter_column("msg_attempt", "due_at", nullable=False)
    for name in ("channel", "urgency"):
        op.alter_column("msg_attempt", name, server_default=None)
    op.create_index(
        "ix_msg_attempt_due",
        "msg_attempt",
        ["channel", "urgency", "due_at"],
        postgresql_where=sa.text("state = 'prepared' AND superseded_at IS NULL"),
    )
    op.create_index("ix_msg_attempt_provider_ref", "msg_attempt", ["route", "provider_ref"])
    op.add_column("msg_receipt", sa.Column("state", sa.String))
    op.add_column("msg_receipt", sa.Column("reported_at", INSTANT))
    op.execute("UPDATE msg_receipt SET state = CASE WHEN delivered THEN 'delivered' ELSE 'failed' END")
    op.alter_column("msg_receipt", "state", nullable=False)
    op.alter_column("msg_receipt", "attempt_id", nullable=True)
    op.create_index(
        "ix_msg_receipt_waiting", "msg_receipt", ["got_at"], postgresql_where=sa.text("attempt_id IS NULL")
    )
    op.create_table(
        "msg_inbound",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("contact_point_id", sa.Uuid, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("meaning", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("got_at", INSTANT, nullable=False),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_msg_attempt_submitted_at", "msg_attempt", ["route", "submitted_at"])
    op.create_table(
        "msg_route",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("phase", sa.String, nullable=False),
        sa.Column("share_percent", sa.Integer, nullable=False),
        sa.Column("until", INSTANT),
        sa.Column("moved_at", INSTANT),
        sa.Column("trips", JSONB, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    op.create_table(
        "msg_route_event",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("phase", sa.String, nullable=False),
        sa.Column("share_percent", sa.Integer, nullable=False),
        sa.Column("why", sa.String, nullable=False),
    )
    op.create_index("ix_msg_route_event_route_id", "msg_route_event", ["route", "id"])
    op.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'messaging.send' AND status = 'todo'")


def downgrade() -> None:
    """What waits in the queue is sent by the sweep of before, which looks at steps by their time."""
    op.drop_table("msg_route_event")
    op.drop_table("msg_route")
    op.drop_table("msg_inbound")
    op.drop_index("ix_msg_receipt_waiting", "msg_receipt")
    op.execute("DELETE FROM msg_receipt WHERE attempt_id IS NULL")
    op.alter_column("msg_receipt", "attempt_id", nullable=False)
    for name in ("reported_at", "state"):
        op.drop_column("msg_receipt", name)
    op.drop_index("ix_msg_attempt_provider_ref", "msg_attempt")
    op.drop_index("ix_msg_attempt_submitted_at", "msg_attempt")
    op.drop_index("ix_msg_attempt_due", "msg_attempt")
    for name in ("due_at", "urgency", "channel"):
        op.drop_column("msg_attempt", name)
