"""Publishing a new version of a product: tried at all its corners before anybody can borrow by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from throughline.compliance import service as compliance
from throughline.compliance.apr import NoRate
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.money import digits_of
from throughline.kernel.settings import settings
from throughline.lending.business_day import business_date, start_business_day
from throughline.lending.models import ProductRow
from throughline.lending.overrides import OutsideProduct
from throughline.lending.product_costs import Corner, blamed, facts, loans_at_corners
from throughline.lending.products import Product, product_of
from throughline.lending.reading_json import InputError, Node

LATEST = date(2199, 12, 31)
MAX_NUMBERS = 60


class ProductRefused(Invalid):
    """A product that makes no loans. `field` is the path of what is wrong in its document."""

    code = "product-refused"
    title = N_("The product makes no loans at %(field)s: %(why)s")


class ProductDate(Invalid):
    code = "product-date"
    title = N_("A version begins today or later, and after the newest one")


class RuleForbidsProduct(Conflict):
    code = "rule-forbids"
    title = N_("A rule in force on that day forbids the product at %(field)s: %(rules)s")


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A version to publish; `document` has name, currency, limits, terms, overdue and protection."""

    code: str
    valid_from: date
    document: dict[str, Any]


def publish_product(session: Session, new: NewProduct, *, now: datetime) -> Product:
    """Make the next version of a product, in force from a day on; the version before ends the day before.

    Loans that were made by an older version keep it. Raises ProductRefused, ProductDate, RuleForbidsProduct.
    """
    made, newest = check_version(session, new, now=now)
    if newest is not None:
        last = new.valid_from - timedelta(days=1)
        newest.valid_until = last if newest.valid_until is None else min(newest.valid_until, last)
    session.add(
        ProductRow(
            code=new.code,
            version=made.version,
            valid_from=new.valid_from,
            valid_until=None,
            document=new.document,
        )
    )
    session.flush()
    return made


def check_version(session: Session, new: NewProduct, *, now: datetime) -> tuple[Product, ProductRow | None]:
    """The version that would be published, and the newest one before it; nobody else publishes that code
    before the transaction ends. Raises ProductRefused, ProductDate, RuleForbidsProduct."""
    start_business_day(session, now=now)
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"product:{new.code}"}
    )
    newest = session.scalars(
        select(ProductRow).where(ProductRow.code == new.code).order_by(ProductRow.version.desc()).limit(1)
    ).first()
    first = business_date(session)
    if newest is not None:
        first = max(first, newest.valid_from + timedelta(days=1))
    if not first <= new.valid_from <= LATEST:
        raise ProductDate(ProductDate.title, field="valid_from")
    version = newest.version + 1 if newest is not None else 1
    made = try_product(new, version)
    _ask_gate(session, made, now=now)
    return made, newest


def try_product(new: NewProduct, version: int) -> Product:
    """The product, after a plan could be made at every corner of its limits. Raises ProductRefused."""
    try:
        _check_document(Node("$", new.document))
        made = product_of(new.document, new.code, version, new.valid_from, None)
        for _ in loans_at_corners(made):
            pass
    except InputError as error:
        raise _refused(error.path, error.expected) from error
    except OutsideProduct as error:
        cause = error.__cause__
        if isinstance(cause, InputError):
            raise _refused(cause.path, cause.expected) from error
        raise _refused("$.limits", str(error)) from error
    except (ValueError, ArithmeticError) as error:
        raise _refused("$.terms", str(error)[:200]) from error
    return made


def _refused(field: str, why: str) -> ProductRefused:
    return ProductRefused(ProductRefused.title, field=field, why=why)


def _check_document(node: Node) -> None:
    node.only("name", "currency", "terms", "limits", "overdue", "charges", "cooling_off_days", "protection")
    currency, limits = node.text("currency"), node.child("limits")
    digits_of(currency)
    limits.only("principal", "installments", "annual_rate_percent", "overrides")
    for name in ("principal", "annual_rate_percent"):
        pair = limits.values.get(name)
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(limits.at(name), "expected two texts, the lower one first")
        ends = [Node(limits.path, {name: one}) for one in pair]
        low, high = (
            (Decimal(one.amount(name, currency)) for one in ends)
            if name == "principal"
            else (one.percent(name) for one in ends)
        )
        if low > high:
            raise InputError(limits.at(name), "the lower one comes first")
    numbers = limits.values.get("installments")
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= MAX_NUMBERS:
        raise InputError(limits.at("installments"), f"expected 1 to {MAX_NUMBERS} numbers")
    for number in numbers:
        Node(limits.path, {"installments": number}).whole("installments")
    template = node.child("terms")
    for fixed in ("principal", "installments", "annual_rate_percent", "expected_disbursement_date"):
        if template.has(fixed):
            raise InputError(template.at(fixed), "is of each loan, not of the product")
    for part in ("overdue_interest", "grace", "rounding"):
        template.child(part)
    overdue = node.child("overdue")
    overdue.only("percent_of_contract_rate", "at_most_percent")
    for name in ("percent_of_contract_rate", "at_most_percent"):
        if overdue.has(name):
            overdue.percent(name)


def _ask_gate(session: Session, made: Product, *, now: datetime) -> None:
    """Gate `product_publish` for a loan at every corner, with all charges and paid late; the question about the
    dearest of them is stored. Raises RuleForbidsProduct."""
    lender, dearest = settings().lender_type, None
    for corner in loans_at_corners(made):
        try:
            asked = facts(corner, lender)
        except NoRate as error:
            raise _refused("$.charges" if made.charges else "$.limits", str(error)) from error
        blocking = compliance.foresee("product_publish", asked, made.valid_from)
        if blocking:
            raise _forbidden(corner, lender, blocking)
        if dearest is None or asked["apr"] > dearest["apr"]:
            dearest = asked
    compliance.check(
        session,
        "product_publish",
        dearest or {},
        made.valid_from,
        f"product:{made.code}:{made.version}",
        LENDER_ID,
        now=now,
    )


def _forbidden(corner: Corner, lender: str, blocking: Sequence[compliance.Verdict]) -> RuleForbidsProduct:
    first = blocking[0]

    def breaks(asked: dict[str, Any]) -> bool:
        found = compliance.foresee("product_publish", asked, corner.made.valid_from)
        return any(one.rule_id == first.rule_id for one in found)

    failed = " ".join(f"{step.left_text} {step.right_text}" for step in first.trace if step.value is False)
    field = blamed(corner, lender, breaks, frozenset(re.findall(r"[a-z_0-9]+", failed)))
    rules = ", ".join(one.rule_id for one in blocking)
    return RuleForbidsProduct(RuleForbidsProduct.title, rules=rules, field=field)
