"""The HTTP face: the whole way as JSON, one key one effect, own applications only, staff by their scopes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from origination.applicants import UNSURE, Applicant
from support.callers import Browse, browsing
from throughline.identity.roles import ROLES
from throughline.kernel import http
from throughline.kernel.db import Database
from throughline.origination import api

MINE = "/api/v1/me/applications"
STAFF = "/api/v1/applications"


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def me(browse: Browse, person: Applicant) -> TestClient:
    return browse(http.Caller("borrower", person.id))


def _staff(browse: Browse, *roles: str) -> TestClient:
    scopes = frozenset().union(*(ROLES[role] for role in roles))
    return browse(http.Caller("staff", uuid4(), uuid4(), scopes))


def _post(client: TestClient, path: str, body: Any = None, key: str | None = None) -> Any:
    return client.post(path, json=body, headers={"Idempotency-Key": key or str(uuid4())})


def _has_read(database: Database) -> None:
    """The reading time is measured by the wall clock, so the showing is moved back instead of waiting."""
    with database.transaction() as session:
        session.execute(text("UPDATE contract_showing SET shown_at = shown_at - interval '1 hour'"))


def test_the_whole_way(database: Database, me: TestClient, person: Applicant) -> None:
    begun = _post(me, MINE, person.body())
    assert begun.status_code == 201
    path = f"{MINE}/{begun.json()['id']}"
    assert begun.json()["state"] == "draft"
    decided = _post(me, f"{path}/submit").json()
    assert (decided["state"], decided["reasons"]) == ("offered", [])
    assert set(decided["reason"]) == {"zh-CN", "en"}
    early = _post(me, f"{path}/costs/confirm")
    assert (early.status_code, early.headers["content-type"]) == (409, "application/problem+json")
    costs = _post(me, f"{path}/costs").json()
    assert costs["min_read_s"] > 0
    assert costs["costs"]
    assert _post(me, f"{path}/costs/confirm").status_code == 409
    assert me.get(f"{path}/signing").status_code == 409
    _has_read(database)
    signing = _post(me, f"{path}/costs/confirm").json()
    assert me.get(f"{path}/signing").json() == signing  # taken up on another device
    proof_id = str(person.approve(signing["action"]))
    assert _post(me, f"{path}/sign", {"proof_id": str(uuid4())}).status_code == 403
    signed = _post(me, f"{path}/sign", {"proof_id": proof_id})
    assert signed.status_code == 200
    found = me.get(path).json()
    assert (found["state"], found["loan_id"]) == ("disbursing", signed.json()["loan_id"])
    assert _post(me, f"{path}/withdraw").status_code == 409


def test_one_key_is_one_effect(me: TestClient, person: Applicant) -> None:
    key = str(uuid4())
    first = _post(me, MINE, person.body(), key)
    again = _post(me, MINE, person.body(), key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert _post(me, MINE, person.body(principal_minor=310_000), key).status_code == 422
    assert me.post(MINE, json=person.body()).status_code == 422  # no key
    assert _post(me, MINE, person.body()).status_code == 409
    path = f"{MINE}/{first.json()['id']}"
    assert _post(me, f"{path}/submit", key=key).json() == _post(me, f"{path}/submit", key=key).json()
    assert person.history(UUID(first.json()["id"])) == ["draft", "deciding", "offered"]
    assert _post(me, f"{path}/withdraw", key=key).json()["state"] == "withdrawn"
    assert len(me.get(MINE).json()["items"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"principal_minor": 0},
        {"principal_minor": 3_000.5},
        {"principal_minor": 10**11},
        {"installments": 7},
        {"payee_account_id": "x"},
        {"payee_account_id": str(uuid4())},
        {"monthly_income_minor": -1},
        {"employment_months": 721},
        {"product_code": "nothing"},
        {"line_state": "active"},
    ],
)
def test_input_that_cannot_be_meant(me: TestClient, person: Applicant, changes: dict[str, Any]) -> None:
    answer = _post(me, MINE, person.body(**changes))
    assert answer.status_code in {404, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert me.get(MINE).json()["items"] == []


def test_nobody_elses(browse: Browse, person: Applicant, other: Applicant) -> None:
    theirs = f"{MINE}/{other.apply()}"
    me = browse(http.Caller("borrower", person.id))
    assert me.get(theirs).status_code == me.get(f"{theirs}/signing").status_code == 404
    for verb in ("submit", "costs", "costs/confirm", "withdraw"):
        assert _post(me, f"{theirs}/{verb}").status_code == 404
    assert _post(me, f"{theirs}/sign", {"proof_id": str(uuid4())}).status_code == 404
    assert browse(http.PUBLIC).get(theirs).status_code == 401
    assert _staff(browse, "admin").get(theirs).status_code == 403
    assert me.get(STAFF).status_code == 403


def test_staff_read_and_decide_by_their_scopes(browse: Browse, person: Applicant, me: TestClient) -> None:
    application_id = person.apply(UNSURE)
    path = f"{STAFF}/{application_id}"
    credit, agent = _staff(browse, "credit"), _staff(browse, "agent")
    waiting = credit.get(STAFF, params={"state": "referred"}).json()["items"]
    assert [row["id"] for row in waiting] == [str(application_id)]
    story = credit.get(path).json()
    assert [step["new"] for step in story["steps"]] == ["draft", "deciding", "referred"]
    assert story["decision"]["outcome"] == "refer"
    assert [gate["gate"] for gate in story["gates"]] == ["decision"]
    assert story["reasons"] == story["decision"]["reasons"] != []
    body = {"approve": False, "reason_zh": "缺少收入证明。", "reason_en": "No proof of income."}
    assert agent.get(path).status_code == 200
    assert _post(agent, f"{path}/decision", body).status_code == 403
    assert _post(me, f"{path}/decision", body).status_code == 403
    assert _post(credit, f"{path}/decision", body | {"reason_en": ""}).status_code == 422
    assert _post(credit, f"{path}/decision", body).json()["state"] == "declined"
    assert _post(credit, f"{path}/decision", body).status_code == 409
    mine = me.get(f"{MINE}/{application_id}").json()
    assert mine["reason"] == {"zh-CN": "缺少收入证明。", "en": "No proof of income."}
    assert browse(http.Caller("staff", uuid4())).get(STAFF).status_code == 403
    assert credit.get(f"{STAFF}/{uuid4()}").status_code == 404


def test_a_list_goes_on_in_pages(browse: Browse, person: Applicant) -> None:
    made = []
    for _ in range(3):
        made.append(str(person.start()))
        me = browse(http.Caller("borrower", person.id))
        assert _post(me, f"{MINE}/{made[-1]}/withdraw").status_code == 200
    client = _staff(browse, "credit")
    wanted = {"borrower_id": str(person.id), "limit": 2}
    first = client.get(STAFF, params=wanted).json()
    rest = client.get(STAFF, params=wanted | {"cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
