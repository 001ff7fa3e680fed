"""The send window: how many messages may be on their way without an answer. Also the most that one loss can double."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

MAX_WAITING = 1000


class Window:
    """Slots, given in the order of asking."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._is_shut = False
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def take(self, within_s: float) -> bool:
        """Take a slot; False when none is free within the time, when too many wait, or when the window is shut."""
        if self._is_shut or len(self._waiting) >= MAX_WAITING:
            return False
        if self._free > 0:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(within_s, _settle, turn, False)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.give_back()  # it was given in the moment in which its taker was called off
            raise
        finally:
            timer.cancel()
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)

    def give_back(self) -> None:
        """A slot is free again."""
        while self._waiting:
            if _settle(self._waiting.popleft(), True):
                return
        self._free += 1

    def shut(self) -> None:
        """No slot is given any more; whoever waits is told."""
        self._is_shut = True
        while self._waiting:
            _settle(self._waiting.popleft(), False)


def _settle(turn: asyncio.Future[bool], given: bool) -> bool:
    """Answer whoever waits; False when it no longer does."""
    if turn.done():
        return False
    turn.set_result(given)
    return True
