"""Products over HTTP: versions, what is refused before anybody can borrow by it, and what one loan may override."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from support.callers import Browse, browsing
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import api
from throughline.lending import service as lending

ZONE = "Asia/Shanghai"
SCOPES = frozenset({"lending:read", "lending:products"})
MAKER = http.Caller("staff", uuid4(), uuid4(), SCOPES)
SECOND = http.Caller("staff", uuid4(), uuid4(), SCOPES)


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def maker(browse: Browse) -> TestClient:
    return browse(MAKER)


@pytest.fixture
def second(browse: Browse) -> TestClient:
    return browse(SECOND)


def today() -> date:
    return clock.local_date(clock.now(), ZONE)


def version(code: str, begins: date, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "code": code,
        "valid_from": str(begins),
        "name": {"zh-CN": "测试贷", "en": "Test loan"},
        "currency": "CNY",
        "terms": {"repay_every": {"count": 1, "unit": "months"}, "allocation": "cn_statutory"},
        "limits": {
            "principal": ["500.00", "20000.00"],
            "installments": [3, 6],
            "annual_rate_percent": ["3", "12"],
            "overrides": {
                "first_due_days": [15, 45],
                "grace_principal": 1,
                "installment_multiples": ["1.00"],
                "allocations": ["standard"],
            },
        },
    }
    return body | changes


def publish(client: TestClient, body: dict[str, Any]) -> Any:
    """Propose a version; what is wrong with it is said at once."""
    with_reason = {"reason": "a product for summer", **body}
    return client.post("/api/v1/products", json=with_reason, headers={"Idempotency-Key": str(uuid4())})


def approved(second: TestClient, proposed: Any) -> dict[str, Any]:
    """Have the second person approve what was proposed; returns the version."""
    assert proposed.status_code == 202, proposed.text
    path = f"/api/v1/proposals/{proposed.json()['id']}/approve"
    answer = second.post(path, json={}, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "approved", answer.text
    (one,) = [
        row
        for row in second.get(f"/api/v1/products/{answer.json()['product_code']}/versions").json()
        if row["version"] == answer.json()["product_version"]
    ]
    return dict(one)


def fresh() -> str:
    return f"t-{uuid4().hex[:12]}"


def test_a_version_ends_the_one_before(maker: TestClient, second: TestClient) -> None:
    code, later = fresh(), today() + timedelta(days=10)
    assert approved(second, publish(maker, version(code, today())))["version"] == 1
    assert approved(second, publish(maker, version(code, later)))["version"] == 2
    rows = maker.get(f"/api/v1/products/{code}/versions").json()
    ends = [(row["version"], row["valid_from"], row["valid_until"]) for row in rows]
    last = str(later - timedelta(days=1))
    assert ends == [(1, str(today()), last), (2, str(later), None)]
    in_force = {row["code"]: row["version"] for row in maker.get("/api/v1/products").json()}
    assert in_force[code] == 1
    for wrong in (later, today() - timedelta(days=1)):
        assert publish(maker, version(code, wrong)).json()["code"] == "product-date"


def test_of_two_proposals_for_one_day_the_second_fails(maker: TestClient, second: TestClient) -> None:
    code = fresh()
    one, other = (publish(maker, version(code, today())) for _ in range(2))
    assert approved(second, one)["version"] == 1
    path = f"/api/v1/proposals/{other.json()['id']}/approve"
    late = second.post(path, json={}, headers={"Idempotency-Key": str(uuid4())}).json()
    assert (late["state"], late["product_version"]) == ("failed", None)
    assert "after the newest one" in late["failure"]["en"]
    assert [row["version"] for row in maker.get(f"/api/v1/products/{code}/versions").json()] == [1]


def test_a_version_needs_a_reason_and_nobody_publishes_alone(maker: TestClient) -> None:
    missing = publish(maker, version(fresh(), today(), reason=None))
    assert (missing.status_code, missing.json()["code"]) == (422, "reason-missing")
    code = fresh()
    proposed = publish(maker, version(code, today())).json()
    path = f"/api/v1/proposals/{proposed['id']}/approve"
    own = maker.post(path, json={}, headers={"Idempotency-Key": str(uuid4())})
    assert (own.status_code, own.json()["code"]) == (403, "own-proposal")
    assert maker.get(f"/api/v1/products/{code}/versions").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"terms": {"allocation": "mine"}}, "$.terms.allocation"),
        ({"terms": {"principal": "5.00"}}, "$.terms.principal"),
        ({"terms": {"grace": "none"}}, "$.terms.grace"),
        ({"terms": {"grace": {"principal_installments": 3}}}, "$"),
    ],
)
def test_a_product_that_makes_no_loans_is_refused(maker: TestClient, change: Any, field: str) -> None:
    code = fresh()
    answer = publish(maker, version(code, today(), **change))
    assert (answer.status_code, answer.json()["code"]) == (422, "product-refused"), answer.text
    assert answer.json()["params"]["field"].startswith(field)
    assert maker.get(f"/api/v1/products/{code}/versions").status_code == 404


def test_the_law_is_asked_about_the_dearest_loan(maker: TestClient) -> None:
    limits = {"principal": ["500.00", "900.00"], "installments": [12], "annual_rate_percent": ["3", "90"]}
    answer = publish(maker, version(fresh(), today(), limits=limits))
    assert (answer.status_code, answer.json()["code"]) == (409, "rule-forbids"), answer.text
    assert "CN-SPC-2017-24" in answer.json()["params"]["rules"]
    assert answer.json()["params"]["field"] == "$.limits.annual_rate_percent"


def test_products_have_a_scope_of_their_own(browse: Browse) -> None:
    writer = http.Caller("staff", uuid4(), uuid4(), frozenset({"lending:read", "lending:write"}))
    assert publish(browse(writer), version(fresh(), today())).status_code == 403


def test_a_loan_overrides_within_bounds(database: Database, maker: TestClient, second: TestClient) -> None:
    code = fresh()
    approved(second, publish(maker, version(code, today())))

    def opened(**asked: Any) -> Any:
        new = lending.NewLoan(
            borrower_id=new_id(),
            product_code=code,
            principal_minor=100_000,
            currency="CNY",
            installments=6,
            annual_rate_percent=Decimal(12),
            agreed_on=today(),
            contract_id=new_id(),
            zone=ZONE,
            overrides=lending.Overrides(**asked),
        )
        return database.run(lambda session: lending.open_loan(session, new, now=clock.now()))

    first_due = today() + timedelta(days=20)
    loan_id = opened(first_due_date=first_due, grace_principal=1, installment_multiple_minor=100)
    with database.transaction() as session:
        rows = lending.loan_view(session, loan_id).installments
    assert (rows[0].due_date, rows[0].due[0]) == (first_due, 0)
    for wrong in (
        {"first_due_date": today() + timedelta(days=46)},
        {"grace_principal": 2},
        {"grace_interest": 1},
        {"installment_multiple_minor": 1_000},
    ):
        with pytest.raises(lending.OutsideProduct) as refused:
            opened(**wrong)
        assert refused.value.params["field"] in {*wrong, "installment_multiple"}
