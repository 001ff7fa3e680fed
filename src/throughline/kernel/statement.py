"""Statements of the verbs that run most, sent by the driver itself.

What SQLAlchemy does around a statement (cache key, context, description of the result) costs more CPU than
a small statement takes in the database. They run in the session's own transaction all the same, and what
goes wrong comes as the error that the session would have raised.
"""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from throughline.kernel.pool import driver_of

Rows = list[tuple[Any, ...]]


class Statement:
    """One SQL statement with places `$1`, `$2`, …; `rows` gives its result as plain tuples."""

    __slots__ = ("_sql",)

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def rows(self, session: Session, *values: Any) -> Rows:
        """Run it in the session's transaction. What the session holds unflushed is not written first."""
        connection = _connection(session)
        driver = driver_of(connection)
        try:
            return psycopg.RawCursor(driver).execute(self._sql, values).fetchall()
        except psycopg.Error as error:
            lost = driver.closed or driver.broken
            if lost:
                connection.invalidate(error)  # the pool shall not hand it out again
            raise DBAPIError.instance(
                self._sql, None, error, psycopg.Error, connection_invalidated=lost, dialect=connection.dialect
            ) from error


def _connection(session: Session) -> Connection:
    """The connection of the session's transaction, found once: the session works it out anew each time."""
    transaction, known = session.get_transaction(), session.info.get(_KNOWN)
    if known is not None and known[0] is transaction and session.get_nested_transaction() is None:
        connection: Connection = known[1]
        return connection
    connection = session.connection()
    session.info[_KNOWN] = session.get_transaction(), connection
    return connection


_KNOWN = "connection of the transaction"
