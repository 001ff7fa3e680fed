"""Terms of a loan as JSON, in the shape of `throughline lending replay`: read from files, kept in rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from throughline.compliance.working_days import Convention
from throughline.kernel.money import Rounding, digits_of, from_minor
from throughline.lending.allocation import buckets
from throughline.lending.calendar_json import calendar_json, read_calendar
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import (
    NO_ADJUSTMENT,
    NO_FLOOR,
    STANDARD_RANGES,
    AllocationPreset,
    AllocationRule,
    Amortization,
    DayCount,
    DelinquencyFloor,
    DelinquencyRange,
    Direction,
    DueDateAdjustment,
    DueDates,
    Frequency,
    FutureInstallments,
    Grace,
    InterestDates,
    InterestMethod,
    InterestPeriod,
    InterestRounding,
    LoanTerms,
    MonthBasis,
    NonWorkingDays,
    OverdueBase,
    OverdueInterest,
    PeriodUnit,
    Preclosure,
    Prepayment,
    Recalculation,
    Rest,
    RoundingRules,
    ScheduleType,
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
    "delinquency_floor",
    "calendar",
    "non_working_days",
    "due_date_adjustment",
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
    rounding = document.child("rounding")
    document.child("interest_recalculation").choice("compounding", _Compounding, _Compounding.NONE)
    try:
        terms = LoanTerms(
            currency=currency,
            principal_minor=document.amount("principal", currency),
            annual_rate_percent=document.percent("annual_rate_percent"),
            installments=document.whole("installments"),
            amortization=document.choice("amortization", Amortization, Amortization.EQUAL_INSTALLMENTS),
            repay_every=read_frequency(document.child("repay_every")),
            expected_disbursement_date=document.day_or_none("expected_disbursement_date"),
            first_due_date=document.day_or_none("first_due_date"),
            due_dates=document.choice("due_dates", DueDates, DueDates.SAME_DAY),
            day_count=_day_count(document.child("day_count")),
            rounding=_rounding(rounding, currency, digits),
            installment_minor=document.amount("installment_amount", currency)
            if document.has("installment_amount")
            else None,
            overdue_interest=_overdue(document.child("overdue_interest")),
            arrears_days=document.child("grace").whole("arrears_days", 0),
            allocation=_allocation(document),
            schedule_type=document.choice("schedule_type", ScheduleType, ScheduleType.PROGRESSIVE),
            interest_method=document.choice(
                "interest_method", InterestMethod, InterestMethod.DECLINING_BALANCE
            ),
            interest_period=document.choice(
                "interest_period", InterestPeriod, InterestPeriod.SAME_AS_REPAYMENT
            ),
            grace=_grace(document.child("grace")),
            recalculation=_recalculation(document.child("interest_recalculation")),
            down_payment_percent=document.percent("down_payment_percent")
            if document.has("down_payment_percent")
            else None,
            ranges=_ranges(document),
            floor=_floor(document.child("delinquency_floor"), currency),
            calendar=read_calendar(document),
            adjustment=_adjustment(document.child("due_date_adjustment")),
            non_working_days=document.choice("non_working_days", NonWorkingDays, NonWorkingDays.COUNT),
        )
        buckets(terms.allocation)
    except TermsError as error:
        raise InputError(document.at(error.field), error.expected) from None
    return terms


class _Compounding(StrEnum):
    """Unpaid interest never bears interest; nothing else is built, on purpose."""

    NONE = "none"


def _grace(node: Node) -> Grace:
    node.only(
        "principal_installments",
        "interest_payment_installments",
        "interest_free_installments",
        "arrears_days",
    )
    return Grace(
        principal=node.whole("principal_installments", 0),
        interest_payment=node.whole("interest_payment_installments", 0),
        interest_free=node.whole("interest_free_installments", 0),
    )


def _recalculation(node: Node) -> Recalculation:
    node.only("enabled", "rest", "prepayment", "preclosure", "compounding")
    return Recalculation(
        enabled=node.yes("enabled", default=False),
        rest=node.choice("rest", Rest, Rest.DAILY),
        prepayment=node.choice("prepayment", Prepayment, Prepayment.REDUCE_INSTALLMENT_AMOUNT),
        preclosure=node.choice("preclosure", Preclosure, Preclosure.TILL_PRECLOSURE_DATE),
    )


def read_frequency(node: Node) -> Frequency:
    """A period from {"count", "unit"}."""
    node.only("count", "unit")
    return Frequency(node.whole("count", 1), node.choice("unit", PeriodUnit, PeriodUnit.MONTHS))


def _day_count(node: Node) -> DayCount:
    node.only("year", "month")
    return DayCount(
        node.choice("year", YearBasis, YearBasis.ACTUAL), node.choice("month", MonthBasis, MonthBasis.ACTUAL)
    )


def _rounding(node: Node, currency: str, digits: int) -> RoundingRules:
    node.only("mode", "scale", "interest_rounding", "installment_multiple", "installment_multiple_mode")
    scale = node.whole("scale", digits)
    if not 0 <= scale <= digits:
        raise InputError(node.at("scale"), f"must be from 0 to {digits}, as the currency has")
    return RoundingRules(
        mode=node.choice("mode", Rounding, Rounding.HALF_EVEN),
        unit_minor=10 ** (digits - scale),
        interest=node.choice("interest_rounding", InterestRounding, InterestRounding.EACH_PERIOD),
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


def _adjustment(node: Node) -> DueDateAdjustment:
    node.only("convention", "interest")
    return DueDateAdjustment(
        convention=node.choice("convention", Convention, Convention.NONE),
        interest=node.choice("interest", InterestDates, InterestDates.CONTRACTUAL),
    )


def _floor(node: Node, currency: str) -> DelinquencyFloor:
    node.only("amount", "percent")
    return DelinquencyFloor(
        amount_minor=node.amount("amount", currency) if node.has("amount") else 0,
        percent=node.percent("percent") if node.has("percent") else None,
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
            "scale": digits_of(terms.currency) - len(str(terms.rounding.unit_minor)) + 1,
            "interest_rounding": terms.rounding.interest.value,
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
        "grace": {
            "principal_installments": terms.grace.principal,
            "interest_payment_installments": terms.grace.interest_payment,
            "interest_free_installments": terms.grace.interest_free,
            "arrears_days": terms.arrears_days,
        },
        "interest_recalculation": {
            "enabled": terms.recalculation.enabled,
            "rest": terms.recalculation.rest.value,
            "prepayment": terms.recalculation.prepayment.value,
            "preclosure": terms.recalculation.preclosure.value,
        },
        "schedule_type": terms.schedule_type.value,
        "interest_method": terms.interest_method.value,
        "interest_period": terms.interest_period.value,
        "down_payment_percent": plain(terms.down_payment_percent)
        if terms.down_payment_percent is not None
        else None,
        "allocation": terms.allocation.preset.value,
        "allocation_order": list(terms.allocation.order) or None,
        "allocation_direction": terms.allocation.direction.value,
        "future_installments": terms.allocation.future.value,
        "delinquency_ranges": [
            {"name": row.name, "from_day": row.from_day, "to_day": row.to_day} for row in terms.ranges
        ],
        **_only_where_agreed(terms),
    }


def _only_where_agreed(terms: LoanTerms) -> dict[str, Any]:
    """What most loans do not have: their documents stay as they are."""
    document: dict[str, Any] = {}
    if terms.floor != NO_FLOOR:
        share = terms.floor.percent
        document["delinquency_floor"] = {
            "amount": from_minor(terms.floor.amount_minor, terms.currency),
            "percent": plain(share) if share is not None else None,
        }
    if terms.calendar is not None:
        document["calendar"] = calendar_json(terms.calendar)
    if terms.adjustment != NO_ADJUSTMENT:
        document["due_date_adjustment"] = {
            "convention": terms.adjustment.convention.value,
            "interest": terms.adjustment.interest.value,
        }
    if terms.non_working_days is not NonWorkingDays.COUNT:
        document["non_working_days"] = terms.non_working_days.value
    return document


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros: 12.50 -> "12.5"."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
