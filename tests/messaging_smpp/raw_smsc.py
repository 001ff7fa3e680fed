"""An SMSC made of a bare socket, that does exactly what a test tells it to, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

WITHIN_S = 10.0
BINDS = {1, 2, 9}
ANSWER = 0x8000_0000
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK, DATA_SM = 4, 5, 6, 0x15, 0x103
GENERIC_NACK = ANSWER
ENQUIRE_LINK_RESP, DELIVER_SM_RESP, SUBMIT_SM_RESP = (
    ENQUIRE_LINK | ANSWER,
    DELIVER_SM | ANSWER,
    SUBMIT_SM | ANSWER,
)


@dataclass(frozen=True)
class Raw:
    """A PDU as it lay on the wire."""

    command_id: int
    status: int
    sequence: int
    body: bytes


def pdu(command_id: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """The bytes of a PDU."""
    words = (16 + len(body), command_id, status, sequence)
    return b"".join(word.to_bytes(4, "big") for word in words) + body


def delivery(
    text: bytes, *, esm_class: int = 4, source: bytes = b"1380", tlvs: bytes = b"", coding: int = 0
) -> bytes:
    """The body of a deliver_sm."""
    head = b"\0" + b"\1\1" + source + b"\0" + b"\0\0" + b"1069\0" + bytes([esm_class, 0, 0])
    return head + b"\0\0" + bytes([0, 0, coding, 0, len(text)]) + text + tlvs


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.sequence = 0

    async def read(self, *, skip: frozenset[int] = frozenset({ENQUIRE_LINK})) -> Raw:
        """The next PDU whose command is not in `skip`; enquire_link is answered on the way."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                head = await self.reader.readexactly(16)
                size, command_id, status, sequence = (
                    int.from_bytes(head[at : at + 4], "big") for at in (0, 4, 8, 12)
                )
                body = await self.reader.readexactly(size - 16)
                if command_id == ENQUIRE_LINK and command_id in skip:
                    self.send(pdu(ENQUIRE_LINK_RESP, sequence))
                elif command_id not in skip:
                    return Raw(command_id, status, sequence, body)

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)

    def answer(self, request: Raw, status: int = 0, body: bytes | None = None) -> None:
        """Answer a request; submit_sm gets its sequence number as the id."""
        if body is None:
            body = b"id-%d\0" % request.sequence if not status else b""
        self.send(pdu(request.command_id | ANSWER, request.sequence, body, status))

    def deliver(self, body: bytes, command_id: int = DELIVER_SM) -> int:
        """Send a deliver_sm; returns its sequence number."""
        self.sequence += 1
        self.send(pdu(command_id, self.sequence, body))
        return self.sequence

    async def bound(self, status: int = 0) -> Raw:
        """Answer the bind that comes; returns it."""
        bind = await self.read()
        assert bind.command_id in BINDS
        self.answer(bind, status, b"" if status else b"raw\0")
        return bind

    async def ended(self) -> bytes:
        """What still comes until the client closes."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WITHIN_S):
                return await self.reader.read()
        return b""

    def close(self) -> None:
        """Close at once."""
        self.writer.transport.abort()


class RawSmsc:
    """Listens on loopback; `accept` gives the connections in the order in which they come."""

    def __init__(self) -> None:
        self.port = 0
        self._came: asyncio.Queue[Connection] = asyncio.Queue(maxsize=1000)

    async def accept(self, within_s: float = WITHIN_S) -> Connection:
        """The next connection. Raises `TimeoutError`."""
        async with asyncio.timeout(within_s):
            return await self._came.get()

    async def bound(self) -> Connection:
        """The next connection, with its bind answered."""
        connection = await self.accept()
        await connection.bound()
        return connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._came.put_nowait(Connection(reader, writer))


@contextlib.asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawSmsc]:
    """A raw SMSC on a free port of loopback."""
    smsc = RawSmsc()
    server = await asyncio.start_server(smsc._serve, "127.0.0.1", 0, ssl=tls)
    smsc.port = server.sockets[0].getsockname()[1]
    try:
        yield smsc
    finally:
        server.close()
        while not smsc._came.empty():
            smsc._came.get_nowait().close()
