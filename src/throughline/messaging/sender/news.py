"""What the connections hear, on its way to the database: each piece in a transaction of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.messaging import attempts, heard, inbound
from throughline.messaging.models import MsgAttempt
from throughline.messaging.ports import Heard, SubmitResult
from throughline.messaging.receipts import RECEIPTS

Run = Callable[[Callable[[Session], Any]], Awaitable[Any]]


class Ledger:
    """The sender's news. What raises here is told to the provider as "not taken": it sends again."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def heard(self, receipt: Heard) -> None:
        """A receipt by the provider's reference."""
        verdict = await self._run(lambda session: heard.take(session, receipt, now=clock.now()))
        RECEIPTS.labels(verdict).inc()

    async def late(self, client_ref: str, result: SubmitResult) -> None:
        """An answer that came late: the attempt is raised by it."""
        await self._run(lambda session: _late(session, client_ref, result))

    async def said(self, route: str, number: str, text: str) -> None:
        """A text of somebody."""
        await self._run(lambda session: inbound.take(session, route, number, text, now=clock.now()))


def _late(session: Session, client_ref: str, result: SubmitResult) -> None:
    attempt = session.execute(
        select(MsgAttempt.id, MsgAttempt.fence).where(MsgAttempt.id == UUID(hex=client_ref))
    ).one_or_none()
    if attempt is not None:
        attempts.record(session, attempt.id, attempt.fence, result, now=clock.now())
