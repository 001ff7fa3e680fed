"""Loans on which something was recorded get their plan first and are closed in SQL with the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from support.loans import usual_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import cob, planning, sums
from throughline.lending import service as lending

ZONE = "Asia/Shanghai"
K = lending.EventType


def _paid_out(session: Session, start: date) -> UUID:
    new = usual_loan(new_id(), start, installments=3, agreed_charges=())
    loan_id = lending.open_loan(session, new, now=clock.now())
    _record(session, loan_id, K.DISBURSEMENT, start, 300_000)
    return loan_id


def _record(session: Session, loan_id: UUID, kind: lending.EventType, on: date, amount: int) -> None:
    lending.record_event(session, loan_id, lending.NewEvent(kind, on, str(new_id()), amount), now=clock.now())


def _close(database: Database, forward: Callable[..., timedelta]) -> dict[str, int]:
    """Close the open day; returns the counts of its steps."""
    with database.transaction() as session:
        day = lending.business_date(session)
    forward(days=(day - clock.local_date(clock.now(), ZONE)).days + 1)
    with database.transaction() as session:
        assert cob.start_due_run(session, now=clock.now()) == day
    for nr in range(2):
        cob.close_chunk(database, day, nr)
    with database.transaction() as session:
        run = lending.cob_runs(session, limit=1)[0]
        assert (run.business_date, run.state) == (day, "done")
        return run.steps


@pytest.fixture
def fresh_book(database: Database) -> date:
    """No loans, no runs; returns the open business day, today."""
    today = clock.local_date(clock.now(), ZONE)
    with database.transaction() as session:
        session.execute(text("UPDATE lending_loan SET status = 'approved' WHERE status = 'active'"))
        session.execute(text("DELETE FROM lending_cob_chunk"))
        session.execute(text("DELETE FROM lending_cob_run"))
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": today})
    return today


def test_touched_loans_are_planned_and_closed_with_the_others(
    database: Database, fresh_book: date, demo_clock: Callable[..., timedelta]
) -> None:
    with database.transaction() as session:
        ids = [_paid_out(session, fresh_book - timedelta(days=nr)) for nr in range(6)]
        late = _paid_out(session, fresh_book - timedelta(days=50))  # penalty interest runs
    steps = _close(database, demo_clock)
    assert (steps["by_set"], steps["by_replay"]) == (len(ids), 1)
    steps = _close(database, demo_clock)  # nothing was recorded: the plans hold
    assert (steps["by_set"], steps["by_replay"]) == (len(ids) + 1, 0)
    with database.transaction() as session:
        day = lending.business_date(session)
        _record(session, ids[0], K.REPAYMENT, day, 777)
        _record(session, late, K.REPAYMENT, day, 777)
    steps = _close(database, demo_clock)
    assert (steps["by_set"], steps["by_replay"]) == (len(ids), 1)
    with database.transaction() as session:
        assert sums.check_loans(session, [*ids, late], day, now=clock.now()) == 0
        assert lending.cob_failures(session) == []


def test_a_loan_whose_planning_fails_is_replayed(
    database: Database,
    fresh_book: date,
    demo_clock: Callable[..., timedelta],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with database.transaction() as session:
        ids = [_paid_out(session, fresh_book - timedelta(days=nr)) for nr in range(3)]
    real = planning.accrual_plan

    def broken(*given: object) -> object:
        broken.calls += 1  # type: ignore[attr-defined]
        if broken.calls == 1:  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return real(*given)  # type: ignore[arg-type]

    broken.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(planning, "accrual_plan", broken)
    steps = _close(database, demo_clock)
    assert (steps["by_set"], steps["by_replay"]) == (len(ids) - 1, 1)


def test_a_held_loan_is_left_out_and_one_recorded_ahead_is_not_planned(
    database: Database, fresh_book: date
) -> None:
    with database.transaction() as session:
        ids = [_paid_out(session, fresh_book) for _ in range(3)]
        session.execute(
            text("UPDATE lending_loan SET cob_through = cob_through - 5 WHERE id = :id"), {"id": ids[2]}
        )
    with database.transaction() as holder:
        holder.execute(text("SELECT 1 FROM lending_loan WHERE id = :id FOR UPDATE"), {"id": ids[0]})
        with database.transaction() as session:
            assert planning.plan_loans(session, ids, skip_locked=True) == {ids[1]}
