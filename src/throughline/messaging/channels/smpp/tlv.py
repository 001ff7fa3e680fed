"""Optional parameters of SMPP 3.4 (section 5.3): tag, length, value. Unknown tags are kept like known ones."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from throughline.messaging.channels.smpp import wire
from throughline.messaging.channels.smpp.wire import MalformedPdu, Reader

MAX_TLVS = 64
_HEAD_BYTES = 4


class Tag(IntEnum):
    """The tags that we read or write."""

    RECEIPTED_MESSAGE_ID = 0x001E
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


def read(reader: Reader) -> tuple[dict[int, bytes], bytes]:
    """The parameters by tag, and what stands behind the last whole one: some peers pad, and a receipt must not be
    lost for it. Of a tag that comes twice the first counts. Raises `MalformedPdu` for more than `MAX_TLVS`."""
    found: dict[int, bytes] = {}
    for _ in range(MAX_TLVS):
        if reader.left < _HEAD_BYTES:
            return found, reader.rest()
        head = reader.take(_HEAD_BYTES)
        size = int.from_bytes(head[2:], "big")
        if size > reader.left:
            return found, head + reader.rest()
        found.setdefault(int.from_bytes(head[:2], "big"), reader.take(size))
    if reader.left:
        raise MalformedPdu(f"more than {MAX_TLVS} optional parameters")
    return found, b""


def write(tlvs: Mapping[int, bytes]) -> bytes:
    """The parameters in their order. Raises `MalformedPdu`."""
    if len(tlvs) > MAX_TLVS:
        raise MalformedPdu(f"more than {MAX_TLVS} optional parameters")
    return b"".join(wire.integer(tag, 2) + wire.integer(len(value), 2) + value for tag, value in tlvs.items())


def number(tlvs: Mapping[int, bytes], tag: Tag) -> int | None:
    """An integer parameter of one or two bytes; None when it is missing or has another size."""
    value = tlvs.get(tag)
    return int.from_bytes(value, "big") if value is not None and len(value) in {1, 2} else None
