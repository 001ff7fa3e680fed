"""The sender beside the jobs of its process: a thread with a loop of its own, which also answers their questions."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import Future

from throughline.kernel.db import database
from throughline.kernel.logging import get_logger
from throughline.messaging import registry
from throughline.messaging.ports import Finding, Question
from throughline.messaging.sender.loop import DRAIN_S, Sender
from throughline.messaging.sender.outlets import Outlets

log = get_logger(__name__)

ANSWER_S = 40.0
_running: Thread | None = None


class Thread(threading.Thread):
    """The sender's thread. Should it die of a fault of ours, the process ends and is started anew."""

    def __init__(self) -> None:
        super().__init__(name="sender", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._ends = asyncio.Event()
        self._sender: Sender | None = None

    def run(self) -> None:
        """Send until told to stop."""
        try:
            self._loop.run_until_complete(self._send())
        except Exception:
            log.exception("the sender has died")
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """Stop claiming; what is under way gets some seconds."""
        self._loop.call_soon_threadsafe(self._ends.set)
        self.join(DRAIN_S + 10)

    def ask(self, route: str, question: Question) -> Finding | None:
        """Ask a route's provider, over the connection that the sender has."""
        if self._sender is None:
            return None
        answer: Future[Finding | None] = asyncio.run_coroutine_threadsafe(
            self._sender.outlets.query(route, question), self._loop
        )
        return answer.result(ANSWER_S)

    async def _send(self) -> None:
        self._sender = Sender(database())
        await self._sender.run(self._ends)


def start() -> Thread:
    """Start the sender of this process. The routes were looked at before."""
    global _running  # one for each process
    _running = Thread()
    _running.start()
    return _running


def ask(route: str, question: Question) -> Finding | None:
    """Ask a route's provider: over the sender of this process, else over a connection made for the question."""
    if _running is not None and _running.is_alive():
        return _running.ask(route, question)
    return asyncio.run(_ask_once(route, question))


async def _ask_once(route: str, question: Question) -> Finding | None:
    outlets = Outlets(registry.Nobody())
    try:
        return await outlets.query(route, question)
    finally:
        await outlets.close()
