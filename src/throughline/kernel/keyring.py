"""The key ring: key-encryption keys and derivation secrets, kept outside the database.

In development it is a file (mode 0600) that is made at first use. In production the file is put there
by the owner of the keys; other providers (PKCS#11, a key service) can stand behind the same class.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from functools import lru_cache
from pathlib import Path

from throughline.kernel.settings import settings

_KINDS = ("index", "pepper", "ed25519")


class KeyRingError(RuntimeError):
    """The key ring is missing, damaged or unsafe; the text says what to do."""


class KeyRing:
    """Keys read from one file: `{"current": id, "keks": {id: base64}, "secrets": {kind: base64}}`."""

    def __init__(self, content: dict[str, object], source: Path) -> None:
        self._source = source
        try:
            keks, kinds, self._current = content["keks"], content["secrets"], str(content["current"])
            if not isinstance(keks, dict) or not isinstance(kinds, dict):
                raise TypeError("keks and secrets must be objects")
            self._keks = {str(name): _key(value) for name, value in keks.items()}
            self._secrets = {kind: _key(kinds[kind]) for kind in _KINDS}
        except (KeyError, TypeError, ValueError) as error:
            raise KeyRingError(f"{source} is not a key ring: {error}") from error
        if self._current not in self._keks:
            raise KeyRingError(f"{source}: the current key {self._current!r} is not in the ring")

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keks)} keys from {self._source})"

    def current_kek(self) -> tuple[str, bytes]:
        """Id and bytes of the key that wraps new data keys."""
        return self._current, self._keks[self._current]

    def kek(self, kek_id: str) -> bytes:
        """A key-encryption key by id. KeyRingError if this ring does not have it."""
        try:
            return self._keks[kek_id]
        except KeyError:
            raise KeyRingError(
                f"{self._source} lacks the key {kek_id!r}: data was sealed with another key ring; put that one back"
            ) from None

    def secret(self, kind: str) -> bytes:
        """The 32-byte root from which keys of one kind are derived."""
        return self._secrets[kind]


def _key(value: object) -> bytes:
    key = base64.b64decode(str(value), validate=True)
    if len(key) != 32:
        raise ValueError("a key must have 32 bytes")
    return key


def _read(path: Path) -> KeyRing:
    if path.stat().st_mode & 0o077:
        raise KeyRingError(f"{path} can be read by others: chmod 600 it")
    try:
        return KeyRing(json.loads(path.read_text(encoding="utf-8")), path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise KeyRingError(f"{path} is not a key ring: {error}") from error


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)

    def fresh() -> str:
        return base64.b64encode(secrets.token_bytes(32)).decode("ascii")

    name = f"kek-{secrets.token_hex(4)}"  # a lost ring must not be mistaken for this one
    content = {"current": name, "keks": {name: fresh()}, "secrets": {kind: fresh() for kind in _KINDS}}
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(draft, path)  # fails if another process was first: a ring is never overwritten
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@lru_cache(maxsize=1)
def key_ring() -> KeyRing:
    """The key ring of this installation; made at first use if the file is not there.

    A ring that was lost is not replaced by this: data sealed with it names a key that the new one lacks.
    """
    path = settings().key_ring_file
    if not path.exists():
        _create(path)
    return _read(path)
