"""What a deliver_sm or data_sm carries: its bytes, its place in a longer text, and its characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from throughline.messaging.channels.smpp import gsm7, tlv, udh
from throughline.messaging.channels.smpp.bodies import DataMessage, Message
from throughline.messaging.channels.smpp.text import HAS_UDH, Alphabet
from throughline.messaging.channels.smpp.tlv import Tag
from throughline.messaging.channels.smpp.udh import PartOf

_IA5 = 1
_CODECS: Mapping[int, str] = MappingProxyType(
    {_IA5: "ascii", 3: "latin-1", 6: "iso8859-5", 7: "iso8859-8", 8: "utf-16-be"}
)
_BINARY = frozenset({2, 4})
_CLASSES = 0xF0


@dataclass(frozen=True, slots=True)
class Content:
    """`text` is None for binary content and for codings that we do not read. Never printed."""

    raw: bytes = field(repr=False)
    text: str | None = field(repr=False)
    part: PartOf | None = None


def content(message: Message | DataMessage, *, default: Alphabet = Alphabet.GSM7) -> Content:
    """The content of a message. `default`: the alphabet of data_coding 0 at this SMSC."""
    body = message.short_message if isinstance(message, Message) else b""
    raw = body or message.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    part = _sar(message.tlvs)
    if message.esm_class & HAS_UDH:
        told, raw = udh.split(raw)
        part = told or part
    return Content(raw, decoded(raw, message.data_coding, default=default), part)


def decoded(raw: bytes, data_coding: int, *, default: Alphabet = Alphabet.GSM7) -> str | None:
    """The characters of content in a data_coding. What can't be read within it becomes U+FFFD."""
    if data_coding & _CLASSES == _CLASSES:  # 3GPP TS 23.038: bit 2 tells 8-bit data
        data_coding = 4 if data_coding & 0x04 else 0
    if data_coding == _IA5 and any(byte < 0x20 and byte not in b"\t\n\r" for byte in raw):
        data_coding, default = 0, Alphabet.GSM7  # some peers write septets and call them IA5
    if data_coding in _BINARY:
        return None
    if data_coding == 0:
        if default is Alphabet.GSM7:
            return gsm7.decode(raw)
        return raw.decode("latin-1" if default is Alphabet.LATIN1 else "utf-16-be", "replace")
    codec = _CODECS.get(data_coding)
    return raw.decode(codec, "replace") if codec else None


def _sar(tlvs: Mapping[int, bytes]) -> PartOf | None:
    reference, total, number = (
        tlv.number(tlvs, tag) for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    if reference is None or total is None or number is None:
        return None
    part = PartOf(reference, total, number)
    return part if part.sound and total > 1 else None
