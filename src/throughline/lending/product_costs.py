"""What a loan at one corner of a product costs, as the facts that dated rules ask for. Pure.

Three stages are told apart, so that a refusal can name what is too dear: interest alone, with what every
borrower is charged, and with what somebody pays who pays every installment late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import product as combinations
from typing import Any

from throughline.compliance.apr import Convention, Flow, annual_rate
from throughline.kernel.money import from_minor
from throughline.lending.history import AppliesTo
from throughline.lending.overrides import NO_OVERRIDES, Overrides, corners
from throughline.lending.product_charges import ProductCharge
from throughline.lending.products import Product
from throughline.lending.schedule import Installment, Schedule, build_schedule
from throughline.lending.terms import LoanTerms, OverdueBase

KIND = "unsecured_cash"  # what the rules call the products that are lent here
LATE_DAYS = 30  # how late every installment of the late borrower is paid


@dataclass(frozen=True, slots=True)
class Corner:
    """One loan at the ends of a product's limits, with its plan."""

    made: Product
    principal_minor: int
    terms: LoanTerms
    plan: Schedule


@dataclass(frozen=True, slots=True)
class Stage:
    """What is counted, and the field of the product's document that is to blame when this makes it too dear."""

    field: str
    charges: bool
    late: bool


INTEREST = Stage("$.limits.annual_rate_percent", charges=False, late=False)
WITH_CHARGES = Stage("$.charges", charges=True, late=False)
WITH_LATE_COSTS = Stage("$.overdue", charges=True, late=True)
STAGES = (INTEREST, WITH_CHARGES, WITH_LATE_COSTS)


def loans_at_corners(made: Product) -> Iterator[Corner]:
    """A plan for each corner: both principals, both rates, every number of installments, every override."""
    for asked in corners(made.overrides, made.valid_from):
        numbers = made.installments if asked == NO_OVERRIDES else made.installments[-1:]
        for principal, count, rate in combinations(
            dict.fromkeys(made.principal_minor), numbers, dict.fromkeys(made.annual_rate_percent)
        ):
            yield _corner(made, principal, count, rate, asked)


def _corner(made: Product, principal: int, count: int, rate: Decimal, asked: Overrides) -> Corner:
    terms = made.terms(
        principal_minor=principal,
        installments=count,
        annual_rate_percent=rate,
        expected_disbursement_date=made.valid_from,
        overrides=asked,
    )
    return Corner(made, principal, terms, build_schedule(terms, ()))


def facts(corner: Corner, lender_type: str, stage: Stage = WITH_LATE_COSTS) -> dict[str, Any]:
    """The facts of a loan for the gate `product_publish`; rates are fractions. Raises NoRate."""
    made, plan = corner.made, corner.plan
    start, last = plan.installments[0].from_date, plan.installments[-1].due_date
    tenor_days = max(1, (last - start).days)
    costs = _Costs(corner, stage)
    normal = costs.annual_percent(Convention.CN_IRR)
    late = costs.annual_percent(Convention.CN_IRR, late=True) if stage.late else normal
    principal = Decimal(corner.principal_minor)
    return {
        "lender_type": lender_type,
        "product": KIND,
        "apr": max(normal, late) / 100,
        "nominal_month": corner.terms.annual_rate_percent / 1200,
        "eir_month": costs.annual_percent(Convention.NOMINAL_MONTHLY) / 1200,
        "late_month": costs.late_month,
        "cost_per_day": Decimal(costs.normal_minor) / principal / tenor_days,
        "total_cost_ratio": Decimal(costs.normal_minor + costs.late_minor) / principal,
        "principal": Decimal(from_minor(corner.principal_minor, made.currency)),
        "tenor_days": tenor_days,
        "cooling_days": made.cooling_off_days,
        "upfront_deduction": stage.charges and any(_at_payout(one) for one in made.charges or ()),
    }


def _at_payout(charge: ProductCharge) -> bool:
    return charge.rule.applies_to is AppliesTo.DISBURSEMENT


class _Costs:
    """The money of one loan at one stage, in minor units. `normal_minor` is what everybody pays for it."""

    def __init__(self, corner: Corner, stage: Stage) -> None:
        self._corner = corner
        rows = corner.plan.installments
        mine = (corner.made.charges or ()) if stage.charges else ()
        usual = [one for one in mine if not one.when_late]
        late = [one for one in mine if one.when_late] if stage.late else []
        interest = sum(row.interest_minor for row in rows)
        # A charge on a date may be due from the first day on: that is when it is dearest.
        self._at_once = sum(
            one.on(corner.principal_minor, interest, corner.terms)
            for one in usual
            if one.rule.applies_to is not AppliesTo.EACH_INSTALLMENT
        )
        each = [one for one in usual if one.rule.applies_to is AppliesTo.EACH_INSTALLMENT]
        self._with_row = [self._sum(each, row) for row in rows]
        self._late_row = [self._sum(late, row) + (self._penalty(row) if stage.late else 0) for row in rows]
        self.normal_minor = interest + self._at_once + sum(self._with_row)
        self.late_minor = sum(self._late_row)

    def _sum(self, charges: list[ProductCharge], row: Installment) -> int:
        terms = self._corner.terms
        return sum(one.on(row.principal_minor, row.interest_minor, terms) for one in charges)

    def _penalty(self, row: Installment) -> int:
        """Penalty interest of one installment that is paid late."""
        overdue = self._corner.terms.overdue_interest
        if overdue is None:
            return 0
        base = row.principal_minor
        if overdue.base is OverdueBase.PRINCIPAL_AND_INTEREST:
            base += row.interest_minor
        days = max(0, LATE_DAYS - overdue.grace_days)
        return int((base * overdue.annual_rate_percent * days / 36_500).to_integral_value())

    @property
    def late_month(self) -> Decimal:
        """The largest share of an installment that a month of delay adds to it."""
        rows = self._corner.plan.installments
        shares = [
            Decimal(extra) / due
            for row, extra in zip(rows, self._late_row, strict=True)
            if (due := row.principal_minor + row.interest_minor) > 0
        ]
        return max(shares, default=Decimal(0))

    def annual_percent(self, convention: Convention, *, late: bool = False) -> Decimal:
        """The annual rate of the flows, paid on time or every installment late."""
        rows = self._corner.plan.installments
        delay = timedelta(days=LATE_DAYS if late else 0)
        payments = []
        for row, extra, more in zip(rows, self._with_row, self._late_row, strict=True):
            amount = row.principal_minor + row.interest_minor + extra + (more if late else 0)
            if amount > 0:
                payments.append(Flow(row.due_date + delay, amount))
        lent = self._corner.principal_minor - self._at_once
        start: date = rows[0].from_date
        return annual_rate(convention, [Flow(start, lent)], payments).percent


def blamed(
    corner: Corner, lender_type: str, breaks: Callable[[dict[str, Any]], bool], broken: frozenset[str]
) -> str:
    """The field of the document that makes a loan break a rule.

    `breaks` says whether the rule is broken by given facts, `broken` are the facts of its failed comparisons.
    """
    for fact, field in _FIXED.items():
        if fact in broken:
            return field
    for stage in STAGES:
        if breaks(facts(corner, lender_type, stage)):
            return stage.field
    return STAGES[-1].field


_FIXED = {
    "principal": "$.limits.principal",
    "tenor_days": "$.limits.installments",
    "cooling_days": "$.cooling_off_days",
    "nominal_month": "$.limits.annual_rate_percent",
    "upfront_deduction": "$.charges",
}
