"""Signed notes (C2SP signed-note v1.0.0): text, an empty line, signature lines.

Ed25519 only (type 0x01) here; cosignatures of type 0x04 are made and checked in `checkpoint`, through
the same line format. A note's text counts only after `verify` has accepted it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from throughline.notary.encoding import Malformed, ProofError, from_base64, to_base64, to_text

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
MAX_NOTE_BYTES = 64 * 1024  # 16 ML-DSA-44 signatures need about 53,000
MAX_SIGNATURES = 100
_LATEST_TIME_S = 253_402_300_799  # 9999-12-31: what a calendar can show; the format's own limit is 2^63 - 1


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name: `<name>+<8 hex of key id>+<base64(type || public key)>`."""

    name: str
    type: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || 0x0A || type || public key)."""
        return hashlib.sha256(self.name.encode("utf-8") + b"\n" + bytes([self.type]) + self.public).digest()[
            :4
        ]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a verifier key text. `Malformed` if the id is not that of the key."""
        # Base64 may hold plus signs: only the first two divide.
        parts = text.split("+", 2)
        if len(parts) != 3 or not re.fullmatch("[0-9a-f]{8}", parts[1]):
            raise Malformed("verifier key: not <name>+<8 hex digits>+<base64>")
        check_key_name(parts[0])
        material = from_base64(parts[2], "verifier key")
        if not material or material[0] not in {ED25519, COSIGNATURE_V1}:
            raise Malformed("verifier key: a signature type that this program does not know")
        if len(material) != 33:
            raise Malformed("verifier key: an Ed25519 public key has 32 bytes")
        key = cls(parts[0], material[0], material[1:])
        if key.key_id.hex() != parts[1]:
            raise Malformed("verifier key: the key id is not that of the key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `data` is what follows the 4-byte key id."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"— {self.name} {to_base64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. `text` ends with a newline and must be ignored until `verify` accepts it."""

    text: str
    signatures: tuple[Signature, ...]


class Signer:
    """An Ed25519 key with a name: signs notes (type 0x01) or cosigns checkpoints (type 0x04)."""

    def __init__(self, name: str, key: Ed25519PrivateKey, kind: int = ED25519) -> None:
        check_key_name(name)
        self._key = key
        self.verifier = VerifierKey(name, kind, key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.verifier})"

    def sign(self, text: str, *, time_s: int | None = None) -> Signature:
        """Sign a note's text. `time_s` (POSIX seconds) is needed for a cosignature and only there."""
        if (time_s is None) == (self.verifier.type == COSIGNATURE_V1):
            raise ValueError("a cosignature carries its time, a log signature does not")
        message = text.encode("utf-8") if time_s is None else cosigned_message(text, time_s)
        stamp = b"" if time_s is None else time_s.to_bytes(8, "big")
        return Signature(self.verifier.name, self.verifier.key_id, stamp + self._key.sign(message))

    def private_text(self) -> str:
        """The signer as one secret line, in the form of Go's note package: PRIVATE+KEY+name+id+base64."""
        seed = bytes([self.verifier.type]) + self._key.private_bytes_raw()
        return f"PRIVATE+KEY+{self.verifier.name}+{self.verifier.key_id.hex()}+{to_base64(seed)}"

    @classmethod
    def parse(cls, secret: str) -> Signer:
        """Read what `private_text` wrote. The error never repeats the text."""
        parts = secret.split("+", 4)
        if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
            raise Malformed("signer key: not PRIVATE+KEY+<name>+<id>+<base64>")
        seed = from_base64(parts[4], "signer key")
        if len(seed) != 33 or seed[0] not in {ED25519, COSIGNATURE_V1}:
            raise Malformed("signer key: not an Ed25519 key of a known type")
        signer = cls(parts[2], Ed25519PrivateKey.from_private_bytes(seed[1:]), seed[0])
        if signer.verifier.key_id.hex() != parts[3]:
            raise Malformed("signer key: the key id is not that of the key")
        return signer


def check_key_name(name: str) -> None:
    """Key names are not empty and have no Unicode space, no control character and no plus sign."""
    if not name or any(character.isspace() or character < " " or character == "+" for character in name):
        raise Malformed("key name: empty, or with a space, a control character or a plus sign")


def parse_signature(line: str) -> Signature:
    """Read one signature line without its newline."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise Malformed("signature line: not an em dash, a key name and base64")
    check_key_name(parts[1])
    data = from_base64(parts[2], "signature line")
    if len(data) < 5:
        raise Malformed("signature line: too short for a key id and a signature")
    return Signature(parts[1], data[:4], data[4:])


def parse(data: bytes) -> Note:
    """Split a note into text and signatures; checks the form only. The text ends at the last empty line."""
    whole = to_text(data, MAX_NOTE_BYTES, "note")
    text, divider, lines = whole.rpartition("\n\n")
    if not divider or not lines.endswith("\n"):
        raise Malformed("note: no signature lines after an empty line")
    split = lines[:-1].split("\n")
    if len(split) > MAX_SIGNATURES:
        raise Malformed(f"note: more than {MAX_SIGNATURES} signatures")
    return Note(text + "\n", tuple(parse_signature(line) for line in split))


def format_note(text: str, signatures: Iterable[Signature]) -> str:
    """The note as text. `text` must end with a newline."""
    if not text.endswith("\n"):
        raise ValueError("a note's text ends with a newline")
    return text + "\n" + "".join(signature.line() for signature in signatures)


def cosigned_message(text: str, time_s: int) -> bytes:
    """What a cosignature v1 signs (C2SP tlog-cosignature)."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds. `time_s` (POSIX seconds) stands only in cosignatures."""

    key: VerifierKey
    signature: Signature
    time_s: int | None


def verify(note: Note, keys: Iterable[VerifierKey]) -> list[Verified]:
    """Check all signatures by known keys and return them in order.

    Signatures of unknown (name, id) pairs are passed over. A known key whose signature fails refuses the
    whole note, and so does a note without any known key: `ProofError`.
    """
    known = {(key.name, key.key_id): key for key in keys}
    held: list[Verified] = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            held.append(Verified(key, signature, _check(note.text, key, signature)))
    if not held:
        raise ProofError("no signature by a known key")
    return held


def _check(text: str, key: VerifierKey, signature: Signature) -> int | None:
    data, time_s, message = signature.data, None, text.encode("utf-8")
    if key.type == COSIGNATURE_V1:
        time_s = int.from_bytes(data[:8], "big")
        data, message = data[8:], cosigned_message(text, time_s)
        if time_s > _LATEST_TIME_S:
            raise ProofError(f"the cosignature of {key.name} has an impossible time")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, message)
    except (InvalidSignature, ValueError):
        raise ProofError(f"the signature of {key.name} does not verify") from None
    return time_s
