"""The database: models' base, sessions, and the one way to run a verb in a transaction.

READ COMMITTED plus explicit row locks: a verb that changes an aggregate first takes its row with
`FOR UPDATE`. A verb is re-run as a whole when the database says that a repeat may succeed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

import psycopg
from sqlalchemy import DateTime, Engine, MetaData, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.kernel.pool import ask_before_use, driver_of
from throughline.kernel.settings import settings

T = TypeVar("T")
log = get_logger(__name__)

# Serialisation failure, deadlock, lock not available: the transaction is over, a repeat may succeed.
REPEATABLE = frozenset({"40001", "40P01", "55P03"})
REPEATS = 5

Id = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]


class Base(DeclarativeBase):
    """Base of all tables. Constraint names follow one convention, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        dict[str, str]: JSONB,
        list[Any]: JSONB,
        list[str]: JSONB,
    }


class Database:
    """A pool of connections to one PostgreSQL database.

    `statement_timeout_s` 0 means none (batch work). `lock_timeout_s` keeps a request from waiting for
    ever behind another transaction.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        role: str = "throughline",
        statement_timeout_s: float = 15,
        lock_timeout_s: float = 5,
    ) -> None:
        self.url = url
        options = " ".join(
            f"-c {name}={int(value_s * 1000)}"
            for name, value_s in (
                ("statement_timeout", statement_timeout_s),
                ("lock_timeout", lock_timeout_s),
                ("idle_in_transaction_session_timeout", 30),
            )
        )
        self.engine: Engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=2,
            pool_timeout=10,
            connect_args={
                "application_name": f"{role}:{os.getpid()}",
                "options": f"{options} -c timezone=UTC",
                "connect_timeout": 10,
            },
        )
        ask_before_use(self.engine)

    @contextmanager
    def statements(self) -> Iterator[Session]:
        """A session whose statements each stand alone: for one read, that BEGIN and COMMIT would make three."""
        with Session(self.engine, expire_on_commit=False) as session:
            driver = driver_of(session.connection())
            driver.autocommit = True
            try:
                yield session
            finally:
                try:
                    driver.autocommit = False
                except psycopg.Error:
                    # It is gone, or in the middle of something: nobody else may get one that commits by itself.
                    session.invalidate()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back on any exception."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def run(self, verb: Callable[[Session], T], *, retry_s: float = 0) -> T:
        """Run a verb in one transaction and return its result.

        The whole verb is repeated (up to 5 times, with jitter) on serialisation failure, deadlock or lock
        timeout. With `retry_s` it is also repeated after a lost connection, for that many seconds: only
        for verbs that may safely run twice, because a connection lost at COMMIT leaves the result open.
        """
        deadline = time.monotonic() + retry_s
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.transaction() as session:
                    return verb(session)
            except DBAPIError as error:
                state = sqlstate(error)
                lost = connection_lost(error)
                again = (state in REPEATABLE and attempt < REPEATS) or (lost and time.monotonic() < deadline)
                if not again:
                    raise
                log.warning("transaction repeated", sqlstate=state, attempt=attempt, lost=lost)
                # Full jitter: colliding transactions must not collide again in step.
                time.sleep(random.uniform(0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311 - not a secret

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()


def array(values: Iterable[object]) -> str:
    """Values as the text of a PostgreSQL array, for `CAST(:name AS uuid[])` in batch statements.

    psycopg looks at every element of a list by itself; for many thousands this is several times faster.
    """
    return "{" + ",".join(map(_element, values)) + "}"


def plain_array(values: Iterable[object]) -> str:
    """As `array`, for values whose texts need no quotes: numbers, dates, UUIDs and their texts, names of ours."""
    return "{" + ",".join(map(str, values)) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def sqlstate(error: DBAPIError) -> str | None:
    """The SQLSTATE behind a SQLAlchemy error, if the server gave one."""
    original = error.orig
    return original.sqlstate if isinstance(original, psycopg.Error) else None


def connection_lost(error: DBAPIError) -> bool:
    """Whether the connection is gone: class 08, admin shutdown, crash, start-up, or a broken socket."""
    state = sqlstate(error)
    if state is not None:
        return state.startswith("08") or state in {"57P01", "57P02", "57P03"}
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def sqlalchemy_url(url: str) -> str:
    """A libpq URL for SQLAlchemy with psycopg 3."""
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    raise ValueError("the database URL must begin with postgresql://")


def libpq_url(url: str) -> str:
    """The same URL for psycopg itself (job queue, advisory locks, COPY)."""
    return "postgresql://" + sqlalchemy_url(url).removeprefix("postgresql+psycopg://")


def database_url() -> str:
    """The database of this installation: the setting, else the embedded server's address.

    Raises `RuntimeError` when neither is there; it says what to do.
    """
    secret = settings().database_url
    if secret is not None:
        return secret.get_secret_value()
    from throughline.kernel.postgres import running_dsn

    return running_dsn(settings())


@lru_cache(maxsize=1)
def database() -> Database:
    """The database of this process."""
    return Database(database_url(), pool_size=settings().web_threads + 2)
