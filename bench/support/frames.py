"""Frames of given sizes to and fro over one TCP connection with a window, and nothing else: the ceiling of a session.

Run as a program it is the other side: for each frame an answer and a receipt, whose acknowledgement it reads.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass

SUBMIT, ANSWER, RECEIPT, ACK = 1, 2, 3, 4
_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a frame of each kind; the first two tell the size, the third the kind."""

    submit: int
    answer: int
    receipt: int
    ack: int


def frame(kind: int, size: int) -> bytes:
    """A frame."""
    return size.to_bytes(2, "big") + bytes([kind]) + bytes(size - 3)


class _Side(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        self._held += data
        at = 0
        while len(self._held) - at >= 3:
            size = int.from_bytes(self._held[at : at + 2], "big")
            if len(self._held) - at < size:
                break
            self.took(self._held[at + 2])
            at += size
        self._held = self._held[at:]

    def took(self, kind: int) -> None:
        """A whole frame came."""


class _Peer(_Side):
    def __init__(self, sizes: Sizes) -> None:
        self._answer, self._receipt = frame(ANSWER, sizes.answer), frame(RECEIPT, sizes.receipt)

    def took(self, kind: int) -> None:
        if kind == SUBMIT:
            self.transport.write(self._answer)
            self.transport.write(self._receipt)

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().stop()


class _Client(_Side):
    def __init__(self, sizes: Sizes, count: int, window: int) -> None:
        self._submit, self._ack = frame(SUBMIT, sizes.submit), frame(ACK, sizes.ack)
        self._left, self._window, self._receipts = count, window, count
        self.done = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Fill the window."""
        for _ in range(self._window):
            self._next()

    def took(self, kind: int) -> None:
        if kind == ANSWER:
            self._next()
            return
        self.transport.write(self._ack)
        self._receipts -= 1
        if not self._receipts:
            self.done.set_result(None)

    def _next(self) -> None:
        if self._left:
            self._left -= 1
            self.transport.write(self._submit)


async def measured(sizes: Sizes, count: int, window: int) -> float:
    """Seconds for `count` frames with their answers, receipts and acknowledgements."""
    arguments = [str(size) for size in (sizes.submit, sizes.answer, sizes.receipt, sizes.ack)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_LIMIT_S):
            port = int(await process.stdout.readline())
            client = _Client(sizes, count, window)
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
            begun_s = time.perf_counter()
            client.begin()
            await client.done
            took_s = time.perf_counter() - begun_s
            client.transport.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return took_s


def _serve() -> None:
    sizes = Sizes(*map(int, sys.argv[1:5]))
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: _Peer(sizes), "127.0.0.1", 0))
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop.run_forever()


if __name__ == "__main__":
    _serve()
