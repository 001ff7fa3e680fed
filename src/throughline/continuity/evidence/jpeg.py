"""A JPEG file without what is no picture: place and time, device, comments, thumbnails, whatever follows its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

MOST_PIXELS = 100_000_000
MOST_SEGMENTS = 10_000
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # the first marker that ends compressed data
_ORIENTATION = 0x0112


def cleaned(data: bytes) -> bytes | None:
    """The picture itself, with its colours and the way it is held; None where the file is no whole JPEG."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    kept = [b"\xff\xd8"]
    framed = scanned = False
    for marker, payload, rest in _segments(data):
        if marker == _END:
            return b"".join([*kept, b"\xff\xd9"]) if scanned else None
        if marker in _FRAMES:
            if not _sane(payload):
                return None
            framed = True
        if marker == _SCAN:
            if not framed:
                return None
            scanned = True
        said = payload if marker in _FRAMES | _TABLES | {_SCAN} else _of_application(marker, payload)
        if said is not None:
            kept.append(bytes((0xFF, marker)) + (len(said) + 2).to_bytes(2, "big") + said + rest)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, payload and compressed data behind it, one by one; stops where the file is damaged."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff":
            return
        while data[at : at + 1] == b"\xff":
            at += 1
        if at >= len(data):
            return
        marker, at = data[at], at + 1
        if marker == _END:
            yield marker, b"", b""
            return
        length = int.from_bytes(data[at : at + 2], "big")
        if marker < 0xC0 or 0xD0 <= marker <= _START or length < 2 or at + length > len(data):
            return
        payload, at = data[at + 2 : at + length], at + length
        rest = b""
        if marker == _SCAN:
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                return
            rest, at = data[at : found.start()], found.start()
        yield marker, payload, rest


def _sane(frame: bytes) -> bool:
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    return len(frame) >= 6 and 0 < height * width <= MOST_PIXELS


def _of_application(marker: int, payload: bytes) -> bytes | None:
    """What is kept of a program's own segment: density, colour profile, colour model, orientation."""
    if marker == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
        return payload[:12] + b"\0\0"
    if marker == 0xE1 and payload.startswith(b"Exif\0\0"):
        way = _orientation(payload[6:])
        return None if way is None else _held(way)
    if (marker == 0xE2 and payload.startswith(b"ICC_PROFILE\0")) or (
        marker == 0xEE and payload.startswith(b"Adobe")
    ):
        return payload
    return None


def _orientation(tiff: bytes) -> int | None:
    """How the camera was held (1 to 8), out of Exif; None where it does not say."""
    if tiff[:4] not in (b"II*\0", b"MM\0*"):
        return None
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    first = number(4, 4)
    for entry in range(min(number(first, 2), 200)):
        at = first + 2 + entry * 12
        if number(at, 2) == _ORIENTATION:
            way = number(at + 8, 2)
            return way if 1 <= way <= 8 else None
    return None


def _held(way: int) -> bytes:
    """An Exif segment that says nothing but the orientation."""
    entry = _ORIENTATION.to_bytes(2, "big") + b"\0\x03" + b"\0\0\0\x01" + way.to_bytes(2, "big") + b"\0\0"
    return b"Exif\0\0" + b"MM\0*" + b"\0\0\0\x08" + b"\0\x01" + entry + b"\0\0\0\0"
