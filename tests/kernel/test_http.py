"""Idempotent writes, problems, paging and refusals over HTTP, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import Database
from throughline.kernel.errors import Conflict
from throughline.kernel.http import (
    BorrowerCaller,
    Caller,
    Paged,
    PageParams,
    Reading,
    Writing,
    install,
    paged,
    problems,
)
from throughline.kernel.i18n import N_

BORROWER = Caller("borrower", UUID(int=7))


class Order(BaseModel):
    amount_minor: int


@pytest.fixture(scope="module")
def api(database: Database) -> Iterator[TestClient]:
    with database.transaction() as session:
        session.execute(text("CREATE TABLE effect (n int)"))
    app = FastAPI()

    def who(request: Request) -> Caller:
        return BORROWER if request.headers.get("authorization") or request.cookies.get("who") else Caller()

    install(app, authenticate=who)

    @app.post("/orders", status_code=201, responses=problems(401, 409))
    def order(body: Order, caller: BorrowerCaller, write: Writing) -> object:
        def verb(session: Session) -> dict[str, int]:
            session.execute(text("INSERT INTO effect VALUES (:n)"), {"n": body.amount_minor})
            if body.amount_minor < 0:
                raise Conflict(N_("The present state does not allow this"))
            count = session.execute(text("SELECT count(*) FROM effect")).scalar_one()
            return {"count": int(count), "amount_minor": body.amount_minor}

        return write.once(verb, status=201)

    @app.get("/numbers")
    def numbers(page: PageParams) -> Paged[UUID]:
        rows = [UUID(int=n) for n in range(1, 101) if page.after is None or n > page.after.int]
        return paged(rows[: page.limit + 1], page, lambda row: row)

    @app.get("/read-only")
    def read_only(session: Reading) -> None:
        session.execute(text("INSERT INTO effect VALUES (1)"))

    @app.get("/crash")
    def crash() -> None:
        raise ZeroDivisionError

    with TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False) as client:
        yield client


def _effects(database: Database) -> int:
    with database.transaction() as session:
        return int(session.execute(text("SELECT count(*) FROM effect")).scalar_one())


SIGNED = {"Authorization": "Bearer x"}


def test_the_same_key_has_one_effect_and_one_answer(api: TestClient, database: Database) -> None:
    before = _effects(database)
    headers = SIGNED | {"Idempotency-Key": "k1"}
    first = api.post("/orders", json={"amount_minor": 5}, headers=headers)
    again = api.post(
        "/orders", content=b'{ "amount_minor" : 5 }', headers=headers | {"content-type": "application/json"}
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert _effects(database) == before + 1
    other = api.post("/orders", json={"amount_minor": 6}, headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency-key-reused"
    assert _effects(database) == before + 1


def test_a_thousandfold_duplicate_has_one_effect(api: TestClient, database: Database) -> None:
    before = _effects(database)

    def send(_: int) -> tuple[int, str]:
        answer = api.post("/orders", json={"amount_minor": 9}, headers=SIGNED | {"Idempotency-Key": "many"})
        return answer.status_code, answer.text

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(send, range(200)))
    assert len(answers) == 1
    assert _effects(database) == before + 1


def test_a_refused_verb_leaves_nothing_and_the_key_stays_usable(api: TestClient, database: Database) -> None:
    before = _effects(database)
    headers = SIGNED | {"Idempotency-Key": "k2"}
    assert api.post("/orders", json={"amount_minor": -1}, headers=headers).status_code == 409
    assert _effects(database) == before
    assert api.post("/orders", json={"amount_minor": 1}, headers=headers).status_code == 201


@pytest.mark.parametrize("key", [None, "", "with space", "ä", "x" * 201])
def test_a_key_is_required_and_checked(api: TestClient, key: str | None) -> None:
    headers = SIGNED | ({"Idempotency-Key": key.encode()} if key is not None else {})
    answer = api.post("/orders", json={"amount_minor": 1}, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_problems_speak_the_callers_language(api: TestClient) -> None:
    chinese = api.post("/orders", json={}, headers={"Idempotency-Key": "a"})
    english = api.post("/orders", json={}, headers={"Idempotency-Key": "a", "Accept-Language": "en"})
    assert chinese.json()["title"] == "请先登录"
    assert english.json()["title"] == "Sign in first"
    assert english.json()["status"] == english.status_code == 401


def test_unknown_paths_methods_and_faults_are_problems(api: TestClient) -> None:
    for answer, status in (
        (api.get("/nothing"), 404),
        (api.delete("/orders"), 405),
        (api.get("/crash"), 500),
        (api.get("/read-only"), 500),
        (
            api.post("/orders", content=b"x" * (1024 * 1024 + 1), headers=SIGNED | {"Idempotency-Key": "b"}),
            413,
        ),
        (api.post("/orders", content=b"{" * 100_000, headers=SIGNED | {"Idempotency-Key": "deep"}), 422),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_pages_of_other_sites_cannot_write(api: TestClient) -> None:
    headers = {"Idempotency-Key": "csrf", "Cookie": "who=me"}
    for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert api.post("/orders", json={"amount_minor": 1}, headers=headers | foreign).status_code == 403
    ours = {"Origin": "http://localhost:8000"}
    assert api.post("/orders", json={"amount_minor": 1}, headers=headers | ours).status_code == 201


def test_lists_are_paged_to_the_end(api: TestClient) -> None:
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        params = {"limit": "30"} | ({"cursor": cursor} if cursor else {})
        page = api.get("/numbers", params=params).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [UUID(one).int for one in seen] == list(range(1, 101))
    assert api.get("/numbers", params={"cursor": "x"}).status_code == 422
    assert api.get("/numbers", params={"limit": "201"}).status_code == 422
