"""Tables of the notary. Bodies and salts are sealed with the borrower's data key; the log itself is public."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Id, Instant


class Record(Base):
    """A committed fact. Body and salt are null once erased; 33 meaningless bytes stay in the log."""

    __tablename__ = "notary_record"
    __table_args__ = (Index("ix_notary_record_borrower_id", "borrower_id", "id"),)

    id: Mapped[Id]
    borrower_id: Mapped[UUID]  # LENDER_ID for the lender's own records
    kind: Mapped[str]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    recorded_at: Mapped[Instant]
    erased_at: Mapped[Instant | None]


class QueueRow(Base):
    """The way of a record into the log, with the promise that was given for it."""

    __tablename__ = "notary_queue"
    __table_args__ = (
        # What the sequencer reads five times a second: only what waits.
        Index("ix_notary_queue_waiting", "record_id", postgresql_where=text("leaf_index IS NULL")),
    )

    record_id: Mapped[UUID] = mapped_column(ForeignKey("notary_record.id"), primary_key=True)
    borrower_id: Mapped[UUID]
    entry: Mapped[bytes] = mapped_column(LargeBinary)
    promised_by: Mapped[Instant]
    promise: Mapped[str]
    leaf_index: Mapped[int | None] = mapped_column(BigInteger, unique=True)


class Leaf(Base):
    """An entry of the log and its leaf hash."""

    __tablename__ = "notary_leaf"

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Tile(Base):
    """The newest form of a tile. Earlier, narrower forms are prefixes of `data`."""

    __tablename__ = "notary_tile"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    width: Mapped[int] = mapped_column(SmallInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Head(Base):
    """The one row that says how large the log is; moving it with `size = old` is the fence."""

    __tablename__ = "notary_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    origin: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[bytes] = mapped_column(LargeBinary)


class SignedCheckpoint(Base):
    """A checkpoint as it was signed."""

    __tablename__ = "notary_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str]
    signed_at: Mapped[Instant]


class Cosignature(Base):
    """A witness's signature line for the checkpoint of that size."""

    __tablename__ = "notary_cosignature"

    size: Mapped[int] = mapped_column(ForeignKey("notary_checkpoint.size"), primary_key=True)
    cosigner: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    signed_at: Mapped[Instant]
    line: Mapped[str]


class WitnessState(Base):
    """What we know of a witness: the size that it last cosigned, and when to ask it again."""

    __tablename__ = "notary_witness"

    key_name: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    known_size: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]  # new, current, failing, ahead
    failures: Mapped[int]
    next_try_at: Mapped[Instant]
