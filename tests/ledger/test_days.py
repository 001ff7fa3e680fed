"""Days that are over: their sums, what comes late, locks, and the check that alarms."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from support.callers import Browse, browsing
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.errors import Invalid
from throughline.kernel.ids import new_id
from throughline.ledger import api, service
from throughline.ledger.entries import EntryDraft, credit, debit

BORROWER = UUID(int=1)
DAY = date(2026, 3, 1)
NEXT = DAY + timedelta(days=1)
READER = http.Caller("staff", uuid4(), uuid4(), frozenset({"ledger:read"}))
KEEPER = http.Caller("staff", uuid4(), uuid4(), frozenset({"ledger:read", "ledger:write"}))


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


def _post(session: Session, day: date, amount: int = 500, loan_id: UUID | None = None) -> None:
    lines = (debit("bank", amount, loan_id), credit("payout_clearing", amount, loan_id))
    source = f"loan:{loan_id}" if loan_id else "loan:1"
    draft = EntryDraft(str(new_id()), BORROWER, source, day, day, "CNY", lines)
    service.post_entry(session, draft, now=clock.now())


def _debits(session: Session, on: date | None = None) -> int:
    return sum(row.debit_minor for row in service.trial_balance(session, on=on))


def test_the_trial_balance_is_the_same_with_sums_and_without(session: Session) -> None:
    for day, amount in ((DAY, 500), (NEXT, 70), (NEXT, 1)):
        _post(session, day, amount)
    before = [service.trial_balance(session, on=on) for on in (None, DAY, NEXT)]
    service.close_day(session, DAY, now=clock.now())
    assert service.sum_up_day(session, DAY, now=clock.now())
    assert [service.trial_balance(session, on=on) for on in (None, DAY, NEXT)] == before
    assert service.sum_up_day(session, DAY, now=clock.now())  # again: the same
    assert [service.trial_balance(session, on=on) for on in (None, DAY, NEXT)] == before
    assert [row.debit_minor for row in service.day_sums(session)] == [500, 0]


def test_what_comes_late_counts_before_and_after_it_is_summed(session: Session) -> None:
    _post(session, DAY, 500)
    service.close_day(session, DAY, now=clock.now())
    _post(session, DAY, 11)  # closed, not yet summed
    service.sum_up_day(session, DAY, now=clock.now())
    assert _debits(session, DAY) == 511
    _post(session, DAY, 4)  # summed
    assert _debits(session, DAY) == 515
    assert session.execute(text("SELECT count(*) FROM ledger_late_entry")).scalar_one() == 1
    service.sum_up_day(session, DAY, now=clock.now())
    assert _debits(session, DAY) == 515
    assert session.execute(text("SELECT count(*) FROM ledger_late_entry")).scalar_one() == 0


def test_closing_a_day_waits_for_who_is_posting_on_it(database: Database) -> None:
    day = date(2026, 2, 1)
    closed = threading.Event()

    def close() -> None:
        with database.transaction() as session:
            service.close_day(session, day, now=clock.now())
        closed.set()

    with database.transaction() as session:
        _post(session, day)
        closer = threading.Thread(target=close)
        closer.start()
        assert not closed.wait(0.3)
    closer.join(10)
    assert closed.is_set()
    with database.transaction() as session:
        assert service.sum_up_day(session, day, now=clock.now())
        assert sum(row.debit_minor for row in service.day_sums(session) if row.posting_date == day) == 500
        assert session.execute(text("SELECT count(*) FROM ledger_late_entry")).scalar_one() == 0


def test_a_locked_period_takes_nothing_and_says_so_in_both_languages(session: Session) -> None:
    act = {"actor": "staff:x", "now": clock.now()}
    with pytest.raises(service.PeriodNotClosed):
        service.lock_period(session, DAY + timedelta(days=4_000), reason="month", **act)
    service.close_day(session, NEXT, now=clock.now())
    with pytest.raises(Invalid):
        service.lock_period(session, DAY, reason=" ", **act)
    service.lock_period(session, DAY, reason="month end", **act)
    with pytest.raises(service.PeriodLocked) as caught:
        _post(session, DAY)
    assert caught.value.status == 409
    said = [caught.value.document(locale)["detail"] for locale in ("zh-CN", "en")]
    assert said == ["2026-03-01 已锁定", "2026-03-01 is locked"]
    drafts = [EntryDraft("k", BORROWER, "s", DAY, DAY, "CNY", (debit("bank", 1), credit("bank", 1)))]
    with pytest.raises(service.PeriodLocked):
        service.post_new_entries(session, drafts, now=clock.now())
    _post(session, NEXT)
    with pytest.raises(service.LockUnchanged):
        service.lock_period(session, DAY, reason="again", **act)
    with pytest.raises(service.LockUnchanged):
        service.unlock_period(session, NEXT, reason="forward", **act)
    service.unlock_period(session, None, reason="a correction", **act)
    _post(session, DAY)
    acts = service.period_acts(session)
    assert [(one.action, one.locked_through, one.reason) for one in acts] == [
        ("unlock", None, "a correction"),
        ("lock", DAY, "month end"),
    ]


def test_books_that_do_not_balance_alarm(session: Session) -> None:
    _post(session, DAY, 500)
    session.execute(text("UPDATE ledger_line SET debit_minor = 499 WHERE debit_minor = 500"))
    service.close_day(session, DAY, now=clock.now())
    assert not service.sum_up_day(session, DAY, now=clock.now())
    (wrong,) = service.mismatches(session)
    assert (wrong.subject, wrong.expected_minor, wrong.found_minor) == ("day:CNY", 499, 500)
    session.execute(text("UPDATE ledger_line SET debit_minor = 500 WHERE debit_minor = 499"))
    assert service.sum_up_day(session, DAY, now=clock.now())
    assert service.mismatches(session) == []


def test_the_api_of_days_locks_and_balances(database: Database, browse: Browse) -> None:
    loan_id, day = new_id(), date(2026, 1, 5)
    with database.transaction() as session:
        _post(session, day, 900, loan_id)
        service.close_day(session, day, now=clock.now())
        service.sum_up_day(session, day, now=clock.now())
    reader, keeper = browse(READER), browse(KEEPER)
    balances = reader.get(f"/api/v1/ledger/loans/{loan_id}/balances").json()
    assert {row["account"]: row["balance_minor"] for row in balances} == {"bank": 900, "payout_clearing": 900}
    first = reader.get("/api/v1/ledger/days", params={"limit": 1, "from": "2026-01-05"}).json()
    assert first["next_after"] == "2026-01-05/bank/CNY"
    second = reader.get("/api/v1/ledger/days", params={"after": first["next_after"], "limit": 1}).json()
    assert second["items"][0]["account"] == "payout_clearing"
    assert reader.get("/api/v1/ledger/days", params={"after": "2026-99-05/bank/CNY"}).status_code == 422
    rows = list(csv.reader(StringIO(reader.get("/api/v1/ledger/days.csv").text)))
    assert rows[0][0] == "posting_date"
    assert ["2026-01-05", "bank", "CNY", "900", "0"] in rows
    body = {"through": "2026-01-05", "reason": "January"}
    key = {"Idempotency-Key": str(uuid4())}
    assert reader.post("/api/v1/ledger/period/lock", json=body, headers=key).status_code == 403
    locked = keeper.post("/api/v1/ledger/period/lock", json=body, headers=key)
    assert (locked.status_code, locked.json()["locked_through"]) == (200, "2026-01-05")
    again = keeper.post("/api/v1/ledger/period/lock", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert (again.status_code, again.json()["type"].rsplit("/", 1)[-1]) == (409, "period-lock-unchanged")
    freed = keeper.post(
        "/api/v1/ledger/period/unlock", json={"reason": "test"}, headers={"Idempotency-Key": str(uuid4())}
    )
    assert freed.json()["locked_through"] is None
    assert reader.get("/api/v1/ledger/period").json()["acts"][0]["actor"] == f"staff:{KEEPER.id}"
