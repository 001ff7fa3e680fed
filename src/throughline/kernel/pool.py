"""The driver's connections behind the pool; and whether one still lives, asked before it is used.

A question to the server (`pool_pre_ping`) is a round trip with every transaction. When a server stops or ends
a session its socket has something to read although nothing was asked, and looking at that costs next to
nothing. Only a connection that has rested, behind which a whole machine may have gone without a word, is pinged.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

RESTED_S = 1.0


def ask_before_use(engine: Engine) -> None:
    """Have an engine replace connections that are gone when it takes them from the pool."""

    def rest(_driver: psycopg.Connection[Any], record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    def look(driver: psycopg.Connection[Any], record: Any, _proxy: Any) -> None:
        since = record.info.get("rests_since")
        if since is not None and not _lives(driver, rested=time.monotonic() - since > RESTED_S):
            raise DisconnectionError

    event.listen(engine, "checkin", rest)
    event.listen(engine, "checkout", look)


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's own connection."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the one driver there is
    return driver


def _lives(driver: psycopg.Connection[Any], *, rested: bool) -> bool:
    if driver.closed or _has_something_to_read(driver.fileno()):
        return False
    if not rested:
        return True
    try:
        driver.execute("")
        driver.rollback()
    except psycopg.Error:
        return False
    return True


def _has_something_to_read(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
