"""A sender that works until nothing is due, for tests that look at what came of it."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.messaging.sender.loop import Sender

MOST_ROUNDS = 2_000
PAUSE_S = 0.02  # while another sender holds what is due, or no route has room

_DUE = text(
    "SELECT count(*) FROM msg_attempt WHERE state = 'prepared' AND superseded_at IS NULL AND due_at <= :now"
)


async def work_off(database: Database) -> int:
    """Send what is due; returns how many messages were handed over."""
    sender = Sender(database)
    count = 0
    try:
        for _ in range(MOST_ROUNDS):
            claimed = await sender.round()
            await sender.settle()
            count += claimed
            if not claimed:
                with database.transaction() as session:
                    if not session.execute(_DUE, {"now": clock.now()}).scalar_one():
                        return count
                await asyncio.sleep(PAUSE_S)
        raise AssertionError("what is due is not taken by any route")
    finally:
        await sender.close()


def send(database: Database) -> int:
    """The same, for tests that are not asynchronous."""
    return asyncio.run(work_off(database))
