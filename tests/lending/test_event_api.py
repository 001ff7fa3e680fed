"""Staff record every kind of event over HTTP, and ask what one would do without recording it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from support.callers import Browse, browsing
from support.loans import paid_out_loan
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.kernel.models import OutboxEvent
from throughline.ledger.models import JournalEntry
from throughline.lending import api
from throughline.lending import service as lending
from throughline.lending.models import LoanEventRow, ScheduleRow, TransactionRow
from throughline.lending.second_person import alone_forbidden

ZONE = "Asia/Shanghai"
SCOPES = frozenset({"lending:read", "lending:write", "ledger:read"})
WRITER = http.Caller("staff", uuid4(), uuid4(), SCOPES)
SECOND = http.Caller("staff", uuid4(), uuid4(), SCOPES)


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def staff(browse: Browse) -> TestClient:
    return browse(WRITER)


def day(ago: int = 0) -> str:
    return str(clock.local_date(clock.now(), ZONE) - timedelta(days=ago))


@pytest.fixture
def loan(database: Database) -> UUID:
    """A loan paid out 40 days ago: the first installment is late."""

    charges = ("penalty_interest", "late_fee")
    return database.run(lambda session: paid_out_loan(session, new_id(), days_ago=40, agreed_charges=charges))


@pytest.fixture
def record(browse: Browse, staff: TestClient, loan: UUID) -> Callable[..., Any]:
    """Record an event, by two people where one may not; returns its id."""
    second = browse(SECOND)

    def post(kind: str, ago: int = 0, **fields: Any) -> str:
        body = {"type": kind, "value_date": day(ago), **fields}
        needs_two = alone_forbidden(lending.EventType(kind), fraud=fields.get("fraud", False))
        if not needs_two:
            answer = _post(staff, loan, body)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["event_id"])
        answer = _post(staff, loan, {**body, "reason": "agreed in the meeting"})
        assert answer.status_code == 202, answer.text
        approved = second.post(
            f"/api/v1/proposals/{answer.json()['id']}/approve",
            json={},
            headers={"Idempotency-Key": str(uuid4())},
        )
        assert approved.status_code == 200, approved.text
        assert approved.json()["state"] == "approved", approved.text
        return str(approved.json()["event_id"])

    return post


def _post(client: TestClient, loan_id: UUID, body: Any, key: str | None = None) -> Any:
    return client.post(
        f"/api/v1/loans/{loan_id}/events", json=body, headers={"Idempotency-Key": key or str(uuid4())}
    )


def _types(staff: TestClient, loan: UUID) -> list[str]:
    return [row["type"] for row in staff.get(f"/api/v1/loans/{loan}/events").json()["items"]]


def _told(database: Database, loan: UUID) -> set[str]:
    with database.transaction() as session:
        rows = session.scalars(select(OutboxEvent.type).where(OutboxEvent.aggregate_id == loan))
        return {str(one) for one in rows}


def test_money_of_every_kind(staff: TestClient, loan: UUID, record: Callable[..., Any]) -> None:
    first = record("repayment", 5, amount_minor=20_000)
    record("payout_refund", 4, amount_minor=1_000)
    record("merchant_refund", 4, amount_minor=1_000)
    record("goodwill_credit", 3, amount_minor=500)
    record("waive_interest", 2, amount_minor=100)
    record("chargeback", 1, amount_minor=5_000, target=first)
    record("pay_off")
    over = record("repayment", amount_minor=700)
    found = staff.get(f"/api/v1/loans/{loan}").json()
    assert (found["status"], found["overpaid_minor"]) == ("overpaid", 700)
    record("refund_of_overpayment", amount_minor=700)
    assert staff.get(f"/api/v1/loans/{loan}").json()["status"] == "closed_obligations_met"
    refund = {"type": "refund_of_overpayment", "value_date": day(), "amount_minor": 1, "reason": "asked for"}
    too_much = _post(staff, loan, refund)
    assert too_much.json()["params"]["field"] == "amount_minor"
    assert over in {row["id"] for row in staff.get(f"/api/v1/loans/{loan}/events").json()["items"]}


def test_charges_and_their_waivers(staff: TestClient, loan: UUID, record: Callable[..., Any]) -> None:
    flat = record("charge", charge_kind="fee", charge_code="late_fee", amount_minor=1_500)
    record(
        "charge",
        charge_kind="fee",
        charge_code="late_fee",
        calculation="percent_of_amount",
        applies_to="each_installment",
        percent="0.5",
    )
    record("waiver", target=flat)
    record("undo_waiver", target=flat)
    not_agreed = _post(
        staff,
        loan,
        {"type": "charge", "value_date": day(), "charge_kind": "fee", "charge_code": "x", "amount_minor": 5},
    )
    assert (not_agreed.status_code, not_agreed.json()["code"]) == (422, "charge-not-agreed")


def test_new_terms_make_new_versions_of_the_plan(
    database: Database, staff: TestClient, loan: UUID, record: Callable[..., Any]
) -> None:
    record("set_future_installments", rule="last")
    record("reschedule", annual_rate_percent="10", extra_installments=2)
    record("re_amortize")
    first_due = str(date.fromisoformat(day()) + timedelta(days=30))
    record("re_age", first_due_date=first_due, installments=8, repay_every={"count": 2, "unit": "weeks"})
    record("delinquency_resume")
    versions = staff.get(f"/api/v1/loans/{loan}/schedules").json()
    assert [row["version"] for row in versions] == list(range(1, len(versions) + 1))
    assert versions[0]["reason"] == "disbursement"
    assert len(versions) > 1
    assert "lending.terms_changed.v1" in _told(database, loan)


def test_loss_and_its_undoing(
    database: Database, staff: TestClient, loan: UUID, record: Callable[..., Any]
) -> None:
    record("charge_off", fraud=True)
    record("recovery", amount_minor=1_000)
    record("undo_charge_off")
    record("charge_off")
    record("write_off")
    assert staff.get(f"/api/v1/loans/{loan}").json()["status"] == "closed_written_off"
    record("recovery", amount_minor=2_000)
    record("undo_write_off")
    assert {
        f"lending.{name}.v1"
        for name in ("loan_charged_off", "charge_off_undone", "loan_written_off", "write_off_undone")
    } <= _told(database, loan)


def test_a_reversal_and_a_payout(staff: TestClient, loan: UUID, record: Callable[..., Any]) -> None:
    payout = staff.get(f"/api/v1/loans/{loan}/events").json()["items"][0]["id"]
    paid = record("repayment", 3, amount_minor=9_000)
    record("reversal", target=paid)
    record("reversal", target=payout)
    assert staff.get(f"/api/v1/loans/{loan}").json()["status"] == "approved"
    record("disbursement", amount_minor=300_000)
    assert _types(staff, loan)[-1] == "disbursement"


def test_one_key_records_once(staff: TestClient, loan: UUID) -> None:
    body, key = {"type": "repayment", "value_date": day(), "amount_minor": 4_000}, str(uuid4())
    first, again = _post(staff, loan, body, key), _post(staff, loan, body, key)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert _post(staff, loan, {**body, "amount_minor": 4_001}, key).status_code == 422
    assert _types(staff, loan) == ["disbursement", "repayment"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "repayment", "amount_minor": 0}, "amount_minor"),
        ({"type": "repayment", "amount_minor": 5, "fraud": True}, "fraud"),
        ({"type": "reversal"}, "target"),
        ({"type": "charge_off", "fraud": "perhaps"}, "fraud"),
        ({"type": "re_age", "installments": 0, "first_due_date": "2030-01-01"}, "installments"),
        ({"type": "variation"}, "body"),
        ({"type": "reversal", "target": str(uuid4())}, "target"),
        ({"type": "repayment", "amount_minor": 5, "value_date": "2200-01-01"}, "value_date"),
        ({"type": "repayment", "amount_minor": 5, "value_date": "2001-01-01"}, "value_date"),
        ({"type": "recovery", "amount_minor": 5}, "type"),
        ({"type": "reschedule"}, "type"),
        ({"type": "re_age", "installments": 3, "first_due_date": "2020-01-01"}, "first_due_date"),
    ],
)
def test_wrong_input_names_its_field(staff: TestClient, loan: UUID, body: Any, field: str) -> None:
    answer = _post(staff, loan, {"value_date": day(), **body})
    assert answer.status_code == 422
    problem = answer.json()
    named = problem["params"]["field"] if "params" in problem else problem["errors"][0]["path"].split(".")[-1]
    assert named == field
    assert _types(staff, loan) == ["disbursement"]


def _counts(database: Database) -> list[int]:
    tables = (LoanEventRow, TransactionRow, ScheduleRow, JournalEntry, OutboxEvent)
    with database.transaction() as session:
        return [int(session.execute(select(func.count()).select_from(one)).scalar_one()) for one in tables]


def test_what_if_writes_nothing_and_foretells_what_recording_does(
    database: Database, staff: TestClient, loan: UUID
) -> None:
    body = {"type": "repayment", "value_date": day(9), "amount_minor": 60_000}
    before = _counts(database)
    asked = staff.post(f"/api/v1/loans/{loan}/what-if", json={"events": [body]})
    assert asked.status_code == 200, asked.text
    assert _counts(database) == before
    told = asked.json()
    now = staff.get(f"/api/v1/loans/{loan}").json()
    assert told["before"]["installments"] == now["installments"]
    assert told["changes"]
    lines = told["event_lines"] + told["accrual_lines"]
    assert sum(one["debit_minor"] for one in lines) == sum(one["credit_minor"] for one in lines) > 0
    _post(staff, loan, body)
    after = staff.get(f"/api/v1/loans/{loan}").json()
    assert told["after"]["installments"] == after["installments"]
    quote = staff.get(f"/api/v1/loans/{loan}/payoff").json()
    assert told["after"]["quote"]["total_minor"] == quote["total_minor"]
    entries = staff.get(f"/api/v1/loans/{loan}/journal").json()["items"]
    event_id = staff.get(f"/api/v1/loans/{loan}/events").json()["items"][-1]["id"]
    posted = [line for one in entries if event_id in one["key"] for line in one["lines"]]
    assert sorted(posted, key=str) == sorted(lines, key=str)


def test_what_if_names_the_event_that_is_refused(staff: TestClient, loan: UUID) -> None:
    events = [
        {"type": "pay_off", "value_date": day()},
        {"type": "refund_of_overpayment", "value_date": day(), "amount_minor": 5},
    ]
    answer = staff.post(f"/api/v1/loans/{loan}/what-if", json={"events": events})
    assert (answer.status_code, answer.json()["params"]["field"]) == (422, "events.1.amount_minor")


def test_each_needs_its_scope(browse: Browse, loan: UUID) -> None:
    body = {"type": "pay_off", "value_date": day()}
    reader = browse(http.Caller("staff", uuid4(), uuid4(), frozenset({"lending:read"})))
    assert _post(reader, loan, body).status_code == 403
    assert reader.get(f"/api/v1/loans/{loan}/journal").status_code == 403
    assert reader.get(f"/api/v1/loans/{loan}/schedules").status_code == 200
    for who in (http.PUBLIC, http.Caller("borrower", uuid4())):
        client = browse(who)
        assert _post(client, loan, body).status_code in {401, 403}
        asked = client.post(f"/api/v1/loans/{loan}/what-if", json={"events": [body]})
        assert asked.status_code in {401, 403}
