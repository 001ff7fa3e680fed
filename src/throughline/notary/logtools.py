"""Inspection of any log in the published formats: checkpoints, proofs, tiles. No database.

Exit codes as for receipts: 0 it holds, 2 malformed input, 3 it does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx

from throughline.kernel.i18n import N_, gettext
from throughline.notary import checkpoint, merkle, tiles
from throughline.notary.checkpoint import Checkpoint, Opened
from throughline.notary.encoding import HASH_BYTES, Malformed, ProofError, from_base64_hash, to_base64
from throughline.notary.note import ED25519, MAX_NOTE_BYTES, VerifierKey
from throughline.notary.tiles import WIDTH, TilePath
from throughline.notary.verify import MALFORMED, NOT_PROVED, PROVED, Outcome, instant, printable

MAX_LINE_BYTES = 64 * 1024
_MAX_RESOURCE_BYTES = WIDTH * (tiles.MAX_ENTRY_BYTES + 2)

_SENTENCES = {
    "signed": N_("The checkpoint of %(origin)s at size %(size)s is signed by %(signers)s."),
    "tiles": N_(
        "All tiles and entries of %(origin)s up to size %(size)s lead to the root of its checkpoint."
    ),
    "not_proved": N_("It does NOT hold (%(problem)s)."),
    "malformed": N_("The input is malformed (%(problem)s)."),
}

# The bytes of a resource of the log by its path; None if it is not there.
Fetch = Callable[[str], bytes | None]


def log_checkpoint(file: Path, keys: Iterable[str], lang: str) -> Outcome:
    """Parse, verify and show a checkpoint. `keys` are verifier keys of the log (type 0x01) and of witnesses."""
    try:
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_NOTE_BYTES + 1)
        except OSError as error:
            raise Malformed(f"{file}: {error.strerror}") from None
        head, _ = checkpoint.parse(data)
        opened = _open(data, keys)
    except (Malformed, ProofError) as error:
        return _failed(error, lang)
    return _say("signed", PROVED, lang, _facts(head, opened))


def log_tiles(source: str, keys: Iterable[str], lang: str) -> Outcome:
    """Check every tile and entry bundle of a log in a folder or at a URL against its checkpoint.

    Without keys the tiles are checked, but nobody vouches for the checkpoint; `signers` is empty then.
    """
    fetch = source_of(source)
    try:
        data = _needed(fetch, "checkpoint")
        head, _ = checkpoint.parse(data)
        keys = list(keys)
        opened = _open(data, keys) if keys else None
        checked = _check_tiles(fetch, head)
    except (Malformed, ProofError) as error:
        return _failed(error, lang)
    return _say("tiles", PROVED, lang, {**_facts(head, opened), "tiles": checked})


def log_prove(
    source: str, size: int, *, index: int | None = None, old_size: int | None = None
) -> dict[str, Any]:
    """An inclusion proof of `index` or a consistency proof from `old_size`, made from a log's tiles.

    The answer is a document that `log_check_inclusion` or `log_check_consistency` takes. `Malformed` or
    `ProofError` when the log does not serve what is needed; ValueError for sizes that have no proof.
    """
    fetch = source_of(source)
    node = tiles.node_reader(lambda level, n: _hashes(fetch, TilePath(level, n, _width(size, level, n))))
    try:
        root = to_base64(merkle.root(size, node))
        if index is not None:
            path = merkle.inclusion_path(index, size, node)
            leaf = to_base64(node(0, index))
            answer = {"index": index, "size": size, "leaf_hash": leaf, "root": root}
        elif old_size is not None:
            path = merkle.consistency_path(old_size, size, node)
            old_root = to_base64(merkle.root(old_size, node))
            answer = {"old_size": old_size, "old_root": old_root, "size": size, "root": root}
        else:
            raise ValueError("either an index or an old size is needed")
    except LookupError as error:
        raise ProofError(str(error)) from None
    return {**answer, "proof": [to_base64(each) for each in path]}


def log_check_inclusion(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Check inclusion proofs, a JSON document a line; (exit code, verdict) for each, in order."""

    def check(item: dict[str, Any]) -> None:
        leaf, root = _hash(item, "leaf_hash"), _hash(item, "root")
        merkle.verify_inclusion(_number(item, "index"), _number(item, "size"), leaf, root, _path(item))

    return _verdicts(lines, check)


def log_check_consistency(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Check consistency proofs, a JSON document a line; (exit code, verdict) for each, in order."""

    def check(item: dict[str, Any]) -> None:
        old_root, root = _hash(item, "old_root"), _hash(item, "root")
        merkle.verify_consistency(
            _number(item, "old_size"), _number(item, "size"), old_root, root, _path(item)
        )

    return _verdicts(lines, check)


def overall(codes: Iterable[int]) -> int:
    """The exit code for many verdicts: 2 if any input was malformed, else 3 if any does not hold."""
    seen = set(codes)
    return next((code for code in (MALFORMED, NOT_PROVED) if code in seen), PROVED)


def source_of(source: str) -> Fetch:
    """Reads a log's resources from a folder or below a URL."""
    if source.startswith(("http://", "https://")):
        return lambda path: _fetch_url(f"{source.rstrip('/')}/{path}")
    return lambda path: _fetch_file(Path(source) / path)


def _verdicts(
    lines: Iterable[bytes], check: Callable[[dict[str, Any]], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for nr, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            check(_document(line))
        except Malformed as error:
            yield MALFORMED, {"line": nr, "error": str(error)}
        except ProofError as error:
            yield NOT_PROVED, {"line": nr, "ok": False, "problem": str(error)}
        else:
            yield PROVED, {"line": nr, "ok": True}


def _document(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise Malformed(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        item = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("not JSON in UTF-8") from None
    if not isinstance(item, dict):
        raise Malformed("not a JSON object")
    return item


def _number(item: dict[str, Any], name: str) -> int:
    value = item.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise Malformed(f"{name}: not an integer from 0 to 2^63 - 1")
    return value


def _hash(item: dict[str, Any], name: str) -> bytes:
    value = item.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name}: not a hash in base64")
    return from_base64_hash(value, name)


def _path(item: dict[str, Any]) -> list[bytes]:
    value = item.get("proof")
    if value is None:
        value = []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Malformed("proof: not a list of hashes in base64")
    return [from_base64_hash(each, "proof") for each in value]


def _check_tiles(fetch: Fetch, head: Checkpoint) -> int:
    """Entries lead to level 0, full tiles to the level above, the right edge to the root; number of tiles."""
    pending: dict[int, bytes] = {}  # level -> hashes of the tile that is being filled
    checked = 0

    def close(level: int, n: int) -> None:
        nonlocal checked
        mine = pending.pop(level)
        if _hashes(fetch, TilePath(level, n, len(mine) // HASH_BYTES)) != mine:
            raise ProofError(f"tile {level}/{n} does not hold the hashes of what lies below it")
        checked += 1
        if len(mine) < WIDTH * HASH_BYTES:
            edge[level, n] = mine
            return
        pending[level + 1] = pending.get(level + 1, b"") + tiles.subtree_hash(mine)
        if len(pending[level + 1]) == WIDTH * HASH_BYTES:
            close(level + 1, n // WIDTH)

    edge: dict[tuple[int, int], bytes] = {}
    for first in range(0, head.size, WIDTH):
        width = min(WIDTH, head.size - first)
        bundle = TilePath(-1, first // WIDTH, width)
        pending[0] = tiles.bundle_hashes(_bundle(fetch, bundle), width)
        close(0, first // WIDTH)
    for level in sorted(pending):
        close(level, (head.size >> (8 * level)) // WIDTH)
    if merkle.root(head.size, tiles.node_reader(lambda level, n: edge[level, n])) != head.root:
        raise ProofError("the tiles do not lead to the root of the checkpoint")
    return checked


def _width(size: int, level: int, n: int) -> int:
    return min(WIDTH, (size >> (8 * level)) - n * WIDTH)


def _hashes(fetch: Fetch, tile: TilePath) -> bytes:
    data = _partial_or_full(fetch, tile)
    if len(data) < tile.width * HASH_BYTES or len(data) % HASH_BYTES:
        raise Malformed(f"{tiles.tile_path(tile)}: not {tile.width} hashes")
    return data[: tile.width * HASH_BYTES]


def _bundle(fetch: Fetch, bundle: TilePath) -> bytes:
    data = fetch(tiles.tile_path(bundle))
    if data is not None:
        return data
    # The partial bundle is gone because the full one is there: its first entries are the same.
    full = TilePath(-1, bundle.n, WIDTH)
    entries = tiles.decode_bundle(_needed(fetch, tiles.tile_path(full)), WIDTH)
    return tiles.encode_bundle(entries[: bundle.width])


def _partial_or_full(fetch: Fetch, tile: TilePath) -> bytes:
    data = fetch(tiles.tile_path(tile))
    return _needed(fetch, tiles.tile_path(TilePath(tile.level, tile.n, WIDTH))) if data is None else data


def _needed(fetch: Fetch, path: str) -> bytes:
    data = fetch(path)
    if data is None:
        raise ProofError(f"{path} is not there")
    return data


def _fetch_file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_RESOURCE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}") from None
    if len(data) > _MAX_RESOURCE_BYTES:
        raise Malformed(f"{path}: too long")
    return data


def _fetch_url(url: str) -> bytes | None:
    data = b""
    try:
        with httpx.stream("GET", url, timeout=30, follow_redirects=False) as response:
            if response.status_code == 404:
                return None
            if response.status_code != 200:
                raise Malformed(f"{url}: status {response.status_code}")
            for chunk in response.iter_bytes(65_536):
                data += chunk
                if len(data) > _MAX_RESOURCE_BYTES:
                    raise Malformed(f"{url}: too long")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Malformed(f"{url}: {type(error).__name__}") from None
    return data


def _open(data: bytes, keys: Iterable[str]) -> Opened:
    return checkpoint.open_checkpoint(data, *_by_kind(keys))


def _by_kind(keys: Iterable[str]) -> tuple[list[VerifierKey], list[VerifierKey]]:
    parsed = [VerifierKey.parse(key) for key in keys]
    logs = [key for key in parsed if key.type == ED25519]
    return logs, [key for key in parsed if key.type != ED25519]


def _facts(head: Checkpoint, opened: Opened | None) -> dict[str, Any]:
    signers = [] if opened is None else [{"name": printable(opened.log.name), "time": None}]
    if opened is not None:
        signers += [
            {"name": printable(each.key.name), "time": instant(each.time_s or 0)}
            for each in opened.cosignatures
        ]
    return {
        "origin": printable(head.origin),
        "size": head.size,
        "root": to_base64(head.root),
        "signers": signers,
    }


def _failed(error: Exception, lang: str) -> Outcome:
    name, code = ("malformed", MALFORMED) if isinstance(error, Malformed) else ("not_proved", NOT_PROVED)
    return _say(name, code, lang, {"problem": printable(str(error), 500)})


def _say(sentence: str, code: int, lang: str, facts: dict[str, Any]) -> Outcome:
    shown = dict(facts)
    if "signers" in shown:
        shown["signers"] = ", ".join(each["name"] for each in shown["signers"])
    text = gettext(_SENTENCES[sentence], "zh-CN" if lang == "zh" else "en", **shown)
    return Outcome(code, text, {"exit_code": code, **facts})
