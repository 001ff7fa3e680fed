"""Products: dated versions with limits, and the terms of one loan made from them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_, Text
from throughline.kernel.money import from_minor, to_minor
from throughline.lending.models import ProductRow
from throughline.lending.overrides import (
    NO_OVERRIDES,
    OutsideProduct,
    OverrideBounds,
    Overrides,
    override,
    read_bounds,
)
from throughline.lending.product_charges import ProductCharge, read_charges, read_cooling_off
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import LoanTerms
from throughline.lending.terms_json import plain, read_terms

PENALTY_INTEREST = "penalty_interest"  # the item of the cost table that the terms themselves bring


class ProductUnknown(NotFound):
    code = "product-unknown"
    title = N_("There is no such product in force on that day")


@dataclass(frozen=True, slots=True)
class Product:
    """One version of a product. Amounts in minor units, rates in percent a year, both ends inside."""

    code: str
    version: int
    name: Text
    currency: str
    valid_from: date
    valid_until: date | None
    principal_minor: tuple[int, int]
    installments: tuple[int, ...]
    annual_rate_percent: tuple[Decimal, Decimal]
    template: dict[str, Any]
    penalty_percent_of_rate: Decimal | None
    penalty_at_most_percent: Decimal | None
    protection: dict[str, Any]
    overrides: OverrideBounds
    charges: tuple[ProductCharge, ...] | None = None  # None: the document does not say
    cooling_off_days: int = 0

    def check_charges(self, codes: Collection[str]) -> None:
        """Raise OutsideProduct for an agreed charge that the product does not name, if it names any."""
        if self.charges is None:
            return
        known = {one.code for one in self.charges} | {PENALTY_INTEREST}
        for code in codes:
            if code not in known:
                raise OutsideProduct(
                    N_("The product has no charge %(code)s"), field="agreed_charges", code=code
                )

    def terms(
        self,
        *,
        principal_minor: int,
        installments: int,
        annual_rate_percent: Decimal,
        expected_disbursement_date: date | None = None,
        overrides: Overrides = NO_OVERRIDES,
    ) -> LoanTerms:
        """The terms of one loan. Raises OutsideProduct naming what is outside the limits.

        The first due date of `overrides` is measured from `expected_disbursement_date`.
        """
        if not self.principal_minor[0] <= principal_minor <= self.principal_minor[1]:
            raise OutsideProduct(
                N_("The principal must be from %(low)s to %(high)s"),
                low=from_minor(self.principal_minor[0], self.currency),
                high=from_minor(self.principal_minor[1], self.currency),
            )
        if installments not in self.installments:
            raise OutsideProduct(
                N_("The number of installments must be one of %(numbers)s"),
                numbers=", ".join(str(number) for number in self.installments),
            )
        low, high = self.annual_rate_percent
        if not low <= annual_rate_percent <= high:
            raise OutsideProduct(
                N_("The yearly rate must be from %(low)s to %(high)s percent"),
                low=plain(low),
                high=plain(high),
            )
        document = override(
            self.template, overrides, self.overrides, expected_disbursement_date, self.currency
        )
        document |= {
            "principal": from_minor(principal_minor, self.currency),
            "installments": installments,
            "annual_rate_percent": plain(annual_rate_percent),
        }
        if expected_disbursement_date is not None:
            document["expected_disbursement_date"] = expected_disbursement_date.isoformat()
        if self.penalty_percent_of_rate is not None:
            penalty = annual_rate_percent * self.penalty_percent_of_rate / 100
            if self.penalty_at_most_percent is not None:
                penalty = min(penalty, self.penalty_at_most_percent)
            document["overdue_interest"] = {
                **(document.get("overdue_interest") or {}),
                "annual_rate_percent": plain(penalty),
            }
        try:
            return read_terms(Node("$.terms", document), self.currency)
        except InputError as error:
            raise OutsideProduct(str(error)) from error


def product_in_force(session: Session, code: str, on: date) -> Product:
    """The newest version of a product in force on a day. Raises ProductUnknown."""
    row = session.scalars(
        select(ProductRow)
        .where(
            ProductRow.code == code,
            ProductRow.valid_from <= on,
            (ProductRow.valid_until.is_(None)) | (ProductRow.valid_until >= on),
        )
        .order_by(ProductRow.version.desc())
        .limit(1)
    ).first()
    if row is None:
        raise ProductUnknown
    return _product(row)


def product_version(session: Session, code: str, version: int) -> Product:
    """A version of a product, in force or not. Raises ProductUnknown."""
    row = session.get(ProductRow, (code, version))
    if row is None:
        raise ProductUnknown
    return _product(row)


def products(session: Session, on: date, *, limit: int = 200) -> list[Product]:
    """The products in force on a day."""
    rows = session.scalars(
        select(ProductRow)
        .where(
            ProductRow.valid_from <= on,
            (ProductRow.valid_until.is_(None)) | (ProductRow.valid_until >= on),
        )
        .ext(distinct_on(ProductRow.code))
        .order_by(ProductRow.code, ProductRow.version.desc())
        .limit(limit)
    )
    return [_product(row) for row in rows]


def product_versions(session: Session, code: str, *, limit: int = 200) -> list[Product]:
    """The versions of a product, oldest first. Raises ProductUnknown."""
    rows = session.scalars(
        select(ProductRow).where(ProductRow.code == code).order_by(ProductRow.version).limit(limit)
    ).all()
    if not rows:
        raise ProductUnknown(N_("There is no product of this code"))
    return [_product(row) for row in rows]


def _product(row: ProductRow) -> Product:
    return product_of(row.document, row.code, row.version, row.valid_from, row.valid_until)


def product_of(
    document: dict[str, Any], code: str, version: int, valid_from: date, valid_until: date | None
) -> Product:
    """The version of a product that a document describes."""
    currency, limits = document["currency"], document["limits"]
    overdue = document.get("overdue") or {}
    whole = Node("$", document)
    low, high = (to_minor(amount, currency) for amount in limits["principal"])
    rate_low, rate_high = (Decimal(rate) for rate in limits["annual_rate_percent"])
    return Product(
        code=code,
        version=version,
        name=document["name"],
        currency=currency,
        valid_from=valid_from,
        valid_until=valid_until,
        principal_minor=(low, high),
        installments=tuple(limits["installments"]),
        annual_rate_percent=(rate_low, rate_high),
        template=document["terms"],
        penalty_percent_of_rate=_decimal(overdue.get("percent_of_contract_rate")),
        penalty_at_most_percent=_decimal(overdue.get("at_most_percent")),
        protection=document.get("protection", {}),
        overrides=read_bounds(Node("$.limits.overrides", limits.get("overrides") or {}), currency),
        charges=read_charges(whole, currency),
        cooling_off_days=read_cooling_off(whole),
    )


def _decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None
