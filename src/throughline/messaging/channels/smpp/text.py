"""A text into parts: the choice of its alphabet, and where it may be cut.

A part holds 160 septets, 140 bytes of Latin-1 or 70 units of UCS-2 when it is alone, and less with a header: 153,
134 or 67. A character of two septets, and one of two units, is never cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from throughline.messaging.channels.smpp import gsm7, udh
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.channels.smpp.udh import PartOf

HAS_UDH = 0x40
"""Bit of esm_class: the content begins with a user data header."""


class Alphabet(StrEnum):
    """How characters become bytes."""

    GSM7 = "gsm7"
    LATIN1 = "latin1"
    UCS2 = "ucs2"


class Joining(StrEnum):
    """How the parts of a text say that they belong together."""

    UDH = "udh"
    SAR = "sar"
    PAYLOAD = "payload"  # one PDU with all of it; the SMSC cuts


@dataclass(frozen=True, slots=True)
class _Room:
    data_coding: int
    alone: int  # bytes on our wire
    joined: int


_ROOMS: Mapping[Alphabet, _Room] = MappingProxyType(
    {
        Alphabet.GSM7: _Room(0, 160, 153),
        Alphabet.LATIN1: _Room(3, 140, 134),
        Alphabet.UCS2: _Room(8, 140, 134),
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one submit_sm carries. Content is never printed."""

    short_message: bytes = field(repr=False)
    data_coding: int
    esm_class: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    number: int = 1
    total: int = 1


class TextTooLong(ValueError):
    """The text needs more parts than are allowed."""


class NoAlphabet(ValueError):
    """None of the alphabets that are allowed has all characters of the text."""


def parts(
    text: str,
    *,
    alphabets: Sequence[Alphabet] = (Alphabet.GSM7, Alphabet.UCS2),
    joining: Joining = Joining.UDH,
    reference: int = 0,
    max_parts: int = 10,
) -> list[Part]:
    """The parts of a text in the first alphabet that has all its characters.

    `reference` (0 to 255) tells this text from others to the same phone. Raises `NoAlphabet`, `TextTooLong`.
    """
    alphabet, units = _units(text, alphabets)
    room = _ROOMS[alphabet]
    chunks = _cut(units, room)
    if len(chunks) > min(max_parts, 255):
        raise TextTooLong(f"{len(chunks)} parts are more than {min(max_parts, 255)}")
    if len(chunks) == 1:
        return [Part(chunks[0], room.data_coding)]
    if joining is Joining.PAYLOAD:
        return [Part(b"", room.data_coding, tlvs={Tag.MESSAGE_PAYLOAD: b"".join(units)})]
    return [
        _joined(chunk, room, joining, PartOf(reference % 256, len(chunks), number))
        for number, chunk in enumerate(chunks, 1)
    ]


def _joined(chunk: bytes, room: _Room, joining: Joining, part: PartOf) -> Part:
    if joining is Joining.UDH:
        content = udh.header(part) + chunk
        return Part(content, room.data_coding, HAS_UDH, number=part.number, total=part.total)
    tlvs: dict[int, bytes] = {
        Tag.SAR_MSG_REF_NUM: part.reference.to_bytes(2, "big"),
        Tag.SAR_TOTAL_SEGMENTS: bytes([part.total]),
        Tag.SAR_SEGMENT_SEQNUM: bytes([part.number]),
    }
    return Part(chunk, room.data_coding, tlvs=tlvs, number=part.number, total=part.total)


def _units(text: str, alphabets: Sequence[Alphabet]) -> tuple[Alphabet, list[bytes]]:
    """The bytes of each character."""
    for alphabet in alphabets:
        if alphabet is Alphabet.GSM7:
            found = gsm7.septets(text)
            if found is not None:
                return alphabet, found
            continue
        codec = "latin-1" if alphabet is Alphabet.LATIN1 else "utf-16-be"
        try:
            return alphabet, [char.encode(codec) for char in text]
        except UnicodeEncodeError:  # also a surrogate that stands alone
            continue
    raise NoAlphabet("no alphabet has all characters of the text")


def _cut(units: list[bytes], room: _Room) -> list[bytes]:
    whole = b"".join(units)
    if len(whole) <= room.alone:
        return [whole]
    chunks, chunk = [], b""
    for unit in units:
        if len(chunk) + len(unit) > room.joined:
            chunks.append(chunk)
            chunk = b""
        chunk += unit
    return [*chunks, chunk]
