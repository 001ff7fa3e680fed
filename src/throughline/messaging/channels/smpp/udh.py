"""User data headers (3GPP TS 23.040, section 9.2.3.24): which part of a longer text a message is."""

from __future__ import annotations

from dataclasses import dataclass

HEADER_BYTES = 6
_CONCAT_8, _CONCAT_16 = 0x00, 0x08


@dataclass(frozen=True, slots=True)
class PartOf:
    """Part `number` (from 1) of `total`; `reference` is the same in all of them."""

    reference: int
    total: int
    number: int

    @property
    def sound(self) -> bool:
        """Whether there can be such a part."""
        return 1 <= self.number <= self.total <= 255


def header(part: PartOf) -> bytes:
    """The header of a part with an 8-bit reference. Raises `ValueError` for what does not fit a byte."""
    return bytes([5, _CONCAT_8, 3, part.reference, part.total, part.number])


def split(data: bytes) -> tuple[PartOf | None, bytes]:
    """The part that the header in front of `data` tells of (None if it does not), and the content behind it.

    A header that is longer than the message is no header: all of it is content.
    """
    if not data or data[0] >= len(data):
        return None, data
    head, content = data[1 : data[0] + 1], data[data[0] + 1 :]
    while len(head) >= 2 and len(head) >= head[1] + 2:  # each round takes two bytes or more from at most 255
        kind, size = head[0], head[1]
        value, head = head[2 : 2 + size], head[2 + size :]
        if kind == _CONCAT_8 and size == 3:
            return _sound(PartOf(value[0], value[1], value[2])), content
        if kind == _CONCAT_16 and size == 4:
            return _sound(PartOf(int.from_bytes(value[:2], "big"), value[2], value[3])), content
    return None, content


def _sound(part: PartOf) -> PartOf | None:
    return part if part.sound and part.total > 1 else None
