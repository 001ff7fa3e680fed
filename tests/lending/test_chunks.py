"""A small book is shared by two runners, who go on from day to day by themselves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from support.loans import usual_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import chunks, cob, sums
from throughline.lending import service as lending

ZONE = "Asia/Shanghai"
LOANS = 16
DAYS = 12


@pytest.fixture
def book(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """A few loans, enough for two chunks; every fourth is replayed."""
    monkeypatch.setattr(chunks, "LEAST_LOANS", 5)
    today = clock.local_date(clock.now(), ZONE)
    ids = []
    with database.transaction() as session:
        # What other tests have left is theirs.
        session.execute(text("UPDATE lending_loan SET status = 'approved' WHERE status = 'active'"))
        session.execute(text("DELETE FROM lending_cob_chunk"))
        session.execute(text("DELETE FROM lending_cob_run"))
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": today})
        for nr in range(LOANS):
            start = today - timedelta(days=nr % 30)
            new = usual_loan(new_id(), start, installments=3, agreed_charges=())
            loan_id = lending.open_loan(session, new, now=clock.now())
            payout = lending.NewEvent(lending.EventType.DISBURSEMENT, start, str(new_id()), 300_000)
            lending.record_event(session, loan_id, payout, now=clock.now())
            ids.append(loan_id)
        session.execute(
            text("UPDATE lending_accrual_plan SET needs_replay = true WHERE loan_id = ANY(:ids)"),
            {"ids": ids[::4]},
        )
    return ids


def _start(database: Database, forward: Callable[..., timedelta]) -> date:
    """Let `DAYS` days pass and start the close of the first; returns it."""
    with database.transaction() as session:
        first = lending.business_date(session)
    forward(days=(first - clock.local_date(clock.now(), ZONE)).days + DAYS)
    with database.transaction() as session:
        assert cob.start_due_run(session, now=clock.now()) == first
    return first


def _chunks(database: Database, day: date) -> list[Any]:
    with database.transaction() as session:
        query = text("SELECT nr, loans, state FROM lending_cob_chunk WHERE business_date = :day ORDER BY nr")
        return [tuple(row) for row in session.execute(query, {"day": day})]


def _assert_closed_once(database: Database, ids: list[UUID], first: date) -> None:
    with database.transaction() as session:
        assert lending.business_date(session) == first + timedelta(days=DAYS)
        assert lending.cob_failures(session) == []
        entries = session.execute(
            text(
                "SELECT count(*), count(DISTINCT (source, value_date)) FROM ledger_entry "
                "WHERE key LIKE 'loan-day:%' AND source = ANY(:sources) AND value_date >= :first"
            ),
            {"sources": [f"loan:{one}" for one in ids], "first": first},
        ).one()
        assert entries[0] == entries[1] > LOANS * (DAYS - 1)
        runs = lending.cob_runs(session, limit=DAYS)
        assert {(run.state, run.chunks, run.chunks_done, run.loans_done) for run in runs} == {
            ("done", 2, 2, LOANS)
        }
        assert sums.check_loans(session, ids, first, now=clock.now()) == 0


def test_a_small_book_is_cut_in_two(
    database: Database, book: list[UUID], demo_clock: Callable[..., timedelta]
) -> None:
    day = _start(database, demo_clock)
    assert _chunks(database, day) == [(0, 8, "waiting"), (1, 8, "waiting")]


def test_one_runner_alone_closes_both_chunks_of_every_day(
    database: Database, book: list[UUID], demo_clock: Callable[..., timedelta]
) -> None:
    first = _start(database, demo_clock)
    cob.close_chunk(database, first, 1)
    _assert_closed_once(database, book, first)
    before = _chunks(database, first)
    cob.close_chunk(database, first, 0)  # the other job of that day comes too late and does nothing
    assert _chunks(database, first) == before == [(0, 8, "done"), (1, 8, "done")]


def test_two_runners_share_the_days(
    database: Database, book: list[UUID], demo_clock: Callable[..., timedelta]
) -> None:
    first = _start(database, demo_clock)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(cob.close_chunk, database, first, nr) for nr in (0, 1)]:
            done.result(120)
    _assert_closed_once(database, book, first)


def test_one_job_of_a_following_day_rescues_the_whole_day(
    database: Database,
    book: list[UUID],
    demo_clock: Callable[..., timedelta],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = _start(database, demo_clock)
    second = first + timedelta(days=1)
    monkeypatch.setattr(cob, "HELP_S", -1)  # hands on after every chunk, as if the runner had died
    cob.close_chunk(database, first, 0)
    cob.close_chunk(database, first, 1)
    with database.transaction() as session:
        assert lending.business_date(session) == second
        jobs = session.execute(
            text(
                "SELECT (args ->> 'nr')::int, scheduled_at IS NULL FROM procrastinate_jobs "
                "WHERE task_name = :task AND args ->> 'business_date' = :day ORDER BY id"
            ),
            {"task": cob.CHUNK_TASK, "day": second.isoformat()},
        ).all()
    # The rescue by and by, and what the runner hands on at once: the chunk of its own number.
    assert [tuple(one) for one in jobs] == [(0, False), (1, True)]
    monkeypatch.setattr(cob, "HELP_S", 60)
    cob.close_chunk(database, second, 0)
    _assert_closed_once(database, book, first)
