"""A PNG file without what is no picture: texts, Exif, times, programs' own parts, whatever follows its end."""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 100_000_000
MOST_CHUNKS = 50_000
_PICTURE = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_COLOURS = frozenset({b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs"})


def cleaned(data: bytes) -> bytes | None:
    """The picture itself with its colours; None where the file is no whole PNG."""
    if not data.startswith(SIGNATURE):
        return None
    kept, at, filled = [SIGNATURE], len(SIGNATURE), False
    for number in range(MOST_CHUNKS):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end], "big"
        ):
            return None
        if (number == 0) != (name == b"IHDR") or (number == 0 and not _sane(data[at + 8 : end - 4])):
            return None
        if name in _PICTURE or name in _COLOURS:
            kept.append(data[at:end])
        elif not name[:1].islower():
            return None  # a part without which the picture can't be drawn, and that nobody knows
        filled = filled or name == b"IDAT"
        if name == b"IEND":
            return b"".join(kept) if filled else None
        at = end
    return None


def _sane(header: bytes) -> bool:
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    return len(header) == 13 and 0 < width * height <= MOST_PIXELS
