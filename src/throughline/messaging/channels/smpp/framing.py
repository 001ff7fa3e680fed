"""A stream of bytes into frames. It may come split or merged in every way."""

from __future__ import annotations

from collections.abc import Iterator

from throughline.messaging.channels.smpp.wire import HEADER_BYTES, MAX_PDU_BYTES, MalformedPdu


class Framer:
    """Holds what has come of an unfinished frame: less than `MAX_PDU_BYTES` and the piece that was fed last."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now. Raises `MalformedPdu` for a length that no PDU has: the stream can't be
        read on from there. To be used up before the next piece is fed."""
        self._held += data
        at = 0
        try:
            while len(self._held) - at >= HEADER_BYTES:
                size = int.from_bytes(self._held[at : at + 4], "big")
                if not HEADER_BYTES <= size <= MAX_PDU_BYTES:
                    raise MalformedPdu(f"a PDU of {size} bytes is announced")
                if len(self._held) - at < size:
                    return
                at += size
                yield bytes(self._held[at - size : at])
        finally:
            del self._held[:at]
