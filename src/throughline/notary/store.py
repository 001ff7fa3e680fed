"""Reading the log from the database: tiles, bundles, checkpoints. A narrower tile is a prefix of the stored one."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.notary.encoding import HASH_BYTES
from throughline.notary.models import Cosignature, Head, Leaf, SignedCheckpoint, Tile
from throughline.notary.tiles import WIDTH, TilePath, TileReader, encode_bundle


def head(session: Session) -> Head | None:
    """The head of the log; None before the first record."""
    return session.execute(select(Head)).scalar_one_or_none()


def tile_reader(session: Session) -> TileReader:
    """Reads tiles in their newest form. LookupError for one that does not exist."""

    def read(level: int, n: int) -> bytes:
        data = session.execute(select(Tile.data).where(Tile.level == level, Tile.n == n)).scalar_one_or_none()
        if data is None:
            raise LookupError(f"no tile {n} at level {level}")
        return data

    return read


def resource(session: Session, path: TilePath) -> bytes | None:
    """The bytes of a tile or an entry bundle; None if the log has not grown so far."""
    if path.level < 0:
        first = path.n * WIDTH
        entries = session.scalars(
            select(Leaf.entry)
            .where(Leaf.index >= first, Leaf.index < first + path.width)
            .order_by(Leaf.index)
        ).all()
        return encode_bundle(entries) if len(entries) == path.width else None
    row = session.execute(
        select(Tile.data).where(Tile.level == path.level, Tile.n == path.n, Tile.width >= path.width)
    ).scalar_one_or_none()
    return None if row is None else row[: path.width * HASH_BYTES]


def newest_checkpoint(session: Session) -> SignedCheckpoint | None:
    """The checkpoint of the largest size."""
    return session.scalars(select(SignedCheckpoint).order_by(SignedCheckpoint.size.desc()).limit(1)).first()


def cosigned(session: Session, size: int) -> str:
    """The checkpoint of a size with the cosignatures that we have for it."""
    note = session.execute(select(SignedCheckpoint.note).where(SignedCheckpoint.size == size)).scalar_one()
    lines = session.scalars(
        select(Cosignature.line)
        .where(Cosignature.size == size)
        .order_by(Cosignature.signed_at, Cosignature.cosigner)
    )
    return note + "".join(lines)
