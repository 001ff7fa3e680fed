"""The document of `throughline compliance apr`: flows by dates, by years or by counted unit periods.

docs/batch-commands.md has the shape. Each mistake names its field (InputError).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from throughline.compliance.apr import Convention
from throughline.compliance.timeline import Flow, Periods
from throughline.compliance.unit_periods import Unit, UnitPeriod
from throughline.lending.reading_json import MAX_ITEMS, InputError, Node

CENTS = "CNY"  # amounts of rates have two decimals, whatever the currency is called
_FRACTION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9}|/0*[1-9][0-9]{0,5})?")
_YEARS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,12})?")
_FORMS = ("date", "at_years", "count")
_MOST_PERIODS = 100_000


@dataclass(frozen=True, slots=True)
class AprInput:
    """What a document asks for."""

    method: Convention
    advances: list[Flow]
    payments: list[Flow]
    unit_period: UnitPeriod | None
    first_period: Periods | None


def read(value: object) -> AprInput:
    """Raises InputError."""
    document = Node.of(value, "$")
    document.only("advances", "payments", "method", "unit_period", "first_period")
    document.require("method")
    method = document.choice("method", Convention, Convention.EFFECTIVE)
    unit = _unit_period(document.child("unit_period")) if document.has("unit_period") else None
    first = None
    if document.has("first_period"):
        if unit is None:
            raise InputError("$.unit_period", "is required beside first_period")
        first = _first_period(document.child("first_period"), unit)
    payments_form = _form_of(document.items("payments"))
    if payments_form == "count" and unit is None:
        raise InputError("$.unit_period", "is required when payments are given as counts")
    if payments_form == "at_years" and first is not None:
        raise InputError("$.first_period", "makes no sense beside at_years")
    advances = [_advance(item, payments_form) for item in document.items("advances")]
    _one_clock(document.items("advances"))
    payments = list(_payments(document.items("payments"), payments_form, first or Periods(1)))
    return AprInput(method, advances, payments, unit, first)


def _unit_period(node: Node) -> UnitPeriod:
    node.only("count", "unit")
    node.require("unit")
    unit = node.choice("unit", Unit, Unit.MONTHS)
    try:
        return UnitPeriod(node.whole("count", 1), unit)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(node.at("count"), str(error)) from None


def _first_period(node: Node, unit: UnitPeriod) -> Periods:
    node.only("whole", "odd_days", "fraction")
    whole = node.whole("whole")
    if not 0 <= whole <= _MOST_PERIODS:
        raise InputError(node.at("whole"), f"expected 0 to {_MOST_PERIODS} unit periods")
    if node.has("odd_days") and node.has("fraction"):
        raise InputError(node.at("fraction"), "makes no sense beside odd_days")
    odd_days = node.whole("odd_days", 0)
    if not 0 <= odd_days <= unit.days:
        raise InputError(node.at("odd_days"), f"expected 0 to {unit.days} days, the days of a unit period")
    fraction = Fraction(0)
    if node.has("fraction"):
        fraction = _number(node, "fraction", _FRACTION, 'expected a fraction such as "19/30"')
        if fraction > 1:
            raise InputError(node.at("fraction"), "expected at most 1; whole unit periods stand in whole")
    return Periods(whole, odd_days, fraction)


def _form_of(items: list[Node]) -> str:
    """How payments say when they are; all say it in the same way."""
    form = ""
    for item in items:
        item.only(*_FORMS, "amount")
        given = [name for name in _FORMS if item.has(name)]
        if not given:
            raise InputError(item.at(form or "date"), "is required (or at_years, or count with unit_period)")
        if len(given) > 1:
            raise InputError(item.at(given[1]), f"makes no sense beside {given[0]}")
        form = form or given[0]
        if given[0] != form:
            raise InputError(item.at(given[0]), f"expected {form}, as the payments before it have")
    return form


def _advance(item: Node, payments_form: str) -> Flow:
    """An advance; without a date it stands at time 0."""
    item.only("date", "at_years", "amount")
    if item.has("date") and item.has("at_years"):
        raise InputError(item.at("at_years"), "makes no sense beside date")
    amount = _amount(item)
    if item.has("date"):
        if payments_form == "at_years":
            raise InputError(item.at("date"), "makes no sense beside payments with at_years")
        return Flow(item.day("date"), amount)
    if payments_form == "date":
        raise InputError(item.at("date"), "is required, because the payments have dates")
    return Flow(_years(item) if item.has("at_years") else Fraction(0), amount)


def _one_clock(items: list[Node]) -> None:
    dated = [item.has("date") for item in items]
    if any(dated) and not all(dated):
        raise InputError(
            items[dated.index(False)].at("date"), "is required, because other advances have dates"
        )


def _payments(items: list[Node], form: str, first: Periods) -> Iterator[Flow]:
    """Payments one by one; groups of counts go on counting unit periods after the first payment."""
    past = 0
    for item in items:
        amount = _amount(item)
        if form == "date":
            yield Flow(item.day("date"), amount)
        elif form == "at_years":
            yield Flow(_years(item), amount)
        else:
            count = item.whole("count")
            if not 1 <= count <= MAX_ITEMS - past:
                raise InputError(
                    item.at("count"), f"expected at least 1, and at most {MAX_ITEMS} payments in all"
                )
            for _ in range(count):
                yield Flow(Periods(first.whole + past, first.odd_days, first.fraction), amount)
                past += 1


def _amount(item: Node) -> int:
    amount = item.amount("amount", CENTS)
    if amount <= 0:
        raise InputError(item.at("amount"), "expected an amount above 0")
    return amount


def _years(item: Node) -> Fraction:
    return _number(item, "at_years", _YEARS, 'expected years as a decimal text such as "0.25"')


def _number(item: Node, name: str, form: re.Pattern[str], expected: str) -> Fraction:
    text = item.text(name)
    if not form.fullmatch(text):
        raise InputError(item.at(name), expected)
    return Fraction(text)
