"""The HTTP face: a borrower's own inbox, staff's view without texts and with masked addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from messaging.people import Borrower, register
from throughline.kernel import http
from throughline.kernel.db import Database
from throughline.messaging import api

Ask = Callable[..., UUID]
STAFF = http.Caller("staff", uuid4(), uuid4(), frozenset({"messaging:read"}))


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


def test_a_borrower_pages_and_reads_the_own_inbox_only(
    browse: Callable[[http.Caller], TestClient], borrower: Borrower, ask: Ask
) -> None:
    for _ in range(3):
        ask(borrower)
    mine = browse(http.Caller("borrower", borrower.id))
    first = mine.get("/api/v1/me/messages", params={"limit": 2}).json()
    rest = mine.get("/api/v1/me/messages", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert len(set(ids)) == 3
    assert ids == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None
    path = f"/api/v1/me/messages/{ids[0]}/read"
    read = mine.post(path, headers={"Idempotency-Key": "1"})
    assert read.status_code == 200
    assert read.json()["read_at"] is not None
    again = mine.post(path, headers={"Idempotency-Key": "1"})
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (read.json(), "true")

    other = browse(http.Caller("borrower", uuid4()))
    assert other.get("/api/v1/me/messages").json()["items"] == []
    assert other.post(path, headers={"Idempotency-Key": "2"}).status_code == 404
    assert browse(http.PUBLIC).get("/api/v1/me/messages").status_code == 401
    assert browse(STAFF).post(path, headers={"Idempotency-Key": "3"}).status_code == 403


def test_staff_see_why_but_not_what(
    browse: Callable[[http.Caller], TestClient],
    database: Database,
    line: Callable[..., None],
    ask: Ask,
) -> None:
    chosen = register(database)
    line(chosen, off=True)
    made = [str(ask(chosen)) for _ in range(3)]
    client = browse(STAFF)
    filters = {"borrower_id": str(chosen.id), "state": "open", "limit": 2}
    first = client.get("/api/v1/messages", params=filters).json()
    rest = client.get("/api/v1/messages", params=filters | {"cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    found = client.get(f"/api/v1/messages/{made[0]}")
    story = found.json()
    sms, mail = story["steps"]
    assert (sms["state"], mail["state"]) == ("held", "ready")
    assert sms["reason"]["en"] == "The phone line is suspended; the message is waiting for it"
    assert sms["address"].startswith("138****")
    assert "2019-10-30" not in found.text
    assert "10月30日" not in found.text
    assert client.get(f"/api/v1/messages/{uuid4()}").status_code == 404
    assert browse(http.Caller("staff", uuid4())).get("/api/v1/messages").status_code == 403
    assert browse(http.PUBLIC).get("/api/v1/messages").status_code == 401
    assert browse(http.Caller("borrower", chosen.id)).get("/api/v1/messages").status_code == 403
