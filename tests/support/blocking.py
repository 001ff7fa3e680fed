"""An adapter of a channel, called from tests that are not asynchronous: one event loop for each."""

from __future__ import annotations

import asyncio

from throughline.messaging.ports import Adapter, Finding, Outbound, Question, SubmitResult


class Blocking:
    """An adapter that waits for its answers."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._runner = asyncio.Runner()

    def submit(self, message: Outbound) -> SubmitResult:
        return self._runner.run(self._adapter.submit(message))

    def query(self, question: Question) -> Finding | None:
        return self._runner.run(self._adapter.query(question))
