"""Entries balance, are posted once, and sum up to nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.ledger import service
from throughline.ledger.accounts import ROLES
from throughline.ledger.entries import EntryDraft, Line, UnbalancedEntry, check, credit, debit

BORROWER = UUID(int=1)
DAY = date(2026, 3, 1)


def _draft(key: str, *lines: Line, day: date = DAY) -> EntryDraft:
    return EntryDraft(key, BORROWER, "loan:1", day, day, "CNY", lines)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (debit("bank", 5),),
        (debit("bank", 5), credit("payout_clearing", 4)),
        (debit("bank", 5), credit("no_such_account", 5)),
        (Line("bank", 5, 5), Line("payout_clearing", 5, 5)),
        (Line("bank", -5), Line("payout_clearing", 0, -5)),
        (Line("bank"), Line("payout_clearing")),
    ],
)
def test_what_does_not_balance_is_refused(session: Session, lines: tuple[Line, ...]) -> None:
    with pytest.raises(UnbalancedEntry):
        service.post_entry(session, _draft("x", *lines), now=clock.now())
    assert service.entries(session) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(ROLES)), st.integers(-(10**12), 10**12).filter(bool)), min_size=1
    )
)
def test_one_more_line_always_balances(amounts: list[tuple[str, int]]) -> None:
    lines = [debit(account, amount) for account, amount in amounts]
    rest = sum(amount for _, amount in amounts)
    if rest:
        lines.append(credit("bank", rest))
    if len(lines) > 1:
        check(lines)


def test_an_entry_is_posted_once(database: Database) -> None:
    draft = _draft("once", debit("loans_receivable", 300_000), credit("payout_clearing", 300_000))

    def post(_: int) -> UUID:
        return database.run(lambda session: service.post_entry(session, draft, now=clock.now()))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(40)))) == 1
    with database.transaction() as session:
        (entry,) = service.entries(session, source="loan:1")
        assert entry.lines == draft.lines


def test_the_books_sum_up(session: Session) -> None:
    before = {row.account: row.balance_minor for row in service.trial_balance(session)}
    loan = new_id()
    service.post_entry(
        session,
        _draft("a", debit("loans_receivable", 900, loan), credit("payout_clearing", 900)),
        now=clock.now(),
    )
    service.post_entry(
        session,
        _draft(
            "b",
            debit("collection_clearing", 120),
            credit("interest_receivable", 20, loan),
            credit("loans_receivable", 100, loan),
            day=date(2026, 3, 2),
        ),
        now=clock.now(),
    )
    rows = service.trial_balance(session)
    assert sum(row.debit_minor for row in rows) == sum(row.credit_minor for row in rows)
    after = {row.account: row.balance_minor for row in rows}
    assert after["loans_receivable"] - before.get("loans_receivable", 0) == 800
    assert after["payout_clearing"] - before.get("payout_clearing", 0) == 900
    earlier = {row.account: row.balance_minor for row in service.trial_balance(session, on=DAY)}
    assert "collection_clearing" not in earlier


def test_the_database_refuses_a_line_with_two_sides(session: Session) -> None:
    entry = service.post_entry(
        session, _draft("c", debit("bank", 1), credit("payout_clearing", 1)), now=clock.now()
    )
    with pytest.raises(IntegrityError, match="ck_ledger_line_side"):
        session.execute(
            text("UPDATE ledger_line SET credit_minor = 1 WHERE entry_id = :id AND account = 'bank'"),
            {"id": entry},
        )


def test_entries_are_paged(session: Session) -> None:
    for n in range(7):
        draft = EntryDraft(
            f"p{n}", BORROWER, "loan:9", DAY, DAY, "CNY", (debit("bank", 1), credit("payout_clearing", 1))
        )
        service.post_entry(session, draft, now=clock.now())
    first = service.entries(session, source="loan:9", limit=5)
    rest = service.entries(session, source="loan:9", after=first[-1].id, limit=5)
    assert [entry.key for entry in first + rest] == [f"p{n}" for n in range(7)]
