"""Publishing a new version of a product: tried at all its corners before anybody can borrow by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product as combinations
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from throughline.compliance import service as compliance
from throughline.compliance.apr import Convention, Flow, NoRate, annual_rate
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.money import digits_of, from_minor
from throughline.kernel.settings import settings
from throughline.lending.business_day import business_date, start_business_day
from throughline.lending.models import ProductRow
from throughline.lending.overrides import NO_OVERRIDES, OutsideProduct, Overrides, corners
from throughline.lending.products import Product, product_of
from throughline.lending.reading_json import InputError, Node
from throughline.lending.schedule import Schedule, build_schedule

LATEST = date(2199, 12, 31)
MAX_NUMBERS = 60
KIND = "unsecured_cash"  # what the rules call the products that are lent here


class ProductRefused(Invalid):
    """A product that makes no loans. `field` is the path of what is wrong in its document."""

    code = "product-refused"
    title = N_("The product makes no loans at %(field)s: %(why)s")


class ProductDate(Invalid):
    code = "product-date"
    title = N_("A version begins today or later, and after the newest one")


class RuleForbidsProduct(Conflict):
    code = "rule-forbids"
    title = N_("A rule in force on that day forbids the product: %(rules)s")


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
    if newest is not None:
        last = new.valid_from - timedelta(days=1)
        newest.valid_until = last if newest.valid_until is None else min(newest.valid_until, last)
    session.add(
        ProductRow(
            code=new.code, version=version, valid_from=new.valid_from, valid_until=None, document=new.document
        )
    )
    session.flush()
    return made


def try_product(new: NewProduct, version: int) -> Product:
    """The product, after a plan could be made at every corner of its limits. Raises ProductRefused."""
    try:
        _check_document(Node("$", new.document))
        made = product_of(new.document, new.code, version, new.valid_from, None)
        for _ in _plans(made):
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
    node.only("name", "currency", "terms", "limits", "overdue", "protection")
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


def _plans(made: Product) -> Iterator[tuple[int, Schedule]]:
    """A plan for each corner: both principals, both rates, every number of installments, every override."""
    for asked in corners(made.overrides, made.valid_from):
        numbers = made.installments if asked == NO_OVERRIDES else made.installments[-1:]
        for principal, count, rate in combinations(
            dict.fromkeys(made.principal_minor), numbers, dict.fromkeys(made.annual_rate_percent)
        ):
            yield principal, _plan(made, principal, count, rate, asked)


def _plan(made: Product, principal: int, count: int, rate: Decimal, asked: Overrides) -> Schedule:
    terms = made.terms(
        principal_minor=principal,
        installments=count,
        annual_rate_percent=rate,
        expected_disbursement_date=made.valid_from,
        overrides=asked,
    )
    return build_schedule(terms, ())


def _ask_gate(session: Session, made: Product, *, now: datetime) -> None:
    """Gate `product_publish`, with the dearest plan and the largest principal: interest without charges, reckoned
    as an offer does it."""
    dearest, longest = Decimal(0), 0
    for principal, plan in _plans(made):
        last = plan.installments[-1].due_date
        longest = max(longest, (last - made.valid_from).days)
        dearest = max(dearest, _rate(principal, plan))
    facts: dict[str, Any] = {
        "lender_type": settings().lender_type,
        "product": KIND,
        "apr": dearest / 100,
        "principal": Decimal(from_minor(made.principal_minor[1], made.currency)),
        "tenor_days": longest,
    }
    asked = compliance.check(
        session,
        "product_publish",
        facts,
        made.valid_from,
        f"product:{made.code}:{made.version}",
        LENDER_ID,
        now=now,
    )
    if asked.outcome == "block":
        rules = ", ".join(one.rule_id for one in asked.blocking)
        raise RuleForbidsProduct(RuleForbidsProduct.title, rules=rules)


def _rate(principal: int, plan: Schedule) -> Decimal:
    payments = [
        Flow(row.due_date, row.principal_minor + row.interest_minor)
        for row in plan.installments
        if row.principal_minor + row.interest_minor > 0
    ]
    try:
        return annual_rate(
            Convention.CN_IRR, [Flow(plan.installments[0].from_date, principal)], payments
        ).percent
    except NoRate as error:
        raise ProductRefused(ProductRefused.title, field="$.limits", why=str(error)) from error
