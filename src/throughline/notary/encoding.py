"""Strict readers that all formats of the log share: one text for one value, or refused."""

from __future__ import annotations

import base64
import binascii
import re

HASH_BYTES = 32
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")


class Malformed(ValueError):
    """The bytes are not of the published format. The text says what and where, in English."""


class ProofError(Exception):
    """Well-formed, but it does not prove what it claims."""


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """Decode standard base64 with padding and no spare bits; `Malformed` names `what` otherwise."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Malformed(f"{what}: not standard base64") from None
    # b64decode forgives bits after the last byte and padding in odd places: two texts for one value.
    if to_base64(data) != text:
        raise Malformed(f"{what}: not the one base64 form of its bytes")
    return data


def from_base64_hash(text: str, what: str) -> bytes:
    """Decode a SHA-256 hash in base64."""
    data = from_base64(text, what)
    if len(data) != HASH_BYTES:
        raise Malformed(f"{what}: a hash has 32 bytes, not {len(data)}")
    return data


def from_decimal(text: str, what: str) -> int:
    """Read an ASCII decimal with no sign and no leading zero, below 2^63."""
    # fullmatch on ASCII bytes: `\\d` and int() would also take other scripts, spaces and underscores.
    if not text.isascii() or not _DECIMAL.fullmatch(text.encode("ascii")):
        raise Malformed(f"{what}: not a decimal number without leading zeros")
    value = int(text)
    if value >= 1 << 63:
        raise Malformed(f"{what}: above 2^63 - 1")
    return value


def to_text(data: bytes, limit_bytes: int, what: str) -> str:
    """Decode UTF-8 text without control characters but newline, at most `limit_bytes` long."""
    if len(data) > limit_bytes:
        raise Malformed(f"{what}: longer than {limit_bytes} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"{what}: not UTF-8") from None
    if any(character < " " and character != "\n" for character in text):
        raise Malformed(f"{what}: a control character other than newline")
    return text
