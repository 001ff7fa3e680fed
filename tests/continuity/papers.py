"""Files as borrowers hand them in, and files that are something else than they seem."""

from __future__ import annotations

import zlib

HTML = b"<!doctype html><script>alert(document.cookie)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
PLACE = b"GPS 31.2304N 121.4737E, iPhone of Wang Xiaoming"


def segment(marker: int, payload: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def exif(way: int, order: str = "II") -> bytes:
    """What a camera writes: how it was held, and where."""
    kind = "little" if order == "II" else "big"

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, kind)  # type: ignore[arg-type]

    entries = [(0x0112, 3, 1, number(way, 2) + b"\0\0"), (0x8825, 4, 1, number(50, 4))]
    written = number(len(entries), 2)
    for tag, form, count, value in entries:
        written += number(tag, 2) + number(form, 2) + number(count, 4) + value
    head = order.encode() + number(42, 2) + number(8, 4)
    return b"Exif\0\0" + head + written + number(0, 4) + PLACE


def jpeg(
    *extra: bytes, tail: bytes = b"", size: tuple[int, int] = (16, 16), scan: bytes = b"\x12\xff\x00\x34"
) -> bytes:
    """A photo with these segments besides what draws it; `tail` follows its end."""
    height, width = size
    frame = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x01\x01\x11\x00"
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xE0, b"JFIF\0\x01\x02\x00\x00\x48\x00\x48\x00\x00"),
            *extra,
            segment(0xDB, b"\0" + bytes(range(1, 65))),
            segment(0xC0, frame),
            segment(0xC4, b"\0" + b"\x01" + bytes(15) + b"\x00"),
            segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            scan,
            b"\xff\xd9",
            tail,
        ]
    )


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png(*extra: bytes, tail: bytes = b"", size: tuple[int, int] = (1, 1), grey: int = 0) -> bytes:
    """A screenshot with these chunks besides what draws it; `tail` follows its end."""
    width, height = size
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    drawn = zlib.compress(b"\0" + bytes((grey,)))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *extra,
            chunk(b"IDAT", drawn),
            chunk(b"IEND", b""),
            tail,
        ]
    )


def pdf(inside: bytes = b"") -> bytes:
    """A letter; `inside` stands in a stream of it."""
    return b"%PDF-1.7\n1 0 obj\n<<>>\nstream\n" + inside + b"\nendstream\nendobj\ntrailer <<>>\n%%EOF\n"
