"""A payment shared over the loans of one borrower by Civil Code art. 560: the order, the sums, HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from support.callers import Browse, browsing
from support.loans import paid_out_loan
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import api
from throughline.lending import service as lending
from throughline.lending.recording import EventKeyReused
from throughline.lending.share_out import Claim, Share, share_out

A, B, C = (UUID(int=number) for number in (1, 2, 3))
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def _due(loan: UUID, owed: int, on: date = MARCH, rate: int = 12, secured: int = 0) -> Claim:
    return Claim(loan, owed, True, on, Decimal(rate), secured)


def _later(loan: UUID, owed: int, on: date = MARCH, rate: int = 12) -> Claim:
    return Claim(loan, owed, False, on, Decimal(rate))


def _amounts(shares: tuple[Share, ...]) -> list[tuple[UUID, int]]:
    return [(one.claim.loan_id, one.amount_minor) for one in shares]


@pytest.mark.parametrize(
    ("claims", "named", "order"),
    [
        ([_later(A, 100, rate=99), _due(B, 100)], None, [B, A]),  # due before not due
        ([_due(A, 100, rate=99, secured=50), _due(B, 100)], None, [B, A]),  # least secured
        ([_due(A, 100), _due(B, 100, on=APRIL, rate=18)], None, [B, A]),  # heaviest
        ([_due(A, 100, on=APRIL), _due(B, 100)], None, [B, A]),  # earliest
        ([_due(A, 100, rate=99), _due(B, 100), _later(B, 70)], B, [B, B, A]),  # what the borrower names
    ],
)
def test_the_order_of_the_law(claims: list[Claim], named: UUID | None, order: list[UUID]) -> None:
    shares = share_out(10_000, claims, named)
    assert [one.claim.loan_id for one in shares] == order
    assert _amounts(share_out(100, claims, named)) == [(order[0], 100)]


def test_the_example_of_the_documentation() -> None:
    claims = [
        _due(A, 10_000),
        _later(A, 50_000),
        _due(B, 10_000, on=APRIL, rate=18),
        _later(B, 50_000, on=APRIL, rate=18),
    ]
    assert _amounts(share_out(25_000, claims)) == [(B, 10_000), (A, 10_000), (B, 5_000)]


def test_equal_debts_are_paid_in_proportion() -> None:
    """100 over 100, 100 and 50: 40, 40, 20. Of 101: 40.4, 40.4, 20.2, so the first of the largest rests gets one."""
    claims = [_due(A, 100), _due(B, 100), _due(C, 50)]
    assert _amounts(share_out(100, claims)) == [(A, 40), (B, 40), (C, 20)]
    assert _amounts(share_out(101, claims)) == [(A, 41), (B, 40), (C, 20)]


CLAIMS = st.lists(
    st.builds(
        Claim,
        st.sampled_from([A, B, C]),
        st.integers(0, 10**9),
        st.booleans(),
        st.sampled_from([MARCH, APRIL]),
        st.sampled_from([Decimal(12), Decimal(18)]),
        st.sampled_from([0, 0, 5]),
    ),
    max_size=8,
)


@given(CLAIMS, st.integers(0, 10**10), st.sampled_from([None, A, B, C]))
def test_what_holds_for_every_payment(claims: list[Claim], amount: int, named: UUID | None) -> None:
    shares = share_out(amount, claims, named)
    assert sum(one.amount_minor for one in shares) == min(amount, sum(one.owed_minor for one in claims))
    assert all(0 < one.amount_minor <= one.claim.owed_minor for one in shares)

    def rank(claim: Claim) -> tuple[Any, ...]:
        return (
            claim.loan_id != named,
            not claim.due,
            claim.secured_minor,
            -claim.burden_percent,
            claim.due_on,
        )

    ranks = [rank(one.claim) for one in shares]
    assert ranks == sorted(ranks)
    # Nobody comes before somebody whose turn was earlier has got everything.
    for one in claims:
        paid = sum(share.amount_minor for share in shares if share.claim is one)
        if paid < one.owed_minor:
            assert all(rank(share.claim) <= rank(one) for share in shares)


@given(CLAIMS, st.integers(0, 10**9), st.integers(0, 10**6))
def test_more_money_takes_nothing_from_a_group(claims: list[Claim], amount: int, more: int) -> None:
    """In proportion a single minor unit may move between equal debts; never more."""
    small = {id(one.claim): one.amount_minor for one in share_out(amount, claims)}
    large = {id(one.claim): one.amount_minor for one in share_out(amount + more, claims)}
    assert all(large.get(claim, 0) >= paid - 1 for claim, paid in small.items())


def test_a_negative_payment_is_none() -> None:
    with pytest.raises(ValueError, match="below zero"):
        share_out(-1, [])


# --- over HTTP --------------------------------------------------------------------------------------

SCOPES = frozenset({"lending:read", "lending:write"})
WRITER = http.Caller("staff", uuid4(), uuid4(), SCOPES)
READER = http.Caller("staff", uuid4(), uuid4(), frozenset({"lending:read"}))


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def staff(browse: Browse) -> TestClient:
    return browse(WRITER)


def _day(ago: int = 0) -> str:
    return str(clock.local_date(clock.now(), "Asia/Shanghai") - timedelta(days=ago))


def _borrower(database: Database, *days_ago: int) -> tuple[UUID, list[UUID]]:
    """A borrower with loans paid out so many days ago; their first installments are late or not due."""
    borrower = new_id()
    with database.transaction() as session:
        loans = [paid_out_loan(session, borrower, days_ago=days) for days in days_ago]
    return borrower, loans


def _ask(client: TestClient, borrower: UUID, amount: int, path: str = "", key: str = "", **more: Any) -> Any:
    body = {"amount_minor": amount, "currency": "CNY", "value_date": _day(), **more}
    return client.post(
        f"/api/v1/borrowers/{borrower}/repayments{path}",
        json=body,
        headers={"Idempotency-Key": key or str(uuid4())},
    )


def test_a_payment_pays_what_is_due_longest_first(staff: TestClient, database: Database) -> None:
    borrower, (young, old) = _borrower(database, 35, 50)
    shares = _ask(staff, borrower, 60_000, "/what-if").json()["shares"]
    assert [(one["loan_id"], one["due"]) for one in shares] == [(str(old), True), (str(young), True)]
    assert sum(one["amount_minor"] for one in shares) == 60_000
    answer = _ask(staff, borrower, 60_000)
    assert answer.status_code == 201, answer.text
    done = {one["loan_id"]: one["amount_minor"] for one in answer.json()["repayments"]}
    assert done == {one["loan_id"]: one["amount_minor"] for one in shares}
    for loan_id, amount in done.items():
        events = staff.get(f"/api/v1/loans/{loan_id}/events").json()["items"]
        assert (events[-1]["type"], events[-1]["amount_minor"]) == ("repayment", amount)


def test_the_named_loan_comes_first(staff: TestClient, database: Database) -> None:
    borrower, (young, old) = _borrower(database, 3, 50)
    shares = _ask(staff, borrower, 100_000, "/what-if", loan_id=str(young)).json()["shares"]
    assert {one["loan_id"] for one in shares} == {str(young)}
    answer = _ask(staff, borrower, 100_000, loan_id=str(young)).json()
    assert [one["loan_id"] for one in answer["repayments"]] == [str(young)]
    assert old != young


def test_everything_that_is_owed_closes_every_loan(staff: TestClient, database: Database) -> None:
    borrower, loans = _borrower(database, 10, 40)
    refused = _ask(staff, borrower, 10**9)
    assert (refused.status_code, refused.json()["code"]) == (409, "more-than-owed")
    assert refused.json()["params"]["field"] == "amount_minor"
    owed = refused.json()["params"]["owed_minor"]
    assert str(owed) in refused.json()["detail"]
    assert "%(" not in refused.json()["title"]
    assert _ask(staff, borrower, owed + 1, "/what-if").status_code == 409
    key = str(uuid4())
    first, again = (_ask(staff, borrower, owed, key=key) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    for loan in loans:
        assert staff.get(f"/api/v1/loans/{loan}").json()["status"] == "closed_obligations_met"
    assert _ask(staff, borrower, 1).json()["code"] == "nothing-owed"
    assert _ask(staff, borrower, owed + 5, key=key).json()["code"] == "idempotency-key-reused"


def test_the_verb_itself_records_a_key_once(database: Database) -> None:
    borrower, _ = _borrower(database, 40, 41)
    payment = lending.BorrowerPayment(10_000, "CNY", date.fromisoformat(_day()))

    def pay(payment: lending.BorrowerPayment) -> list[tuple[UUID, int, bool]]:
        with database.transaction() as session:
            done = lending.repay_borrower(session, borrower, payment, key="k", actor="x", now=clock.now())
            return [(one.loan_id, one.amount_minor, one.receipt.repeated) for one in done]

    first, again = pay(payment), pay(payment)
    assert [one[:2] for one in first] == [one[:2] for one in again]
    assert [one[2] for one in again] == [True] * len(again)
    with pytest.raises(EventKeyReused):
        pay(lending.BorrowerPayment(9_999, "CNY", payment.value_date))


def test_a_payment_told_of_late_is_not_taken_twice(staff: TestClient, database: Database) -> None:
    borrower, (loan,) = _borrower(database, 40)
    assert _ask(staff, borrower, 250_000).status_code == 201
    late = _ask(staff, borrower, 10**9, value_date=_day(5)).json()
    owed = late["params"]["owed_minor"]
    assert owed < 70_000
    assert _ask(staff, borrower, owed, value_date=_day(5)).status_code == 201
    assert (
        staff.get(f"/api/v1/loans/{loan}").json()["overpaid_minor"] < 3_000
    )  # less interest than was planned


@pytest.mark.parametrize(
    ("more", "status", "code", "field"),
    [
        ({"value_date": "2199-01-01"}, 422, "event-refused", "value_date"),
        ({"loan_id": str(C)}, 422, "named-loan", "loan_id"),
        ({"currency": "USD"}, 409, "nothing-owed", None),
        ({"value_date": "2001-01-01"}, 409, "nothing-owed", None),
        ({"amount_minor": 0}, 422, "invalid", None),
        ({"amount_minor": "12"}, None, None, None),
        ({"currency": "cny"}, 422, "invalid", None),
        ({"colour": "red"}, 422, "invalid", None),
    ],
)
def test_wrong_payments_are_refused(
    staff: TestClient,
    database: Database,
    more: dict[str, Any],
    status: int | None,
    code: str,
    field: str | None,
) -> None:
    borrower, _ = _borrower(database, 40)
    for path in ("", "/what-if"):
        answer = _ask(staff, borrower, 100, path, **more)
        if status is None:
            assert answer.status_code < 500
            continue
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        if field is not None:
            assert answer.json()["params"]["field"] == field


def test_scopes(browse: Browse, database: Database) -> None:
    borrower, _ = _borrower(database, 40)
    assert _ask(browse(READER), borrower, 100, "/what-if").status_code == 200
    assert _ask(browse(READER), borrower, 100).status_code == 403
    assert (
        _ask(browse(http.Caller("staff", uuid4(), uuid4(), frozenset())), borrower, 1, "/what-if").status_code
        == 403
    )
