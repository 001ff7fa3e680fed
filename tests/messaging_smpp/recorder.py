"""A sink that remembers, and what a test needs around a session."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from throughline.messaging.channels.smpp import (
    Inbound,
    LateAnswer,
    LinkEvent,
    LinkState,
    Receipt,
    SmppRoute,
    SmppSession,
)

WITHIN_S = 10.0
SCENARIO_S = 60.0


def scenario(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that is a coroutine, with a limit. An error in any task of it is an error of the test."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        failures: list[dict[str, Any]] = []

        async def limited() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
            async with asyncio.timeout(SCENARIO_S):
                await test(*args, **named)
            gc.collect()  # tasks tell of their errors when they go

        asyncio.run(limited())
        assert not failures

    return run


class Recorder:
    """`gate`: what the sink does before it says yes; it may wait or raise."""

    def __init__(self, gate: Callable[[], Awaitable[None]] | None = None) -> None:
        self.gate = gate
        self.receipts: list[Receipt] = []
        self.texts: list[Inbound] = []
        self.unread: list[tuple[bytes, str]] = []
        self.lates: list[LateAnswer] = []
        self.links: list[LinkEvent] = []
        self._news = asyncio.Event()

    async def receipt(self, receipt: Receipt) -> None:
        await self._take(self.receipts, receipt)

    async def inbound(self, message: Inbound) -> None:
        await self._take(self.texts, message)

    async def unreadable(self, raw: bytes, why: str) -> None:
        await self._take(self.unread, (raw, why))

    async def late(self, answer: LateAnswer) -> None:
        await self._take(self.lates, answer)

    async def link(self, event: LinkEvent) -> None:
        self.links.append(event)
        self._news.set()

    async def _take(self, where: list[Any], what: Any) -> None:
        if self.gate is not None:
            await self.gate()
        where.append(what)
        self._news.set()

    async def until(self, true: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until something is true that an event makes true."""
        async with asyncio.timeout(within_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def saw(self, state: LinkState, times: int = 1) -> LinkEvent:
        """Wait until a link was in a state so many times; the last of these events."""
        await self.until(lambda: len(self._of(state)) >= times)
        return self._of(state)[times - 1]

    def _of(self, state: LinkState) -> list[LinkEvent]:
        return [event for event in self.links if event.state is state]


def route(port: int, **changes: Any) -> SmppRoute:
    """A route to loopback that tries again quickly."""
    plain: dict[str, Any] = {
        "name": "test", "host": "127.0.0.1", "port": port, "system_id": "lender", "password": "secret", "tls": False,
        "reconnect_base_s": 0.01, "reconnect_cap_s": 0.05,
    }  # fmt: skip
    return SmppRoute(**(plain | changes))


@contextlib.asynccontextmanager
async def session(sink: Recorder, port: int, **changes: Any) -> AsyncIterator[SmppSession]:
    """A session that is open, and closed at the end."""
    made = SmppSession(route(port, **changes), sink)
    made.open()
    try:
        yield made
    finally:
        await made.close(0.0)
