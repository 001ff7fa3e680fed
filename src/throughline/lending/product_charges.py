"""What a product may charge beside interest: the items of its document, for the gate and for its loans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from throughline.lending.history import AppliesTo, Calculation, ChargeKind, ChargeRule, EventType, LoanEvent
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import LoanTerms
from throughline.lending.walk_rows import charge_amount

MAX_CHARGES = 20
_ANY_DAY = date(2000, 1, 1)  # what a charge comes to does not depend on its day
MAX_COOLING_OFF_DAYS = 60


@dataclass(frozen=True, slots=True)
class ProductCharge:
    """One item that a loan may be charged, at most: a flat amount in minor units, or a percentage."""

    code: str
    kind: ChargeKind
    rule: ChargeRule
    amount_minor: int | None

    @property
    def when_late(self) -> bool:
        """Whether only somebody who is late pays it."""
        return self.kind is ChargeKind.PENALTY or self.rule.applies_to is AppliesTo.OVERDUE_INSTALLMENT

    def on(self, principal_minor: int, interest_minor: int, terms: LoanTerms) -> int:
        """What it comes to on so much principal and interest, in minor units."""
        event = LoanEvent(
            "", EventType.CHARGE, _ANY_DAY, self.amount_minor, charge_kind=self.kind, charge_rule=self.rule
        )
        return charge_amount(event, principal_minor, interest_minor, terms)


def read_charges(document: Node, currency: str) -> tuple[ProductCharge, ...] | None:
    """The charges of a product's document; None where it does not say. Raises InputError naming the field."""
    if document.values.get("charges") is None:
        return None
    nodes = document.items("charges")
    if len(nodes) > MAX_CHARGES:
        raise InputError(document.at("charges"), f"expected at most {MAX_CHARGES} items")
    found: dict[str, ProductCharge] = {}
    for node in nodes:
        one = _read(node, currency)
        if one.code in found:
            raise InputError(node.at("code"), "stands twice")
        found[one.code] = one
    return tuple(found.values())


def _read(node: Node, currency: str) -> ProductCharge:
    node.only("code", "kind", "calculation", "applies_to", "amount", "percent")
    code = node.text("code")
    if not 1 <= len(code) <= 80:
        raise InputError(node.at("code"), "expected 1 to 80 characters")
    node.require("kind")
    calculation = node.choice("calculation", Calculation, Calculation.FLAT)
    flat = calculation is Calculation.FLAT
    if node.has("percent" if flat else "amount"):
        raise InputError(node.at("percent" if flat else "amount"), "belongs to another calculation")
    percent = None if flat else node.percent("percent")
    amount = node.amount("amount", currency) if flat else None
    if percent is not None and not 0 < percent <= Decimal(100):
        raise InputError(node.at("percent"), "expected above 0 and at most 100")
    if amount is not None and amount <= 0:
        raise InputError(node.at("amount"), "expected an amount above 0")
    return ProductCharge(
        code,
        node.choice("kind", ChargeKind, ChargeKind.FEE),
        ChargeRule(calculation, node.choice("applies_to", AppliesTo, AppliesTo.DUE_DATE), percent),
        amount,
    )


def read_cooling_off(document: Node) -> int:
    """Days in which a borrower may step back for principal and interest alone; 0 where none are promised."""
    days = document.whole("cooling_off_days", 0)
    if not 0 <= days <= MAX_COOLING_OFF_DAYS:
        raise InputError(document.at("cooling_off_days"), f"expected 0 to {MAX_COOLING_OFF_DAYS} days")
    return days
