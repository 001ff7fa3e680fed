"""The tree: vectors of RFC 6962 and its seven-leaf example, properties against the recursive definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.notary import merkle
from throughline.notary.encoding import ProofError
from throughline.notary.merkle import NodeReader, leaf_hash, node_hash

# The eight entries and roots that implementations of certificate transparency share as vectors.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def reader(leaves: list[bytes]) -> NodeReader:
    """Complete subtrees by the definition, from a list of leaf hashes."""

    def node(height: int, index: int) -> bytes:
        if height == 0:
            return leaves[index]
        return node_hash(node(height - 1, 2 * index), node(height - 1, 2 * index + 1))

    return node


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def numbered(size: int) -> list[bytes]:
    return [leaf_hash(nr.to_bytes(4, "big")) for nr in range(size)]


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_shared_vectors(size: int) -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES[:size]]
    assert merkle.root(size, reader(leaves)).hex() == ROOTS[size]
    assert defined_root(leaves).hex() == ROOTS[size]


def test_the_seven_leaves_of_rfc_6962() -> None:
    leaves = numbered(7)
    a, b, c, d, e, f, j = leaves
    del a, e
    h = node_hash(leaves[0], b)
    i = node_hash(c, d)
    jj = node_hash(leaves[4], f)
    k = node_hash(h, i)
    el = node_hash(jj, j)
    node = reader(leaves)
    assert merkle.inclusion_path(0, 7, node) == [b, i, el]
    assert merkle.inclusion_path(3, 7, node) == [c, h, el]
    assert merkle.inclusion_path(4, 7, node) == [f, j, k]
    assert merkle.inclusion_path(6, 7, node) == [jj, k]
    assert merkle.consistency_path(3, 7, node) == [c, d, h, el]
    assert merkle.consistency_path(4, 7, node) == [el]
    assert merkle.consistency_path(6, 7, node) == [jj, j, k]


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65])
def test_every_inclusion_holds_and_no_changed_one(size: int) -> None:
    leaves = numbered(size)
    node, root = reader(leaves), defined_root(leaves)
    for index in range(size):
        path = merkle.inclusion_path(index, size, node)
        merkle.verify_inclusion(index, size, leaves[index], root, path)
        changed = [
            (index, size, leaves[index], [*path, root]),
            (index, size, node_hash(leaves[index], root), path),
            (size, size, leaves[index], path),
            (index + size, size, leaves[index], path),
            (-1, size, leaves[index], path),
            (index, index, leaves[index], path),
        ]
        if path:
            changed.append((index, size, leaves[index], path[:-1]))
            changed.append((index, size, leaves[index], path[1:]))
            changed.append((index, size, leaves[index], [*path[:-1], leaf_hash(b"?")]))
        if len(path) > 1:
            changed.append((index, size, leaves[index], path[::-1]))
        for case in changed:
            with pytest.raises(ProofError):
                merkle.verify_inclusion(case[0], case[1], case[2], root, case[3])


@pytest.mark.parametrize("size", [*range(1, 34), 64, 65])
def test_every_consistency_holds_and_no_changed_one(size: int) -> None:
    leaves = numbered(size)
    node, root = reader(leaves), defined_root(leaves)
    for old in range(1, size + 1):
        old_root = defined_root(leaves[:old])
        path = merkle.consistency_path(old, size, node)
        merkle.verify_consistency(old, size, old_root, root, path)
        other = leaf_hash(b"?")
        changed = [
            (old, size, old_root, root, [*path, other]),
            (old, size, other, root, path),
            (old, size, old_root, other, path),
            (0, size, hashlib.sha256(b"").digest(), root, []),
            (size + 1, size, old_root, root, path),
        ]
        if path:
            changed += [
                (old, size, old_root, root, path[:-1]),
                (old, size, old_root, root, path[1:]),
                (old, size, old_root, root, []),
                (old, size, old_root, root, [other, *path[1:]]),
            ]
        for case in changed:
            with pytest.raises(ProofError):
                merkle.verify_consistency(*case)


@given(st.integers(1, 600), st.data())
def test_proofs_of_any_size(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    node, root = reader(leaves), defined_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    merkle.verify_inclusion(index, size, leaves[index], root, merkle.inclusion_path(index, size, node))
    path = merkle.consistency_path(old, size, node)
    merkle.verify_consistency(old, size, defined_root(leaves[:old]), root, path)


def test_proofs_that_cannot_be_made() -> None:
    node = reader(numbered(4))
    for index, size in ((4, 4), (-1, 4), (0, 0)):
        with pytest.raises(ValueError, match="is not in a tree"):
            merkle.inclusion_path(index, size, node)
    for old, size in ((0, 4), (5, 4)):
        with pytest.raises(ValueError, match="no consistency proof"):
            merkle.consistency_path(old, size, node)
