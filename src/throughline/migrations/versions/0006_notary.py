"""Tables of `notary`: records, the queue into the log, leaves, tiles, head, checkpoints, cosignatures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `notary`."""
    op.create_table(
        "notary_record",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("borrower_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("erased_at", INSTANT),
    )
    op.create_index("ix_notary_record_borrower_id", "notary_record", ["borrower_id", "id"])
    op.create_table(
        "notary_queue",
        sa.Column("record_id", sa.Uuid, sa.ForeignKey("notary_record.id"), primary_key=True),
        sa.Column("borrower_id", sa.Uuid, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("promised_by", INSTANT, nullable=False),
        sa.Column("promise", sa.String, nullable=False),
        sa.Column("leaf_index", sa.BigInteger, unique=True),
    )
    op.create_index(
        "ix_notary_queue_waiting",
        "notary_queue",
        ["record_id"],
        postgresql_where=sa.text("leaf_index IS NULL"),
    )
    op.create_table(
        "notary_leaf",
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "notary_tile",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("width", sa.SmallInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    # Hashes do not compress: trying costs time on every write of the right edge.
    op.execute("ALTER TABLE notary_tile ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_table(
        "notary_head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_notary_head_one_row")),
    )
    op.create_table(
        "notary_checkpoint",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("signed_at", INSTANT, nullable=False),
    )
    op.create_table(
        "notary_cosignature",
        sa.Column("size", sa.BigInteger, sa.ForeignKey("notary_checkpoint.size"), primary_key=True),
        sa.Column("cosigner", sa.String, primary_key=True),
        sa.Column("key_id", sa.LargeBinary, primary_key=True),
        sa.Column("signed_at", INSTANT, nullable=False),
        sa.Column("line", sa.String, nullable=False),
    )
    op.create_table(
        "notary_witness",
        sa.Column("key_name", sa.String, primary_key=True),
        sa.Column("key_id", sa.LargeBinary, primary_key=True),
        sa.Column("known_size", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables of `notary`."""
    for table in (
        "notary_witness",
        "notary_cosignature",
        "notary_checkpoint",
        "notary_head",
        "notary_tile",
        "notary_leaf",
        "notary_queue",
        "notary_record",
    ):
        op.drop_table(table)
