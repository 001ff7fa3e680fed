"""Tiles of a transparency log (C2SP tlog-tiles): the tree in files of 256 hashes, entries in bundles.

A partial tile is a prefix of the full one, so storage keeps one growing tile for each (level, n) and a
reader may get more hashes than a tree of some size needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from throughline.notary.encoding import HASH_BYTES, Malformed
from throughline.notary.merkle import NodeReader, leaf_hash, node_hash

WIDTH = 256
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
_HEIGHT = 8  # a tile spans 8 levels of the tree
# At most 19 digits of index: 6 path elements of 3 digits hold 10^18, far beyond any log of ours.
_INDEX = re.compile(r"((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")

# (level, n) -> the hashes of that tile, at least as many as the tree in question needs
TileReader = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class TilePath:
    """Which tile or bundle a path names. `level` -1 is an entry bundle; `width` 256 is a full one."""

    level: int
    n: int
    width: int


def index_path(n: int) -> str:
    """Tile index in 3-digit path elements: 1234067 is x001/x234/067."""
    parts = [f"{n % 1000:03d}"]
    while n >= 1000:
        n //= 1000
        parts.append(f"x{n % 1000:03d}")
    return "/".join(reversed(parts))


def tile_path(tile: TilePath) -> str:
    """The path of a tile or bundle below the log's prefix."""
    level = "entries" if tile.level < 0 else str(tile.level)
    suffix = "" if tile.width == WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{index_path(tile.n)}{suffix}"


def parse_index(level: int, path: str) -> TilePath:
    """Read `<N>[.p/<W>]` of a tile of that level. `Malformed` unless it is the one way to write it."""
    if not -1 <= level <= MAX_LEVEL:
        raise Malformed("tile level: not between 0 and 63")
    match = _INDEX.fullmatch(path)
    if match is None or not path.isascii():
        raise Malformed("tile index: not three-digit elements")
    digits = match[1].replace("x", "").replace("/", "") + match[2]
    tile = TilePath(level, int(digits), int(match[3]) if match[3] else WIDTH)
    if match[3] and tile.width >= WIDTH:
        raise Malformed("tile width: not between 1 and 255")
    if index_path(tile.n) != match[1] + match[2]:
        raise Malformed("tile index: leading elements of zeros")
    return tile


def partial_width(size: int, level: int) -> int:
    """Hashes in the partial tile at a level for a tree of `size`: floor(size / 256^level) mod 256."""
    return (size >> (_HEIGHT * level)) % WIDTH


def tiles_of(size: int) -> Iterator[TilePath]:
    """All tiles of a tree, level by level; empty ones do not exist."""
    level = 0
    while size >> (_HEIGHT * level):
        hashes = size >> (_HEIGHT * level)
        for n in range(hashes // WIDTH):
            yield TilePath(level, n, WIDTH)
        if hashes % WIDTH:
            yield TilePath(level, hashes // WIDTH, hashes % WIDTH)
        level += 1


def subtree_hash(hashes: bytes) -> bytes:
    """Root of the complete subtree over concatenated hashes, whose number is a power of two."""
    level = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def node_reader(tile: TileReader) -> NodeReader:
    """Hashes of complete subtrees, computed from tiles. Each tile is asked for once."""
    known: dict[tuple[int, int], bytes] = {}

    def node(height: int, index: int) -> bytes:
        level, rest = divmod(height, _HEIGHT)
        first = index << rest
        place = (level, first // WIDTH)
        if place not in known:
            known[place] = tile(*place)
        low = first % WIDTH * HASH_BYTES
        high = low + (HASH_BYTES << rest)
        if len(known[place]) < high:
            raise LookupError(f"tile {tile_path(TilePath(*place, WIDTH))} is too short")
        return subtree_hash(known[place][low:high])

    return node


def grow(size: int, edge: TileReader, leaves: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """The tiles that change when leaf hashes are added to a tree of `size`, in their new form.

    `edge` gives the partial tile of a level where the tree has one.
    """
    changed: dict[tuple[int, int], bytes] = {}
    level, count, fresh = 0, size, b"".join(leaves)
    while fresh:
        n, partial = divmod(count, WIDTH)
        data = (edge(level, n)[: partial * HASH_BYTES] if partial else b"") + fresh
        fresh = b""
        for at in range(0, len(data), WIDTH * HASH_BYTES):
            tile = data[at : at + WIDTH * HASH_BYTES]
            changed[level, n] = tile
            if len(tile) == WIDTH * HASH_BYTES:
                fresh += subtree_hash(tile)
                n += 1
        count //= WIDTH
        level += 1
    return changed


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry after its big-endian 16-bit length."""
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError("an entry has at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. `Malformed` when it is cut, or something follows."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if len(data) < at + 2 + length:
            raise Malformed("entry bundle: cut in the middle of an entry")
        entries.append(entry)
        at += 2 + length
    if len(entries) != width:
        raise Malformed(f"entry bundle: {len(entries)} entries where {width} belong")
    return entries


def bundle_hashes(data: bytes, width: int) -> bytes:
    """Concatenated leaf hashes of a bundle: what the level-0 tile must hold."""
    return b"".join(leaf_hash(entry) for entry in decode_bundle(data, width))
