"""Terms of a loan as JSON, in the shape of `throughline lending replay`: read from files, kept in rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from throughline.kernel.money import Rounding, digits_of, from_minor
from throughline.lending.allocation import buckets
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import (
    STANDARD_RANGES,
    AllocationPreset,
    AllocationRule,
    Amortization,
    DayCount,
    DelinquencyRange,
    Direction,
    DueDates,
    Frequency,
    FutureInstallments,
    LoanTerms,
    MonthBasis,
    OverdueBase,
    OverdueInterest,
    PeriodUnit,
    Preclosure,
    RoundingRules,
    TermsError,
    YearBasis,
)

_FIELDS = [
    "expected_disbursement_date",
    "principal",
    "annual_rate_percent",
    "interest_method",
    "interest_period",
    "amortization",
    "installments",
    "repay_every",
    "first_due_date",
    "day_count",
    "installment_amount",
    "due_dates",
    "rounding",
    "overdue_interest",
    "grace",
    "interest_recalculation",
    "schedule_type",
    "allocation",
    "allocation_order",
    "allocation_direction",
    "future_installments",
    "down_payment_percent",
    "delinquency_ranges",
]


def read_terms(document: Node, currency: str) -> LoanTerms:
    """Terms from their JSON object; amounts are decimal texts of `currency`.

    Raises InputError with the path of the first wrong field; a feature that this version does not
    calculate is refused, never ignored.
    """
    document.only(*_FIELDS)
    try:
        digits = digits_of(currency)
    except ValueError as error:
        raise InputError("$.currency", str(error)) from None
    _refuse_what_is_not_built(document, digits)
    try:
        terms = LoanTerms(
            currency=currency,
            principal_minor=document.amount("principal", currency),
            annual_rate_percent=document.percent("annual_rate_percent"),
            installments=document.whole("installments"),
            amortization=document.choice("amortization", Amortization, Amortization.EQUAL_INSTALLMENTS),
            repay_every=_frequency(document.child("repay_every")),
            expected_disbursement_date=document.day_or_none("expected_disbursement_date"),
            first_due_date=document.day_or_none("first_due_date"),
            due_dates=document.choice("due_dates", DueDates, DueDates.SAME_DAY),
            day_count=_day_count(document.child("day_count")),
            rounding=_rounding(document.child("rounding"), currency),
            installment_minor=document.amount("installment_amount", currency)
            if document.has("installment_amount")
            else None,
            overdue_interest=_overdue(document.child("overdue_interest")),
            arrears_days=document.child("grace").whole("arrears_days", 0),
            allocation=_allocation(document),
            preclosure=document.child("interest_recalculation").choice(
                "preclosure", Preclosure, Preclosure.TILL_PRECLOSURE_DATE
            ),
            ranges=_ranges(document),
        )
        buckets(terms.allocation)
    except TermsError as error:
        raise InputError(document.at(error.field), error.expected) from None
    return terms


def _refuse_what_is_not_built(document: Node, digits: int) -> None:
    for name, built in {
        "interest_method": {"declining_balance"},
        "interest_period": {"same_as_repayment", "daily"},
        "schedule_type": {"progressive"},
        "amortization": {one.value for one in Amortization},
    }.items():
        if document.has(name) and document.text(name) not in built:
            raise InputError(document.at(name), f"this version calculates {', '.join(sorted(built))}")
    grace = document.child("grace")
    grace.only(
        "principal_installments",
        "interest_payment_installments",
        "interest_free_installments",
        "arrears_days",
    )
    for name in grace.values:
        if name != "arrears_days" and grace.whole(name, 0):
            raise InputError(grace.at(name), "this version calculates 0")
    again = document.child("interest_recalculation")
    again.only("enabled", "rest", "prepayment", "preclosure", "compounding")
    if again.yes("enabled", default=False):
        raise InputError(again.at("enabled"), "this version calculates false")
    rounding = document.child("rounding")
    if rounding.whole("scale", digits) != digits:
        raise InputError(rounding.at("scale"), f"must be {digits}, as the currency has")
    if rounding.has("interest_rounding") and rounding.text("interest_rounding") != "each_period":
        raise InputError(rounding.at("interest_rounding"), "this version calculates each_period")
    if document.has("down_payment_percent"):
        raise InputError(document.at("down_payment_percent"), "this version calculates null")


def _frequency(node: Node) -> Frequency:
    node.only("count", "unit")
    return Frequency(node.whole("count", 1), node.choice("unit", PeriodUnit, PeriodUnit.MONTHS))


def _day_count(node: Node) -> DayCount:
    node.only("year", "month")
    return DayCount(
        node.choice("year", YearBasis, YearBasis.ACTUAL), node.choice("month", MonthBasis, MonthBasis.ACTUAL)
    )


def _rounding(node: Node, currency: str) -> RoundingRules:
    node.only("mode", "scale", "interest_rounding", "installment_multiple", "installment_multiple_mode")
    return RoundingRules(
        mode=node.choice("mode", Rounding, Rounding.HALF_EVEN),
        installment_multiple_minor=node.amount("installment_multiple", currency)
        if node.has("installment_multiple")
        else 1,
        installment_multiple_mode=node.choice("installment_multiple_mode", Rounding, Rounding.HALF_EVEN),
    )


def _overdue(node: Node) -> OverdueInterest | None:
    node.only("annual_rate_percent", "grace_days", "base")
    if not node.has("annual_rate_percent"):
        return None
    return OverdueInterest(
        annual_rate_percent=node.percent("annual_rate_percent"),
        grace_days=node.whole("grace_days", 0),
        base=node.choice("base", OverdueBase, OverdueBase.PRINCIPAL),
    )


def _allocation(document: Node) -> AllocationRule:
    preset = document.choice("allocation", AllocationPreset, AllocationPreset.STANDARD)
    order = document.values.get("allocation_order") if preset is AllocationPreset.CUSTOM else ()
    if not isinstance(order, list | tuple) or not all(isinstance(one, str) for one in order):
        raise InputError(document.at("allocation_order"), "expected a list of 12 texts")
    return AllocationRule(
        preset=preset,
        direction=document.choice("allocation_direction", Direction, Direction.HORIZONTAL),
        future=document.choice("future_installments", FutureInstallments, FutureInstallments.NEXT),
        order=tuple(order),
    )


def _ranges(document: Node) -> tuple[DelinquencyRange, ...]:
    rows = document.items("delinquency_ranges")
    if not rows:
        return STANDARD_RANGES
    for row in rows:
        row.only("name", "from_day", "to_day")
    return tuple(
        DelinquencyRange(
            row.text("name"), row.whole("from_day"), row.whole("to_day") if row.has("to_day") else None
        )
        for row in rows
    )


def terms_json(terms: LoanTerms) -> dict[str, Any]:
    """The JSON object of terms; `read_terms` gives the same terms back."""

    def money(amount_minor: int) -> str:
        return from_minor(amount_minor, terms.currency)

    overdue = terms.overdue_interest
    return {
        "expected_disbursement_date": _iso(terms.expected_disbursement_date),
        "principal": money(terms.principal_minor),
        "annual_rate_percent": plain(terms.annual_rate_percent),
        "amortization": terms.amortization.value,
        "installments": terms.installments,
        "repay_every": {"count": terms.repay_every.count, "unit": terms.repay_every.unit.value},
        "first_due_date": _iso(terms.first_due_date),
        "day_count": {"year": terms.day_count.year.value, "month": terms.day_count.month.value},
        "installment_amount": money(terms.installment_minor) if terms.installment_minor else None,
        "due_dates": terms.due_dates.value,
        "rounding": {
            "mode": terms.rounding.mode.value,
            "installment_multiple": money(terms.rounding.installment_multiple_minor)
            if terms.rounding.installment_multiple_minor != 1
            else None,
            "installment_multiple_mode": terms.rounding.installment_multiple_mode.value,
        },
        "overdue_interest": {
            "annual_rate_percent": plain(overdue.annual_rate_percent),
            "grace_days": overdue.grace_days,
            "base": overdue.base.value,
        }
        if overdue
        else None,
        "grace": {"arrears_days": terms.arrears_days},
        "interest_recalculation": {"preclosure": terms.preclosure.value},
        "allocation": terms.allocation.preset.value,
        "allocation_order": list(terms.allocation.order) or None,
        "allocation_direction": terms.allocation.direction.value,
        "future_installments": terms.allocation.future.value,
        "delinquency_ranges": [
            {"name": row.name, "from_day": row.from_day, "to_day": row.to_day} for row in terms.ranges
        ],
    }


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros: 12.50 -> "12.5"."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
