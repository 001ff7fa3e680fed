"""Records and leaf entries: what is committed, and how little of it the log shows.

A record is a JSON object of text, integers below 2^53, booleans, null, arrays and objects. Its bytes are
deterministic CBOR (RFC 8949, section 4.2.1), one-to-one for these types. The log holds
`0x01 || HMAC-SHA256(salt, CBOR(record))`: without record and salt these 33 bytes mean nothing, and
with both anybody can check them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import cbor2

from throughline.notary.encoding import Malformed

VERSION = b"\x01"
SALT_BYTES = 32
ENTRY_BYTES = 33
MAX_RECORD_BYTES = 64 * 1024
MAX_DEPTH = 16
_MAX_INTEGER = (1 << 53) - 1  # what the verifier in a browser can hold exactly


def encode(record: Mapping[str, Any]) -> bytes:
    """Deterministic CBOR of a record. `Malformed` for anything that is not one of its types."""
    _check(record, 0)
    try:
        # All keys are text, so cbor2's canonical order (length first) is that of RFC 8949, 4.2.1.
        data: bytes = cbor2.dumps(record, canonical=True)
    except UnicodeEncodeError:
        raise Malformed("record: text that is not Unicode") from None
    if len(data) > MAX_RECORD_BYTES:
        raise Malformed(f"record: longer than {MAX_RECORD_BYTES} bytes")
    return data


def leaf_entry(record: Mapping[str, Any], salt: bytes) -> bytes:
    """The 33 bytes that the log holds for a record."""
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt has 32 bytes")
    return VERSION + hmac.digest(salt, encode(record), hashlib.sha256)


def salt_extra(salt: bytes) -> bytes:
    """The `extra` of a receipt: it lets the borrower prove the record even after the lender erased it."""
    return VERSION + salt


def salt_of(extra: bytes | None) -> bytes:
    """The salt from a receipt's `extra`. `Malformed` unless it is 0x01 and 32 bytes."""
    if extra is None or len(extra) != 1 + SALT_BYTES or extra[:1] != VERSION:
        raise Malformed("extra: not 0x01 and a salt of 32 bytes")
    return extra[1:]


def to_json(record: Mapping[str, Any]) -> str:
    """The record as the text that a borrower keeps."""
    return json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def from_json(data: bytes) -> dict[str, Any]:
    """Read a record file. `Malformed` for duplicate keys, floats, large integers and what is not an object."""
    if len(data) > 4 * MAX_RECORD_BYTES:
        raise Malformed("record: too long")
    try:
        record = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise Malformed("record: not JSON in UTF-8") from None
    except Malformed:
        raise
    except ValueError:  # an integer of thousands of digits
        raise Malformed("record: an integer that is too large") from None
    if not isinstance(record, dict):
        raise Malformed("record: not a JSON object")
    encode(record)
    return record


def plain(value: Any) -> Any:
    """A fact from our code in the types of a record: ids, dates, instants (UTC) and decimals become text.

    TypeError for a float and for a naive instant: neither says exactly what it means.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("an instant needs its zone")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} does not stand in a record")


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"record: nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise Malformed("record: an integer beyond 2^53 - 1")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise Malformed("record: a key that is not text")
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    else:
        raise Malformed("record: a value that is not text, integer, boolean, null, array or object")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Malformed("record: a key that stands twice")
    return record


def _no_float(text: str) -> Any:
    raise Malformed(f"record: {text[:20]} is not an integer; amounts are minor units")
