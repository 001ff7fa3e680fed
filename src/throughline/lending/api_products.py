"""HTTP of lending for staff: products and their versions."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.http import Caller, Reading, Writing, problems
from throughline.kernel.i18n import Text
from throughline.kernel.money import from_minor
from throughline.lending import service
from throughline.lending.api_proposals import ProposalOut, actor_of, proposal_out
from throughline.lending.event_bodies import Reason
from throughline.lending.history import AppliesTo, Calculation, ChargeKind
from throughline.lending.overrides import MAX_GRACE
from throughline.lending.product_charges import MAX_CHARGES, MAX_COOLING_OFF_DAYS, ProductCharge
from throughline.lending.second_person import ReasonNotKept
from throughline.lending.terms import MAX_INSTALLMENTS, AllocationPreset

router = APIRouter()
READER = [Depends(http.require_scope("lending:read"))]
Maker = Annotated[Caller, Depends(http.require_scope("lending:products"))]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Decimals = Annotated[str, Field(pattern=r"^[0-9]{1,13}(\.[0-9]{1,4})?$")]
Grace = Annotated[int, Field(ge=0, le=MAX_GRACE)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NameDoc(BaseModel):
    """The name of a product in both languages."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    zh: Annotated[str, Field(alias="zh-CN", min_length=1, max_length=100)]
    en: Annotated[str, Field(min_length=1, max_length=100)]


class OverridesDoc(_Strict):
    """What a loan may have of its own, each within bounds; what is not named is fixed.

    `first_due_days`: from and to, in days after the agreement. Graces: at most so many installments.
    `installment_multiples` are amounts as decimal texts.
    """

    first_due_days: tuple[int, int] | None = None
    grace_principal: Grace | None = None
    grace_interest: Grace | None = None
    grace_interest_free: Grace | None = None
    installment_multiples: Annotated[list[Decimals], Field(min_length=1, max_length=20)] | None = None
    allocations: Annotated[list[AllocationPreset], Field(min_length=1, max_length=20)] | None = None


class LimitsDoc(_Strict):
    """What may be agreed. Amounts and rates are decimal texts, the lower one first; both ends inside."""

    principal: tuple[Decimals, Decimals]
    installments: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_INSTALLMENTS)]], Field(min_length=1, max_length=60)
    ]
    annual_rate_percent: tuple[Decimals, Decimals]
    overrides: OverridesDoc | None = None


class OverdueDoc(_Strict):
    """Penalty interest as a percentage of the contract rate, and a ceiling in percent a year."""

    percent_of_contract_rate: Decimals | None = None
    at_most_percent: Decimals | None = None


class ChargeDoc(_Strict):
    """What a loan may be charged beside interest, at most. A flat charge has an `amount` (a decimal text), one
    by percentage a `percent`. Loans of a product that names its charges may have no others."""

    code: Annotated[str, Field(min_length=1, max_length=80)]
    kind: ChargeKind
    calculation: Calculation = Calculation.FLAT
    applies_to: AppliesTo = AppliesTo.DUE_DATE
    amount: Decimals | None = None
    percent: Decimals | None = None


class ProtectionDoc(_Strict):
    """What an outage of the phone line may grant."""

    interest_pause: bool = True
    penalty_pause: bool = True
    delinquency_pause: bool = True
    report_hold: bool = True
    catch_up_days: Annotated[int, Field(ge=0, le=60)] = 3


class ProductDoc(_Strict):
    """A product. `terms` is the template of a loan's terms, in the shape of `lending replay`
    (docs/batch-commands.md) without principal, rate, installments and dates of one loan."""

    name: NameDoc
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    terms: dict[str, Any]
    limits: LimitsDoc
    overdue: OverdueDoc | None = None
    charges: Annotated[list[ChargeDoc], Field(max_length=MAX_CHARGES)] | None = None
    cooling_off_days: Annotated[int, Field(ge=0, le=MAX_COOLING_OFF_DAYS)] | None = Field(
        None, description="Days in which a borrower may step back for principal and interest alone"
    )
    protection: ProtectionDoc = ProtectionDoc()


class NewVersion(ProductDoc):
    """A version to publish, in force from `valid_from` (today or later)."""

    code: Code
    valid_from: date
    reason: Reason | None = Field(None, description="Why, for the second person; needed unless none is")


class ProductOut(BaseModel):
    """A version of a product. Amounts in minor units; `valid_until` is its last day, null while open."""

    code: str
    version: int
    name: Text
    currency: str
    valid_from: date
    valid_until: date | None
    principal_minor: tuple[int, int]
    installments: list[int]
    annual_rate_percent: tuple[str, str]
    terms: dict[str, Any]
    overrides: dict[str, Any]
    charges: list[ChargeDoc] | None
    cooling_off_days: int
    protection: dict[str, Any]


@router.get("/products", responses=problems(401, 403), dependencies=READER)
def list_products(session: Reading) -> list[ProductOut]:
    """The products that can be agreed today, by code (at most 200)."""
    return [product_out(one) for one in service.products(session, service.business_date(session))]


@router.get("/products/{code}/versions", responses=problems(401, 403, 404, 422), dependencies=READER)
def list_versions(
    code: Annotated[str, Path(min_length=1, max_length=40)], session: Reading
) -> list[ProductOut]:
    """Every version of a product, oldest first (at most 200)."""
    return [product_out(one) for one in service.product_versions(session, code)]


@router.post(
    "/products",
    response_model=ProductOut,
    status_code=201,
    responses={202: {"model": ProposalOut, "description": "Proposed"}, **problems(401, 403, 409, 422, 503)},
)
def publish(body: NewVersion, caller: Maker, write: Writing) -> Response:
    """Propose the next version of a product (the first of a new code): 202, with a `reason`.

    It is published when somebody else with this scope approves the proposal; the version before ends the day
    before. A plan is made at every corner of the limits first, now and again then: `product-refused` names
    what is wrong by its path (`params.field`). `rule-forbids` (409): a loan at one of the corners, with all
    its charges and paid late, would break a rule of that day; `params.rules` and `params.field` name both. Loans keep the version by which they were made. 201 only where this lender needs no
    second person.
    """
    document = body.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"reason"})
    del document["code"], document["valid_from"]
    new = service.NewProduct(body.code, body.valid_from, document)

    def propose(session: Session) -> BaseModel:
        made = service.propose_product(session, new, body.reason, by=actor_of(caller), now=clock.now())
        return proposal_out(made)

    def verb(session: Session) -> BaseModel:
        return product_out(service.publish_product(session, new, now=clock.now()))

    if service.products_need_second():
        return write.once(propose, status=202, for_ever=True)
    if body.reason is not None:
        raise ReasonNotKept(ReasonNotKept.title, field="reason")
    return write.once(verb, status=201, for_ever=True)


def product_out(one: service.Product) -> ProductOut:
    """A version as JSON."""
    low, high = one.annual_rate_percent
    bounds = one.overrides
    return ProductOut(
        code=one.code,
        version=one.version,
        name=one.name,
        currency=one.currency,
        valid_from=one.valid_from,
        valid_until=one.valid_until,
        principal_minor=one.principal_minor,
        installments=list(one.installments),
        annual_rate_percent=(str(low), str(high)),
        terms=one.template,
        overrides={
            "first_due_days": list(bounds.first_due_days) if bounds.first_due_days else None,
            "grace_principal": bounds.grace_principal,
            "grace_interest": bounds.grace_interest,
            "grace_interest_free": bounds.grace_interest_free,
            "installment_multiples_minor": list(bounds.installment_multiples_minor),
            "allocations": [preset.value for preset in bounds.allocations],
        },
        charges=None if one.charges is None else [_charge_out(row, one.currency) for row in one.charges],
        cooling_off_days=one.cooling_off_days,
        protection=one.protection,
    )


def _charge_out(one: ProductCharge, currency: str) -> ChargeDoc:
    rule = one.rule
    return ChargeDoc(
        code=one.code,
        kind=one.kind,
        calculation=rule.calculation,
        applies_to=rule.applies_to,
        amount=None if one.amount_minor is None else from_minor(one.amount_minor, currency),
        percent=None if rule.percent is None else str(rule.percent),
    )
