"""Entries by columns are the entries that drafts make."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.ledger import service
from throughline.ledger.entries import EntryDraft, UnbalancedEntry, debit

BORROWER, LOAN = uuid4(), uuid4()
DAY = date(2026, 3, 1)
DEBITS = [
    ("interest_receivable", 70),
    ("penalty_receivable", -5),
    ("interest_income", -70),
    ("penalty_income", 5),
]


def _add(entries: service.NewEntries, key: str, debits: list[tuple[str, int]], loan: UUID = LOAN) -> None:
    entries.add(
        key=key,
        borrower=str(BORROWER),
        source=f"loan:{loan}",
        value_date=DAY,
        currency="CNY",
        loan=str(loan),
        debits=debits,
    )


def _rows(session: Session, loan: UUID) -> list[tuple[Any, ...]]:
    query = text(
        "SELECT e.key, e.borrower_id, e.value_date, e.posting_date, e.currency, l.nr, l.account, l.debit_minor, "
        "l.credit_minor FROM ledger_entry e JOIN ledger_line l ON l.borrower_id = e.borrower_id AND l.entry_id = e.id "
        "WHERE e.source = :source AND l.loan_id = :loan ORDER BY e.id, l.nr"
    )
    return [tuple(row) for row in session.execute(query, {"source": f"loan:{loan}", "loan": loan})]


def test_columns_and_drafts_make_the_same_rows(session: Session) -> None:
    keys = ['a "quoted\\ key', "another"]
    entries = service.NewEntries(DAY)
    for key in keys:
        _add(entries, key, DEBITS)
    assert len(entries) == 2
    entries.post(session, now=clock.now())
    other = uuid4()
    lines = tuple(debit(account, amount, other) for account, amount in DEBITS)
    drafts = [EntryDraft(f"{key}2", BORROWER, f"loan:{other}", DAY, DAY, "CNY", lines) for key in keys]
    service.post_new_entries(session, drafts, now=clock.now())
    found = _rows(session, LOAN)
    assert len(found) == 8
    assert [(f"{row[0]}2", *row[1:]) for row in found] == _rows(session, other)


def test_a_known_key_is_refused(session: Session) -> None:
    for last in (False, True):
        entries = service.NewEntries(DAY)
        _add(entries, "once", DEBITS)
        if last:
            with pytest.raises(IntegrityError), session.begin_nested():
                entries.post(session, now=clock.now())
        else:
            entries.post(session, now=clock.now())


@pytest.mark.parametrize(
    "debits",
    [
        [],
        [("interest_receivable", 1)],
        [("interest_receivable", 2), ("interest_income", -1)],
        [("interest_receivable", 0), ("interest_income", 0)],
        [("no_account", 1), ("interest_income", -1)],
    ],
)
def test_what_is_no_entry_is_refused_before_anything_is_written(debits: list[tuple[str, int]]) -> None:
    with pytest.raises(UnbalancedEntry):
        _add(service.NewEntries(DAY), "wrong", debits)


def test_late_entries_are_noted_and_a_locked_day_takes_none(session: Session) -> None:
    service.close_day(session, DAY, now=clock.now())
    assert service.sum_up_day(session, DAY, now=clock.now())
    entries = service.NewEntries(DAY)
    _add(entries, "late", DEBITS)
    entries.post(session, now=clock.now())
    late = text("SELECT count(*) FROM ledger_late_entry WHERE borrower_id = :borrower")
    assert session.execute(late, {"borrower": BORROWER}).scalar_one() == 1
    assert sum(row.debit_minor for row in service.trial_balance(session, on=DAY)) == 75
    service.lock_period(session, DAY, actor="staff:x", reason="month", now=clock.now())
    more = service.NewEntries(DAY)
    _add(more, "too late", DEBITS)
    with pytest.raises(service.PeriodLocked):
        more.post(session, now=clock.now())
    service.NewEntries(DAY).post(session, now=clock.now())  # nothing to post asks nothing
