"""What one loan may have of its own: the fields that a product lets a loan override, each within bounds.

In a product's document they stand in `limits.overrides`; a field that is not named there is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.money import from_minor
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import AllocationPreset

MAX_GRACE = 120


class OutsideProduct(Invalid):
    code = "outside-product"
    title = N_("The product does not allow this")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a loan asks for instead of the product's template. None: as the product has it."""

    first_due_date: date | None = None
    grace_principal: int | None = None
    grace_interest: int | None = None
    grace_interest_free: int | None = None
    installment_multiple_minor: int | None = None
    allocation: AllocationPreset | None = None


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class OverrideBounds:
    """The bounds, both ends inside; None or empty: not to be overridden.

    `first_due_days` counts from the day of the agreement.
    """

    first_due_days: tuple[int, int] | None = None
    grace_principal: int | None = None
    grace_interest: int | None = None
    grace_interest_free: int | None = None
    installment_multiples_minor: tuple[int, ...] = ()
    allocations: tuple[AllocationPreset, ...] = ()


_GRACES = {
    "grace_principal": "principal_installments",
    "grace_interest": "interest_payment_installments",
    "grace_interest_free": "interest_free_installments",
}


def read_bounds(node: Node, currency: str) -> OverrideBounds:
    """The bounds of a product's document. Raises InputError."""
    node.only("first_due_days", *_GRACES, "installment_multiples", "allocations")
    days = _list(node, "first_due_days", int)
    if days and (len(days) != 2 or not 1 <= days[0] <= days[1] <= 366):
        raise InputError(node.at("first_due_days"), "expected two numbers of days from 1 to 366, lower first")
    graces = {name: node.whole(name) if node.has(name) else None for name in _GRACES}
    for name, most in graces.items():
        if most is not None and not 0 <= most <= MAX_GRACE:
            raise InputError(node.at(name), f"expected a number from 0 to {MAX_GRACE}")
    texts = _list(node, "installment_multiples", str)
    multiples = [
        Node(node.path, {"installment_multiples": one}).amount("installment_multiples", currency)
        for one in texts
    ]
    if any(one < 1 for one in multiples):
        raise InputError(node.at("installment_multiples"), "expected amounts above 0")
    names = _list(node, "allocations", str)
    presets = [one for one in AllocationPreset if one is not AllocationPreset.CUSTOM]
    if any(one not in {preset.value for preset in presets} for one in names):
        raise InputError(node.at("allocations"), f"expected some of {', '.join(presets)}")
    return OverrideBounds(
        first_due_days=(days[0], days[1]) if days else None,
        installment_multiples_minor=tuple(multiples),
        allocations=tuple(AllocationPreset(one) for one in names),
        **graces,
    )


def _list(node: Node, name: str, kind: type) -> list[Any]:
    value = node.values.get(name)
    if value is None:
        return []
    wrong = not isinstance(value, list) or not 1 <= len(value) <= 20
    if wrong or not all(isinstance(one, kind) and not isinstance(one, bool) for one in value):
        raise InputError(node.at(name), "expected a list of 1 to 20 values")
    return list(value)


def override(
    document: dict[str, Any], asked: Overrides, bounds: OverrideBounds, agreed_on: date | None, currency: str
) -> dict[str, Any]:
    """The document of a loan's terms with what it asked for. Raises OutsideProduct naming the field."""
    changed = dict(document)
    if asked.first_due_date is not None:
        if bounds.first_due_days is None or agreed_on is None:
            raise _fixed("first_due_date")
        low, high = bounds.first_due_days
        if not low <= (asked.first_due_date - agreed_on).days <= high:
            raise OutsideProduct(
                N_("The first due date must be from %(low)s to %(high)s days after the agreement"),
                field="first_due_date",
                low=low,
                high=high,
            )
        changed["first_due_date"] = asked.first_due_date.isoformat()
    graces = {}
    for name, key in _GRACES.items():
        count: int | None = getattr(asked, name)
        if count is None:
            continue
        most: int | None = getattr(bounds, name)
        if most is None:
            raise _fixed(name)
        if not 0 <= count <= most:
            raise OutsideProduct(
                N_("The grace may be from 0 to %(most)s installments"), field=name, most=most
            )
        graces[key] = count
    if graces:
        changed["grace"] = {**(document.get("grace") or {}), **graces}
    if asked.installment_multiple_minor is not None:
        _among("installment_multiple", asked.installment_multiple_minor, bounds.installment_multiples_minor)
        changed["rounding"] = {
            **(document.get("rounding") or {}),
            "installment_multiple": from_minor(asked.installment_multiple_minor, currency),
        }
    if asked.allocation is not None:
        _among("allocation", asked.allocation, bounds.allocations)
        changed["allocation"] = asked.allocation.value
    return changed


def _among(field: str, asked: object, allowed: tuple[object, ...]) -> None:
    if not allowed:
        raise _fixed(field)
    if asked not in allowed:
        raise OutsideProduct(
            N_("The product allows only %(allowed)s here"),
            field=field,
            allowed=", ".join(str(one) for one in allowed),
        )


def _fixed(field: str) -> OutsideProduct:
    return OutsideProduct(N_("The product does not let a loan change this"), field=field)


def corners(bounds: OverrideBounds, agreed_on: date) -> list[Overrides]:
    """Requests at the ends of the bounds, one field at a time."""
    found = [NO_OVERRIDES]
    found += [
        Overrides(first_due_date=agreed_on + timedelta(days=days)) for days in bounds.first_due_days or ()
    ]
    found += [Overrides(**{name: most}) for name in _GRACES if (most := getattr(bounds, name)) is not None]
    found += [Overrides(installment_multiple_minor=one) for one in bounds.installment_multiples_minor]
    found += [Overrides(allocation=one) for one in bounds.allocations]
    return found
