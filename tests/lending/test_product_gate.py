"""The gate of a product: every corner, with all charges and paid late, against the rules of its first day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.compliance import rules
from throughline.compliance import service as compliance
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import product_costs
from throughline.lending import service as lending
from throughline.lending.models import ProductRow
from throughline.lending.product_costs import INTEREST, WITH_CHARGES, WITH_LATE_COSTS
from throughline.lending.publishing import RuleForbidsProduct, try_product

Publish = Callable[..., lending.Product]
BEGINS = date(2027, 3, 1)


def document(**changes: Any) -> dict[str, Any]:
    """A product within every rule: 1,000 to 9,000 for 3 or 6 months at 6 to 18 percent."""
    made: dict[str, Any] = {
        "name": {"zh-CN": "测试贷", "en": "Test loan"},
        "currency": "CNY",
        "terms": {"repay_every": {"count": 1, "unit": "months"}, "overdue_interest": {"grace_days": 3}},
        "limits": {
            "principal": ["1000.00", "9000.00"],
            "installments": [3, 6],
            "annual_rate_percent": ["6", "18"],
        },
        "overdue": {"percent_of_contract_rate": "150", "at_most_percent": "24"},
    }
    return made | changes


def limits(**changes: Any) -> dict[str, Any]:
    return {**document()["limits"], **changes}


def charge(**changes: Any) -> dict[str, Any]:
    return {"code": "service_fee", "kind": "fee", "amount": "20.00", **changes}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, database: Database) -> Iterator[Callable[..., None]]:
    """Put the lender somewhere else, or make it of another kind."""
    del database

    def move(jurisdiction: str = "CN", lender_type: str = "consumer_finance") -> None:
        monkeypatch.setenv("THROUGHLINE_JURISDICTION", jurisdiction)
        monkeypatch.setenv("THROUGHLINE_LENDER_TYPE", lender_type)
        kernel_settings.forget()

    yield move
    monkeypatch.undo()
    monkeypatch.setenv("THROUGHLINE_DEMO", "1")
    kernel_settings.forget()


@pytest.fixture
def publish(session: Session) -> Publish:
    def verb(wanted: dict[str, Any], begins: date = BEGINS) -> lending.Product:
        new = lending.NewProduct(f"g-{uuid4().hex[:10]}", begins, wanted)
        return lending.publish_product(session, new, now=clock.now())

    return verb


def refused(publish: Publish, wanted: dict[str, Any], begins: date = BEGINS) -> tuple[set[str], str]:
    with pytest.raises(RuleForbidsProduct) as found:
        publish(wanted, begins)
    assert found.value.params["field"] in str(found.value)
    return set(str(found.value.params["rules"]).split(", ")), str(found.value.params["field"])


def test_a_product_within_the_rules_is_published_and_its_question_stored(
    session: Session, publish: Publish
) -> None:
    made = publish(document(charges=[charge(amount="2.00")]))
    (asked,) = compliance.decisions_of(session, subject=f"product:{made.code}:{made.version}")
    assert (asked.gate, asked.outcome, asked.borrower_id) == ("product_publish", "allow", LENDER_ID)
    # A corner that only just passes is the one that was asked about: the small loan bears the flat fee.
    assert Decimal(asked.facts["principal"]) == 1000
    assert Decimal("0.2") < Decimal(asked.facts["apr"]) <= Decimal("0.24")
    assert {one["verdict"] for one in asked.verdicts} <= {"met", "pending", "not_applicable"}
    assert compliance.replay(asked) == []


def test_the_product_that_is_shipped_passes_its_own_gate(session: Session, publish: Publish) -> None:
    shipped = session.scalars(select(ProductRow).where(ProductRow.code == "cash-cn")).one()
    made = publish(shipped.document)
    assert made.annual_rate_percent[1] == Decimal(shipped.document["limits"]["annual_rate_percent"][1])


@pytest.mark.parametrize(
    ("wanted", "rule", "field"),
    [
        (document(limits=limits(annual_rate_percent=["6", "24"])), "CN-SPC-2017-24", "$.limits.annual_rate_percent"),
        (document(charges=[charge(amount="60.00")]), "CN-SPC-2017-24", "$.charges"),
        (document(charges=[charge(applies_to="each_installment", calculation="percent_of_amount", percent="3",
                                  amount=None)]), "CN-SPC-2017-24", "$.charges"),
        (document(charges=[charge(applies_to="disbursement", amount="1.00")]), "CN-141-UPFRONT", "$.charges"),
        (document(overdue={"percent_of_contract_rate": "500"}), "CN-SPC-2017-24", "$.overdue"),
        (document(charges=[charge(kind="penalty", applies_to="overdue_installment", amount="90.00")]),
         "CN-SPC-2017-24", "$.overdue"),
        (document(limits=limits(principal=["1000.00", "300000.01"])), "CN-INTERNET-LOAN-20W", "$.limits.principal"),
    ],
)  # fmt: skip
def test_the_rule_and_the_field_are_named_in_china(
    publish: Publish, wanted: dict[str, Any], rule: str, field: str
) -> None:
    rules_, at = refused(publish, {**wanted, "charges": _without_none(wanted)})
    assert rule in rules_
    assert at == field


def _without_none(wanted: dict[str, Any]) -> list[dict[str, Any]] | None:
    given = wanted.get("charges")
    return given and [{name: value for name, value in one.items() if value is not None} for one in given]


def test_a_private_lender_is_bound_to_four_times_the_reference_rate(
    place: Callable[..., None], publish: Publish
) -> None:
    place(lender_type="private")
    assert refused(publish, document()) == ({"CN-SPC-2020-4LPR"}, "$.limits.annual_rate_percent")
    cheap = limits(annual_rate_percent=["3", "10"])
    publish(document(limits=cheap, overdue={"percent_of_contract_rate": "100"}))
    # What only the late pay counts with the rest.
    late = document(limits=cheap, overdue={"percent_of_contract_rate": "400"})
    assert refused(publish, late) == ({"CN-SPC-2020-4LPR"}, "$.overdue")


def test_a_rule_counts_from_its_day(place: Callable[..., None], publish: Publish) -> None:
    place(lender_type="small_loan")
    publish(document(), date(2027, 12, 31))
    rules_, field = refused(publish, document(), date(2028, 1, 1))
    assert (rules_, field) == ({"CN-MICRO-2028-4LPR"}, "$.limits.annual_rate_percent")


@pytest.mark.parametrize(
    ("where", "days", "rule"), [("EU", 13, "EU-CCD2"), ("EU-DE", None, "EU-CCD2"), ("IN", None, "IN-DL-2025")]
)
def test_a_promise_to_step_back_is_asked_for_where_the_law_wants_it(
    place: Callable[..., None], publish: Publish, where: str, days: int | None, rule: str
) -> None:
    place(where)
    short = document() if days is None else document(cooling_off_days=days)
    assert refused(publish, short) == ({rule}, "$.cooling_off_days")
    assert publish(document(cooling_off_days=14)).cooling_off_days == 14


@pytest.mark.parametrize(
    ("where", "wanted", "rule", "field"),
    [
        ("ID", document(limits=limits(annual_rate_percent=["6", "200"])), "ID-CAP-2025-S", "$.limits.annual_rate_percent"),
        ("ID", document(charges=[charge(amount="400.00")]), "ID-CAP-2025-S", "$.charges"),
        ("PH", document(limits=limits(installments=[3], annual_rate_percent=["6", "90"])), "PH-CAP-2026",
         "$.limits.annual_rate_percent"),
        ("PH", document(limits=limits(installments=[3]), overdue={"percent_of_contract_rate": "500"}), "PH-CAP-2026",
         "$.overdue"),
        # Of the loans that the product allows only the short ones are bound: one corner is enough.
        ("PH", document(limits=limits(installments=[3, 60]), charges=[charge(amount="400.00")]), "PH-CAP-2026",
         "$.charges"),
        ("KE", document(charges=[charge(applies_to="each_installment", amount="180.00")]), "KE-DCP-2022", "$.charges"),
    ],
)  # fmt: skip
def test_other_places_have_other_caps(
    place: Callable[..., None], publish: Publish, where: str, wanted: dict[str, Any], rule: str, field: str
) -> None:
    place(where)
    found, at = refused(publish, wanted)
    assert (rule in found, at) == (True, field)


def test_every_fact_of_the_gate_is_known_to_the_rules() -> None:
    made = try_product(lending.NewProduct("g-known", BEGINS, document()), 1)
    corner = next(product_costs.loans_at_corners(made))
    known = rules.shipped().fact_names
    asked = set(product_costs.facts(corner, "bank"))
    assert asked <= known
    for key in rules.GATES["product_publish"]:
        for rule in (one for one in rules.shipped().rules if one.key == key and one.predicate):
            assert rule.predicate is not None
            wanted = rule.predicate.names | rule.applies.names
            assert wanted <= asked | {"lpr1y"} | rules.OWED_LATER["product_publish"], rule.id


def test_each_stage_costs_no_less_than_the_one_before() -> None:
    charges = [charge(applies_to="each_installment"), charge(code="late", applies_to="overdue_installment")]
    made = try_product(lending.NewProduct("g-stages", BEGINS, document(charges=charges)), 1)
    for corner in product_costs.loans_at_corners(made):
        alone, charged, late = (
            product_costs.facts(corner, "bank", stage) for stage in (INTEREST, WITH_CHARGES, WITH_LATE_COSTS)
        )
        assert alone["apr"] < charged["apr"] <= late["apr"]
        assert alone["total_cost_ratio"] < charged["total_cost_ratio"] < late["total_cost_ratio"]
        assert (alone["late_month"], charged["late_month"]) == (0, 0)
        rows = corner.plan.installments
        fees = Decimal(2_000 * len(rows))
        assert charged["total_cost_ratio"] == alone["total_cost_ratio"] + fees / corner.principal_minor
        assert late["late_month"] > Decimal(2_000) / max(
            row.principal_minor + row.interest_minor for row in rows
        )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ([charge(amount="0")], "$.charges[0].amount"),
        ([charge(calculation="percent_of_amount")], "$.charges[0].amount"),
        ([{"code": "a", "kind": "fee", "calculation": "percent_of_amount", "percent": "101"}],
         "$.charges[0].percent"),
        ([charge(), charge()], "$.charges[1].code"),
        ([charge(kind="tax")], "$.charges[0].kind"),
        ([charge(height="2")], "$.charges[0].height"),
    ],
)  # fmt: skip
def test_a_wrong_charge_is_named(publish: Publish, wrong: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(lending.ProductRefused) as found:
        publish(document(charges=wrong))
    assert found.value.params["field"] == field


def test_a_loan_has_no_charge_that_its_product_does_not_name(session: Session, publish: Publish) -> None:
    today = lending.business_date(session)
    made = publish(document(charges=[charge(amount="1.00")]), today + timedelta(days=1))

    def opened(*codes: str) -> Any:
        new = lending.NewLoan(
            borrower_id=new_id(),
            product_code=made.code,
            principal_minor=100_000,
            currency="CNY",
            installments=3,
            annual_rate_percent=Decimal(12),
            agreed_on=made.valid_from,
            contract_id=new_id(),
            zone="Asia/Shanghai",
            agreed_charges=codes,
        )
        return lending.open_loan(session, new, now=clock.now())

    assert opened("service_fee", "penalty_interest")
    with pytest.raises(lending.OutsideProduct) as found:
        opened("insurance")
    assert found.value.params["field"] == "agreed_charges"
