"""Tiles: the paths and sizes of the specification, growth in any batches, proofs from tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.notary import merkle, tiles
from throughline.notary.encoding import Malformed
from throughline.notary.merkle import leaf_hash
from throughline.notary.tiles import TilePath


def leaves(first: int, last: int) -> list[bytes]:
    return [leaf_hash(nr.to_bytes(4, "big")) for nr in range(first, last)]


class Store(dict[tuple[int, int], bytes]):
    """Tiles in memory."""

    def read(self, level: int, n: int) -> bytes:
        return self[level, n]


def test_paths_of_the_specification() -> None:
    assert tiles.index_path(1234067) == "x001/x234/067"
    assert tiles.tile_path(TilePath(0, 0, 256)) == "tile/0/000"
    assert tiles.tile_path(TilePath(-1, 273, 112)) == "tile/entries/273.p/112"
    assert tiles.parse_index(2, "x001/x234/067.p/255") == TilePath(2, 1234067, 255)


@given(st.integers(0, 10**17), st.integers(-1, 63), st.integers(1, 256))
def test_paths_are_read_as_they_are_written(n: int, level: int, width: int) -> None:
    tile = TilePath(level, n, width)
    path = tiles.tile_path(tile).split("/", 2)[2]
    assert tiles.parse_index(level, path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "0", "00", "0000", "x000/000", "000/000", "x001/x000", "x1/000", "x001/00", "000.p/0", "000.p/256",
        "000.p/01", "000.p/", "000.p", "000.p/1/", "/000", "000/", "../000", "x001//000", "０００", "000.p/１",
        "000\n", "X001/000", "x001/x002/x003/x004/x005/x006/000", "000.p/1\n",
    ],
)  # fmt: skip
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(Malformed):
        tiles.parse_index(0, path)


@pytest.mark.parametrize("level", [-2, 64])
def test_other_levels_are_refused(level: int) -> None:
    with pytest.raises(Malformed):
        tiles.parse_index(level, "000")


def test_tiles_of_seventy_thousand() -> None:
    found = list(tiles.tiles_of(70_000))
    assert [tile for tile in found if tile.level == 0][-1] == TilePath(0, 273, 112)
    assert sum(tile.level == 0 and tile.width == 256 for tile in found) == 273
    assert [tile for tile in found if tile.level == 1] == [TilePath(1, 0, 256), TilePath(1, 1, 17)]
    assert [tile for tile in found if tile.level == 2] == [TilePath(2, 0, 1)]
    assert [tiles.partial_width(70_000, level) for level in range(4)] == [112, 17, 1, 0]


def test_tiles_of_256_and_of_none() -> None:
    assert list(tiles.tiles_of(256)) == [TilePath(0, 0, 256), TilePath(1, 0, 1)]
    assert list(tiles.tiles_of(0)) == []


@given(st.lists(st.integers(1, 700), min_size=1, max_size=5), st.data())
def test_growing_in_any_batches_gives_the_one_tree(batches: list[int], data: st.DataObject) -> None:
    store, size = Store(), 0
    for batch in batches:
        store.update(tiles.grow(size, store.read, leaves(size, size + batch)))
        size += batch
    wanted = {(tile.level, tile.n): tile.width for tile in tiles.tiles_of(size)}
    assert {place: len(held) // 32 for place, held in store.items()} == wanted
    every = leaves(0, size)

    def node(height: int, index: int) -> bytes:
        return tiles.subtree_hash(b"".join(every[index << height : (index + 1) << height]))

    root = merkle.root(size, node)
    assert merkle.root(size, tiles.node_reader(store.read)) == root
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    from_tiles = tiles.node_reader(store.read)
    merkle.verify_inclusion(index, size, every[index], root, merkle.inclusion_path(index, size, from_tiles))
    # An older tree is proved from the tiles of the newer one: partial tiles are prefixes.
    old_root = merkle.root(old, from_tiles)
    assert old_root == merkle.root(old, node)
    merkle.verify_consistency(old, size, old_root, root, merkle.consistency_path(old, size, from_tiles))


def test_a_tree_across_three_levels() -> None:
    store = Store()
    store.update(tiles.grow(0, store.read, leaves(0, 70_000)))
    assert {place: len(held) // 32 for place, held in store.items()} == {
        (tile.level, tile.n): tile.width for tile in tiles.tiles_of(70_000)
    }


def test_a_missing_hash_is_not_guessed() -> None:
    with pytest.raises(LookupError):
        merkle.root(3, tiles.node_reader(lambda level, n: leaves(0, 1)[0]))


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_come_back(entries: list[bytes]) -> None:
    data = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(data, len(entries)) == entries
    assert tiles.bundle_hashes(data, len(entries)) == b"".join(map(leaf_hash, entries))
    if data:
        with pytest.raises(Malformed):
            tiles.decode_bundle(data[:-1], len(entries))
    with pytest.raises(Malformed):
        tiles.decode_bundle(data + b"\x00", len(entries))
    with pytest.raises(Malformed):
        tiles.decode_bundle(data, len(entries) + 1)


def test_an_entry_has_a_limit() -> None:
    assert tiles.decode_bundle(tiles.encode_bundle([bytes(65_535)]), 1) == [bytes(65_535)]
    with pytest.raises(ValueError, match="at most"):
        tiles.encode_bundle([bytes(65_536)])
