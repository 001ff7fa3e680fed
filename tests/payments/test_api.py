"""The HTTP face: a borrower sees the own order only, staff with the permission see all, in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.payments import api, service

pytestmark = pytest.mark.usefixtures("configured")


@pytest.fixture
def browse() -> Iterator[Callable[[http.Caller], TestClient]]:
    opened: list[TestClient] = []

    def as_caller(caller: http.Caller) -> TestClient:
        app = FastAPI()
        http.install(app, authenticate=lambda request: caller)
        app.include_router(api.router)
        opened.append(TestClient(app))
        return opened[-1]

    yield as_caller
    for client in opened:
        client.close()


@pytest.fixture(scope="module")
def three_orders(database: Database, borrower: UUID) -> list[UUID]:
    return [
        database.run(
            lambda session: service.order_collection(
                session, borrower, 100, "CNY", "loan:1", idempotency_key=str(uuid4()), now=clock.now()
            )
        )
        for _ in range(3)
    ]


STAFF = http.Caller("staff", uuid4(), uuid4(), frozenset({"payments:read"}))


def test_a_borrower_sees_the_own_order_and_nobody_elses(
    browse: Callable[[http.Caller], TestClient], three_orders: list[UUID], borrower: UUID
) -> None:
    path = f"/api/v1/me/payment-orders/{three_orders[0]}"
    mine = browse(http.Caller("borrower", borrower)).get(path)
    assert mine.status_code == 200
    assert mine.json()["amount_minor"] == 100
    assert "borrower_id" not in mine.json()
    assert browse(http.Caller("borrower", uuid4())).get(path).status_code == 404
    assert browse(http.PUBLIC).get(path).status_code == 401
    assert browse(STAFF).get(path).status_code == 403


def test_staff_page_through_orders(
    browse: Callable[[http.Caller], TestClient], three_orders: list[UUID], borrower: UUID
) -> None:
    client = browse(STAFF)
    filters = {"borrower_id": str(borrower), "state": "created", "source": "loan:1", "limit": 2}
    first = client.get("/api/v1/payments/orders", params=filters).json()
    rest = client.get("/api/v1/payments/orders", params=filters | {"cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [str(order) for order in three_orders]
    assert rest["next_cursor"] is None
    assert browse(http.Caller("staff", uuid4())).get("/api/v1/payments/orders").status_code == 403
    assert browse(http.PUBLIC).get("/api/v1/payments/orders").status_code == 401


def test_staff_read_the_story_of_an_order(
    browse: Callable[[http.Caller], TestClient],
    database: Database,
    three_orders: list[UUID],
    run_jobs: Callable[..., int],
) -> None:
    for order_id in three_orders:  # closed before they are sent, so no rail is needed
        database.run(lambda session, order_id=order_id: service.close(session, order_id, now=clock.now()))
    run_jobs(rounds=1, hurry=False)
    client = browse(STAFF)
    story = client.get(f"/api/v1/payments/orders/{three_orders[0]}").json()
    [attempt] = story["attempts"]
    assert attempt["state"] == story["order"]["state"] == "failed"
    assert [(step["new"], step["cause"]) for step in attempt["steps"]] == [("failed", "job")]
    assert client.get(f"/api/v1/payments/orders/{uuid4()}").status_code == 404
