"""The HTTP face: own loans with what protects them, repayment by one key, loans and the business day for staff."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from support.callers import Browse, browsing
from support.loans import usual_loan
from throughline.kernel import clock, http
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lab.wechat.keys import ensure_keys
from throughline.lending import api
from throughline.lending import service as lending
from throughline.payments.models import PaymentOrder

ZONE = "Asia/Shanghai"
REASON = {"zh-CN": "测试", "en": "test"}
STAFF = http.Caller("staff", uuid4(), uuid4(), frozenset({"lending:read"}))


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def wechat(installation: Path) -> Iterator[None]:
    """WeChat Pay is set up. Nothing is sent to it: that is the work of a job."""
    ensure_keys(installation)
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_PAYMENTS_WECHAT_URL", "http://127.0.0.1:9")
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


def _today() -> date:
    return clock.local_date(clock.now(), ZONE)


@pytest.fixture
def loan(database: Database) -> tuple[UUID, UUID]:
    """A borrower and their loan, paid out 40 days ago: the first installment is late."""
    borrower_id = new_id()

    def verb(session: Session) -> UUID:
        start = _today() - timedelta(days=40)
        loan_id = lending.open_loan(
            session,
            usual_loan(borrower_id, start),
            now=clock.now(),
        )
        payout = lending.NewEvent(
            type=lending.EventType.DISBURSEMENT, value_date=start, amount_minor=300_000, idempotency_key="out"
        )
        lending.record_event(session, loan_id, payout, now=clock.now())
        return loan_id

    return borrower_id, database.run(verb)


def _repay(client: TestClient, loan_id: UUID, amount_minor: Any, key: str | None = None) -> Any:
    return client.post(
        f"/api/v1/me/loans/{loan_id}/repayments",
        json={"amount_minor": amount_minor},
        headers={"Idempotency-Key": key or str(uuid4())},
    )


def _orders(database: Database, borrower_id: UUID) -> int:
    with database.transaction() as session:
        query = select(func.count()).where(PaymentOrder.borrower_id == borrower_id)
        return int(session.execute(query).scalar_one())


def test_a_borrower_reads_the_own_loan(browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    (summary,) = me.get("/api/v1/me/loans").json()
    found = me.get(f"/api/v1/me/loans/{loan_id}").json()
    assert summary["id"] == found["id"] == str(loan_id)
    assert summary["outstanding_minor"] == found["outstanding_minor"] > 300_000
    assert len(found["installments"]) == 6
    first = found["installments"][0]
    assert found["next_due"]["due_date"] == first["due_date"]
    parts = sum(first[f"{part}_minor"] for part in ("principal", "interest", "fee", "penalty"))
    assert first["outstanding_minor"] == parts - first["paid_minor"] - first["waived_minor"]
    assert sum(row["outstanding_minor"] for row in found["installments"]) == found["outstanding_minor"]
    assert found["past_due_days"] > found["delinquent_days"] > 0
    assert found["penalty_minor"] > 0
    assert "borrower_id" not in found
    before = me.get(f"/api/v1/me/loans/{loan_id}", params={"on": first["due_date"]}).json()
    assert (before["past_due_days"], before["penalty_minor"]) == (0, 0)


def test_what_settles_it(browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    path = f"/api/v1/me/loans/{loan_id}/payoff"
    now = me.get(path).json()
    parts = sum(now[f"{part}_minor"] for part in ("principal", "interest", "fee", "penalty"))
    assert now["total_minor"] == parts - now["overpaid_minor"]
    tomorrow = me.get(path, params={"on": str(_today() + timedelta(days=1))}).json()
    assert tomorrow["total_minor"] > now["total_minor"]
    assert me.get(path, params={"on": "31.12.2026"}).status_code == 422


def test_protection_shows_on_the_loan(database: Database, browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    first, last, case_id = _today() - timedelta(days=20), _today() + timedelta(days=20), new_id()
    batch = lending.VariationBatch(
        case_id,
        "LINE-OUTAGE-2026",
        REASON,
        (
            lending.Variation(lending.VariationKind.DELINQUENCY_PAUSE, first, last + timedelta(days=1)),
            lending.Variation(lending.VariationKind.PENALTY_PAUSE, first, last),
        ),
        lending.Hold(f"protection_case:{case_id}", first, None, REASON),
        "case",
    )
    database.run(lambda s: lending.apply_variations(s, loan_id, batch, now=clock.now()))
    found = browse(http.Caller("borrower", borrower_id)).get(f"/api/v1/me/loans/{loan_id}").json()
    assert (found["delinquency_paused"], found["delinquent_days"], found["penalty_minor"]) == (True, 0, 0)
    assert {row["kind"] for row in found["variations"]} == {"delinquency_pause", "penalty_pause"}
    (hold,) = found["report_holds"]
    assert (hold["until_date"], hold["reason"]) == (None, REASON)
    last_day = _today() + timedelta(days=3)  # the days to catch up lie ahead
    database.run(
        lambda s: lending.end_variations(s, loan_id, case_id, last_day, reason=REASON, now=clock.now())
    )
    found = browse(http.Caller("borrower", borrower_id)).get(f"/api/v1/me/loans/{loan_id}").json()
    ends = {row["kind"]: row["to_date"] for row in found["variations"]}
    assert ends == {
        "delinquency_pause": str(last_day + timedelta(days=1)),
        "penalty_pause": str(last_day),
    }


def test_a_repayment_is_ordered_once_for_its_key(
    wechat: None, database: Database, browse: Browse, loan: tuple[UUID, UUID]
) -> None:
    borrower_id, loan_id = loan
    me = browse(http.Caller("borrower", borrower_id))
    key = str(uuid4())
    first = _repay(me, loan_id, 12_345, key)
    assert first.status_code == 201, first.text
    assert first.json()["amount_minor"] == 12_345
    again = _repay(me, loan_id, 12_345, key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert _repay(me, loan_id, 12_346, key).status_code == 422
    assert _orders(database, borrower_id) == 1
    owed = me.get(f"/api/v1/me/loans/{loan_id}").json()["outstanding_minor"]
    too_much = _repay(me, loan_id, owed + 1)
    assert (too_much.status_code, too_much.json()["code"]) == (409, "more-than-owed")
    assert too_much.json()["params"] == {"owed_minor": owed}
    for amount in (0, -5, 1.5, "x", None, 10**13):
        assert _repay(me, loan_id, amount).status_code == 422
    no_key = me.post(f"/api/v1/me/loans/{loan_id}/repayments", json={"amount_minor": 5})
    assert no_key.status_code == 422
    assert _orders(database, borrower_id) == 1


def test_nobody_elses_loan(database: Database, browse: Browse, loan: tuple[UUID, UUID]) -> None:
    _, loan_id = loan
    stranger_id = new_id()
    stranger = browse(http.Caller("borrower", stranger_id))
    assert stranger.get("/api/v1/me/loans").json() == []
    for path in ("", "/payoff"):
        assert stranger.get(f"/api/v1/me/loans/{loan_id}{path}").status_code == 404
        assert browse(STAFF).get(f"/api/v1/me/loans/{loan_id}{path}").status_code == 403
        assert browse(http.PUBLIC).get(f"/api/v1/me/loans/{loan_id}{path}").status_code == 401
    assert _repay(stranger, loan_id, 5).status_code == 404
    assert _orders(database, stranger_id) == 0


def test_staff_read_loans_by_their_scope(database: Database, browse: Browse, loan: tuple[UUID, UUID]) -> None:
    borrower_id, loan_id = loan
    with database.transaction() as session:
        for amount in (1_000, 2_000):
            payment = lending.NewEvent(
                type=lending.EventType.REPAYMENT,
                value_date=_today(),
                amount_minor=amount,
                idempotency_key=str(amount),
            )
            lending.record_event(session, loan_id, payment, now=clock.now())
    client = browse(STAFF)
    path = f"/api/v1/loans/{loan_id}"
    assert client.get(path).json()["id"] == str(loan_id)
    events = client.get(f"{path}/events").json()["items"]
    assert [row["type"] for row in events] == ["disbursement", "repayment", "repayment"]
    rest = client.get(f"{path}/events", params={"after_seq": 1, "limit": 1}).json()["items"]
    assert rest == events[1:2]
    rows = client.get(f"{path}/transactions").json()["items"]
    assert {row["event_id"] for row in rows} == {row["id"] for row in events}
    first = client.get(f"{path}/transactions", params={"limit": 2}).json()
    last = client.get(f"{path}/transactions", params={"cursor": first["next_cursor"]}).json()
    assert first["items"] + last["items"] == rows
    found = client.get("/api/v1/loans", params={"status": "active", "limit": 200}).json()["items"]
    assert (str(loan_id), str(borrower_id)) in {(row["id"], row["borrower_id"]) for row in found}
    assert client.get("/api/v1/business-day").json()["business_date"] == str(_today())
    paths = ["/api/v1/loans", path, f"{path}/events", f"{path}/transactions", "/api/v1/business-day"]
    for one in paths:
        assert browse(http.PUBLIC).get(one).status_code == 401
        assert browse(http.Caller("borrower", borrower_id)).get(one).status_code == 403
        assert browse(http.Caller("staff", uuid4(), uuid4())).get(one).status_code == 403
    for one in ("", "/events", "/transactions"):
        assert client.get(f"/api/v1/loans/{uuid4()}{one}").status_code == 404
