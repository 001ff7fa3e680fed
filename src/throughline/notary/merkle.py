"""Merkle tree arithmetic of RFC 6962, section 2.1, with SHA-256.

Making proofs needs hashes of complete subtrees; a `NodeReader` gives them (from tiles, from a list).
Checking proofs follows RFC 9162, sections 2.1.3.2 and 2.1.4.2, which describe the same tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from throughline.notary.encoding import ProofError

MAX_PATH = 63  # hashes in a proof, for trees below 2^63 leaves
EMPTY_ROOT = hashlib.sha256(b"").digest()

# (height, index) -> hash of the complete subtree over leaves [index << height, (index + 1) << height)
NodeReader = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a log entry: H(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: H(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(size: int, node: NodeReader) -> bytes:
    """Root of the tree over the first `size` leaves; H("") for none."""
    return _range_hash(0, size, node) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, node: NodeReader) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, the leaf's sibling first. ValueError outside the tree."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, node))
            high = middle
        else:
            path.append(_range_hash(low, middle, node))
            low = middle
    return path[::-1]


def consistency_path(old_size: int, size: int, node: NodeReader) -> list[bytes]:
    """Proof that the tree of `size` leaves only adds to that of `old_size`; empty when they are equal."""
    if not 0 < old_size <= size:
        raise ValueError(f"no consistency proof from {old_size} to {size}")
    path: list[bytes] = []
    low, high = 0, size
    # Descend to the right edge of the old tree. While it is the left edge of the new one too, the checker
    # has its hash already: it is the old root.
    while high != old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(_range_hash(middle, high, node))
            high = middle
        else:
            path.append(_range_hash(low, middle, node))
            low = middle
    if low != 0:
        path.append(_range_hash(low, high, node))
    return path[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to. `ProofError` unless index < size and the length is exact."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not below the tree size {size}")
    position, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("the proof has too many hashes")
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the proof has too few hashes")
    return result


def verify_inclusion(index: int, size: int, leaf: bytes, expected_root: bytes, path: Sequence[bytes]) -> None:
    """Check that `leaf` (a leaf hash) stands at `index` of the tree; `ProofError` if that is not proved."""
    if root_from_inclusion(index, size, leaf, path) != expected_root:
        raise ProofError("the hashes do not lead to the root of the checkpoint")


def verify_consistency(
    old_size: int, size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the new tree only adds to the old one; `ProofError` if that is not proved.

    Size 0 is refused: RFC 6962 defines the proof for 0 < m, and an empty tree proves nothing.
    """
    if not 0 < old_size <= size:
        raise ProofError(f"no consistency proof leads from size {old_size} to {size}")
    if old_size == size:
        if path or old_root != new_root:
            raise ProofError("equal sizes need an empty proof and equal roots")
        return
    if not path:
        raise ProofError("the proof is empty")
    hashes = list(path)
    if old_size & (old_size - 1) == 0:
        # The old tree is one complete subtree: its root is the first node and is not sent.
        hashes.insert(0, old_root)
    position, last = old_size - 1, size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_result = new_result = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the proof has too many hashes")
        if position & 1 or position == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_result = node_hash(new_result, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the proof has too few hashes")
    if old_result != old_root or new_result != new_root:
        raise ProofError("the hashes do not lead to both roots")


def _split(width: int) -> int:
    # The largest power of two below `width`.
    return 1 << ((width - 1).bit_length() - 1)


def _range_hash(low: int, high: int, node: NodeReader) -> bytes:
    width = high - low
    if width & (width - 1) == 0:
        height = width.bit_length() - 1
        return node(height, low >> height)
    middle = low + _split(width)
    return node_hash(_range_hash(low, middle, node), _range_hash(middle, high, node))
