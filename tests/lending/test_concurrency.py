"""Many hands on one loan: the books stay exact, nobody is refused by our own locks, nothing deadlocks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from support.loans import usual_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.ledger import service as ledger
from throughline.lending import service as lending
from throughline.lending.account import read_loan
from throughline.lending.books import totals
from throughline.lending.models import LoanEventRow
from throughline.lending.recording import EventKeyReused
from throughline.lending.replay import replay

ZONE = "Asia/Shanghai"
PRINCIPAL = 300_000
K = lending.EventType


def _today() -> date:
    return clock.local_date(clock.now(), ZONE)


def _paid_out(session: Session, days_ago: int) -> UUID:
    on = _today() - timedelta(days=days_ago)
    new = usual_loan(new_id(), on)
    loan_id = lending.open_loan(session, new, now=clock.now())
    lending.record_event(
        session, loan_id, lending.NewEvent(K.DISBURSEMENT, on, "payout", PRINCIPAL), now=clock.now()
    )
    return loan_id


def _pay(database: Database, loan_id: UUID, on: date, amount: int, key: str) -> lending.EventReceipt:
    new = lending.NewEvent(K.REPAYMENT, on, key, amount)
    return database.run(lambda session: lending.record_event(session, loan_id, new, now=clock.now()))


def _assert_exact(database: Database, loan_id: UUID, payments: int, sum_minor: int) -> None:
    """The events are all there once, and the journal says what a replay from scratch says."""
    with database.transaction() as session:
        file = read_loan(session, loan_id)
        paid = [event for event in file.events if event.type in {K.REPAYMENT, K.PAY_OFF}]
        assert len(paid) == payments
        assert sum(event.amount_minor or 0 for event in paid) == sum_minor
        sequence = session.scalars(select(LoanEventRow.seq).where(LoanEventRow.loan_id == loan_id)).all()
        assert sorted(sequence) == list(range(1, len(file.events) + 1))
        wanted = totals(replay(file.terms, file.events, as_of=_today()), file.recognised)
        booked: dict[str, int] = {}
        for entry in ledger.entries(session, source=file.source, limit=1_000):
            for line in entry.lines:
                booked[line.account] = booked.get(line.account, 0) + line.debit_minor - line.credit_minor
        assert {name: one for name, one in booked.items() if one} == {
            name: one for name, one in wanted.items() if one
        }


def _at_once(works: list[Callable[[], Any]], hands: int) -> list[Any]:
    with ThreadPoolExecutor(hands) as pool:
        return [done.result() for done in [pool.submit(work) for work in works]]


def test_a_hundred_payments_on_one_loan_at_once(database: Database) -> None:
    with database.transaction() as session:
        loan_id = _paid_out(session, 20)
    works = [
        lambda nr=nr: _pay(database, loan_id, _today(), 1_000 + nr, f"pay-{nr}")  # type: ignore[misc]
        for nr in range(100)
    ]
    receipts = _at_once(works, 12)
    assert len({receipt.event_id for receipt in receipts}) == 100
    _assert_exact(database, loan_id, 100, sum(1_000 + nr for nr in range(100)))


def test_twenty_five_back_dated_payments_at_once(database: Database) -> None:
    """Each replays the whole loan, on three loans that share nothing, in any order."""
    with database.transaction() as session:
        loans = [_paid_out(session, 100) for _ in range(3)]
    works = [
        lambda nr=nr: _pay(  # type: ignore[misc]
            database, loans[nr % 3], _today() - timedelta(days=90 - 3 * nr), 5_000, f"late-{nr}"
        )
        for nr in range(25)
    ]
    _at_once(works, 12)
    for place, loan_id in enumerate(loans):
        mine = len(range(place, 25, 3))
        _assert_exact(database, loan_id, mine, 5_000 * mine)


def test_a_thousand_duplicates_of_one_key(database: Database) -> None:
    with database.transaction() as session:
        loan_id = _paid_out(session, 20)
    works = [lambda: _pay(database, loan_id, _today(), 7_777, "once") for _ in range(1_000)]
    receipts = _at_once(works, 12)
    assert len({receipt.event_id for receipt in receipts}) == 1
    assert sum(not receipt.repeated for receipt in receipts) == 1
    with pytest.raises(EventKeyReused):
        _pay(database, loan_id, _today(), 7_778, "once")
    _assert_exact(database, loan_id, 1, 7_777)
    with database.transaction() as session:
        count = session.execute(
            select(func.count()).select_from(LoanEventRow).where(LoanEventRow.loan_id == loan_id)
        ).scalar_one()
    assert count == 2


def test_back_and_forth_on_one_loan_at_once(database: Database) -> None:
    """Payments and their reversals by several hands leave the loan as if they had never been."""
    with database.transaction() as session:
        loan_id = _paid_out(session, 60)

    def there_and_back(nr: int) -> None:
        paid = _pay(database, loan_id, _today() - timedelta(days=nr), 3_000, f"p{nr}")
        undo = lending.NewEvent(K.REVERSAL, _today(), f"r{nr}", target=paid.event_id)
        database.run(lambda session: lending.record_event(session, loan_id, undo, now=clock.now()))

    _at_once([lambda nr=nr: there_and_back(nr) for nr in range(24)], 8)  # type: ignore[misc]
    with database.transaction() as session:
        file = read_loan(session, loan_id)
        alone = replay(file.terms, file.events[:1], as_of=_today())
        assert replay(file.terms, file.events, as_of=_today()) == alone
    _assert_exact(database, loan_id, 24, 24 * 3_000)
