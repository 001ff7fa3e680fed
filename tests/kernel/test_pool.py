"""Connections that are gone, errors of the driver's own statements, and statements that stand alone."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from throughline.kernel.db import Database, connection_lost
from throughline.kernel.statement import Statement

PID = Statement("SELECT pg_backend_pid()")
END = text("SELECT pg_terminate_backend(:pid, 5000)")


@pytest.fixture
def own(database: Database) -> Database:
    return Database(database.url, pool_size=1)


def test_a_connection_that_the_server_ended_is_replaced_before_use(own: Database, database: Database) -> None:
    pid = own.run(PID.rows)[0][0]
    assert own.run(PID.rows)[0][0] == pid, "the pool keeps it"
    database.run(lambda session: session.execute(END, {"pid": pid}))
    assert own.run(PID.rows)[0][0] != pid
    own.close()


def test_a_connection_that_rested_is_pinged(own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughline.kernel.pool.RESTED_S", -1)
    pids = {own.run(PID.rows)[0][0] for _ in range(3)}
    assert len(pids) == 1, "it lives, so it stays"
    own.close()


def test_errors_are_those_that_the_session_raises(session: Session) -> None:
    same = Statement(
        "INSERT INTO kernel_event_seen VALUES ($1, '00000000-0000-0000-0000-000000000001') RETURNING 1"
    )
    same.rows(session, "somebody")
    with pytest.raises(IntegrityError):
        same.rows(session, "somebody")


def test_a_connection_lost_in_use_is_told_and_given_up(own: Database, database: Database) -> None:
    pids = []

    def use(session: Session) -> None:
        pids.append(PID.rows(session)[0][0])
        if len(pids) == 1:
            database.run(lambda other: other.execute(END, {"pid": pids[0]}))
        PID.rows(session)

    with pytest.raises(DBAPIError) as caught:
        own.run(use)
    assert connection_lost(caught.value)
    pids.clear()
    own.run(use, retry_s=10)
    assert len(set(pids)) == 2, "a repeat takes a new connection"
    own.close()


def test_a_savepoint_counts_for_the_drivers_statements(session: Session) -> None:
    seen = Statement("SELECT count(*) FROM kernel_event_seen WHERE subscriber = $1")
    add = Statement("INSERT INTO kernel_event_seen VALUES ($1, gen_random_uuid()) RETURNING 1")
    add.rows(session, "kept")
    with session.begin_nested() as nested:
        add.rows(session, "kept")
        nested.rollback()
    assert seen.rows(session, "kept") == [(1,)]


def test_statements_stand_alone_and_leave_nothing_behind(own: Database, database: Database) -> None:
    add = Statement("INSERT INTO kernel_event_seen VALUES ($1, gen_random_uuid()) RETURNING 1")
    count = Statement("SELECT count(*) FROM kernel_event_seen WHERE subscriber = $1")
    with own.statements() as session:
        add.rows(session, "alone")
        assert database.run(lambda other: count.rows(other, "alone")) == [(1,)], "no commit was needed"

    def fail(session: Session) -> None:
        add.rows(session, "alone")
        raise KeyError

    with pytest.raises(KeyError):
        own.run(fail)
    assert database.run(lambda other: count.rows(other, "alone")) == [(1,)], (
        "the same connection rolls back again"
    )
    with own.statements() as session:
        pid = PID.rows(session)[0][0]
        database.run(lambda other: other.execute(END, {"pid": pid}))
        with pytest.raises(DBAPIError):
            PID.rows(session)
    assert own.run(PID.rows), "and a lost one is replaced"
    own.close()
