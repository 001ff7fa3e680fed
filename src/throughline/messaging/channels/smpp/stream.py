"""One TCP connection as a stream of frames, with limits on what waits on either side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from throughline.messaging.channels.smpp.framing import Framer
from throughline.messaging.channels.smpp.wire import MalformedPdu

MAX_UNSENT_BYTES = 256 * 1024
"""With so much unsent (answers to a peer that does not read) nothing more is read either."""


class Stream(asyncio.Protocol):
    """`on_frame` gets each frame; `on_end` is called once, with the reason, when there will be no more."""

    def __init__(self, on_frame: Callable[[bytes], None], on_end: Callable[[str], None]) -> None:
        self._on_frame, self._on_end = on_frame, on_end
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._sealed = False
        self._clear = asyncio.Event()
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sealed = transport.get_extra_info("ssl_object") is not None
        # Told as soon as bytes must wait: a message is written only into an empty buffer. (A limit of 0 would keep
        # asyncio's TLS paused for ever.)
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._clear.set()
        if self._ended:  # called off while it was being made
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._framer.feed(data):
                if self._ended:
                    return
                self._on_frame(frame)
        except MalformedPdu as error:
            self.end(f"garbage: {error.why}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(type(exc).__name__ if exc else "closed by the peer")

    def pause_writing(self) -> None:
        self._clear.clear()

    def resume_writing(self) -> None:
        self._clear.set()
        if self._transport is not None:
            self._transport.resume_reading()

    @property
    def clear(self) -> bool:
        """Whether what is written now leaves at once."""
        return self._clear.is_set() and not self._ended

    async def wait_clear(self, within_s: float) -> bool:
        """Wait until it does; False when it does not within the time."""
        if self._clear.is_set():
            return not self._ended
        try:
            async with asyncio.timeout(within_s):
                await self._clear.wait()
        except TimeoutError:
            return False
        return not self._ended

    def write(self, frame: bytes) -> bool:
        """Write a frame. False: it is certain that not one byte of it has left or will.

        asyncio hands bytes to the kernel in this very call when nothing waits in front of them, and closes when the
        kernel refuses. Under TLS there is a layer between, and whatever was written may have left.
        """
        transport = self._transport
        if transport is None or self._ended or transport.is_closing():
            return False
        transport.write(frame)
        if transport.is_closing():
            return self._sealed
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.pause_reading()
        return True

    def end(self, why: str) -> None:
        """Drop the connection. What the kernel already has still leaves."""
        transport = self._transport
        if not self._ended and transport is not None:
            waits = not transport.is_closing() and transport.get_write_buffer_size()
            (transport.abort if waits else transport.close)()
        self._end(why)

    def _end(self, why: str) -> None:
        if not self._ended:
            self._ended = True
            self._clear.set()  # whoever waits shall see the end
            self._on_end(why)
