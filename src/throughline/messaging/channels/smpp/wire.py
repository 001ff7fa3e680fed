"""The smallest pieces of SMPP 3.4 (SMPP Forum, issue 1.2, section 3.1): integers and strings that end with NUL.

Text is kept as latin-1, in which every byte is one character, so that whatever a peer writes comes back as it was.
"""

from __future__ import annotations

HEADER_BYTES = 16
MAX_PDU_BYTES = 65_536
"""The longest PDU that is read or written, bytes. The protocol allows 4 GiB; a text of 255 parts takes 39 kB."""


class MalformedPdu(ValueError):
    """These bytes are no PDU, or this PDU has no bytes: the one error of the codec.

    `command_id` and `sequence` are those of the header where it could be read, so that a peer can be answered.
    """

    def __init__(self, why: str, *, command_id: int | None = None, sequence: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.command_id = command_id
        self.sequence = sequence


class Reader:
    """A cursor over the body of one PDU. Every method raises `MalformedPdu` at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise MalformedPdu(f"{count} bytes are announced, {self.left} are there")
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def integer(self, size: int) -> int:
        """An unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def text(self, limit: int) -> str:
        """A string that ends with NUL, at most `limit` bytes with it."""
        end = self._data.find(b"\0", self._at, self._at + limit)
        if end < 0:
            raise MalformedPdu(f"a string has no end within {limit} bytes")
        return self.take(end + 1 - self._at)[:-1].decode("latin-1")


def integer(value: int, size: int) -> bytes:
    """An unsigned integer of `size` bytes. Raises `MalformedPdu`."""
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise MalformedPdu(f"{value} does not fit into {size} bytes") from None


def text(value: str, limit: int) -> bytes:
    """A string with its NUL, at most `limit` bytes with it. Raises `MalformedPdu`."""
    try:
        written = value.encode("latin-1")
    except UnicodeEncodeError:
        raise MalformedPdu("a string has characters beyond latin-1") from None
    if len(written) >= limit or b"\0" in written:
        raise MalformedPdu(f"a string has NUL or more than {limit - 1} bytes")
    return written + b"\0"
