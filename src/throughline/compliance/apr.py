"""Annual rates of cash flows, each by its own convention (docs/lending.md, "APR").

A rate is the i that makes the advances equal the payments. The same flows have different rates by
convention, so an answer always names the one that it follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import expm1, log1p

from throughline.compliance.equations import actuarial, solve, us_rule
from throughline.compliance.timeline import Flow, NoRate, Periods, Timeline
from throughline.compliance.unit_periods import UnitPeriod
from throughline.kernel.i18n import N_

HIGHEST_PERCENT = 100_000_000  # beyond it six decimals would not be right, and there is no lending


class Convention(StrEnum):
    """How a year is made of periods."""

    US_ACTUARIAL = "us_actuarial"
    US_RULE = "us_rule"
    EU_CCD = "eu_ccd"
    EFFECTIVE = "effective"
    NOMINAL_MONTHLY = "nominal_monthly"
    CN_IRR = "cn_irr"
    CN_SIMPLE = "cn_simple"


CONVENTION_NAMES = {
    Convention.US_ACTUARIAL: N_("annual percentage rate, actuarial method (US Regulation Z, Appendix J)"),
    Convention.US_RULE: N_("annual percentage rate, United States Rule method (US Regulation Z, Appendix J)"),
    Convention.EU_CCD: N_("annual percentage rate of charge (EU consumer credit directive)"),
    Convention.EFFECTIVE: N_("effective annual rate (actual days / 365)"),
    Convention.NOMINAL_MONTHLY: N_("nominal annual rate (12 × monthly internal rate)"),
    Convention.CN_IRR: N_("annual rate by IRR, compounded (PBOC Announcement 2021 No. 3)"),
    Convention.CN_SIMPLE: N_("annual rate, simple (12 × monthly internal rate)"),
}
_US = {Convention.US_ACTUARIAL, Convention.US_RULE}
_MONTHLY = {Convention.NOMINAL_MONTHLY, Convention.CN_IRR, Convention.CN_SIMPLE}


@dataclass(frozen=True, slots=True)
class AnnualRate:
    """A rate in percent a year with six decimals, and the convention that it follows.

    `effective_percent` compounds the rate of a period over a year; None beyond what six decimals can say.
    """

    convention: Convention
    percent: Decimal
    total_of_payments_minor: int
    finance_charge_minor: int
    periods_per_year: Fraction
    effective_percent: Decimal | None


def annual_rate(
    convention: Convention,
    advances: Sequence[Flow],
    payments: Sequence[Flow],
    *,
    unit_period: UnitPeriod | None = None,
    first_period: Periods | None = None,
) -> AnnualRate:
    """The annual rate of these flows by one convention.

    `us_actuarial` and `us_rule` are i times the unit periods in a year, i being the rate of a unit period;
    where none is given it follows from the flows. `cn_irr` is (1 + m)^12 − 1, `cn_simple` and
    `nominal_monthly` are 12·m, where m is the monthly internal rate; `effective` discounts by actual days
    over 365, `eu_ccd` as the directive counts years. Raises NoRate.
    """
    if not advances:
        raise NoRate("nothing was lent: there must be an advance", "advances")
    if not payments:
        raise NoRate("nothing is paid back: there must be a payment", "payments")
    for name, flows in (("advances", advances), ("payments", payments)):
        if any(flow.amount_minor <= 0 for flow in flows):
            raise NoRate("amounts must be above 0", name)
    total = sum(flow.amount_minor for flow in payments)
    lent = sum(flow.amount_minor for flow in advances)
    timeline = Timeline.of(advances, payments, unit_period, first_period)
    if total < lent:
        raise NoRate("less is paid back than was lent, so no rate of 0 or more fits", "payments")

    if convention in _US:
        unit = timeline.unit
        terms, a_year = timeline.in_unit_periods(unit), unit.per_year
    else:
        terms = (
            timeline.in_months()
            if convention in _MONTHLY
            else timeline.in_years(eu=convention is Convention.EU_CCD)
        )
        a_year = Fraction(12 if convention in _MONTHLY else 1)
    root: float | None = 0.0
    if total > lent:
        equation = us_rule if convention is Convention.US_RULE else actuarial
        root = solve(equation(terms), HIGHEST_PERCENT / 100 / float(a_year))
    effective = None if root is None else _compounded(root, a_year)
    shown = effective if convention is Convention.CN_IRR or root is None else _percent(root, a_year)
    if shown is None:
        raise NoRate(f"no rate up to {HIGHEST_PERCENT:,} % a year makes the flows equal", "payments")
    return AnnualRate(convention, shown, total, total - lent, a_year, effective)


def _percent(root: float, a_year: Fraction) -> Decimal:
    exact = Decimal(root) * a_year.numerator / a_year.denominator
    return (exact * 100).quantize(Decimal("0.000001"))


def _compounded(root: float, a_year: Fraction) -> Decimal | None:
    power = float(a_year) * log1p(root)
    if power > log1p(HIGHEST_PERCENT / 100):
        return None
    return _percent(root if a_year == 1 else expm1(power), Fraction(1))


__all__ = [
    "CONVENTION_NAMES", "AnnualRate", "Convention", "Flow", "NoRate", "Periods", "UnitPeriod", "annual_rate",
]  # fmt: skip
