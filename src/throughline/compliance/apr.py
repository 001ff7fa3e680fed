"""Annual rates of dated cash flows, each by its own convention (docs/lending.md, "APR").

A rate is the i that makes the advances equal the payments, found by bracketing and bisection. The same
flows have different rates by convention, so an answer always names the one that it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from throughline.kernel.i18n import N_

PRECISION = 1e-12
MAX_RATE = 100.0  # 10,000 % a period: beyond it there is no lending


class NoRate(ValueError):
    """No rate makes these flows equal: nothing was lent, nothing comes back, or less comes back than went out."""


class Convention(StrEnum):
    """How a year is made of periods."""

    EU_CCD = "eu_ccd"
    EFFECTIVE = "effective"
    NOMINAL_MONTHLY = "nominal_monthly"
    CN_IRR = "cn_irr"
    CN_SIMPLE = "cn_simple"


CONVENTION_NAMES = {
    Convention.EU_CCD: N_("annual percentage rate of charge (EU consumer credit directive)"),
    Convention.EFFECTIVE: N_("effective annual rate (actual days / 365)"),
    Convention.NOMINAL_MONTHLY: N_("nominal annual rate (12 × monthly internal rate)"),
    Convention.CN_IRR: N_("annual rate by IRR, compounded (PBOC Announcement 2021 No. 3)"),
    Convention.CN_SIMPLE: N_("annual rate, simple (12 × monthly internal rate)"),
}


@dataclass(frozen=True, slots=True)
class Flow:
    """A dated amount in minor units, always positive; whether it is an advance or a payment says the list."""

    on: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class AnnualRate:
    """A rate in percent a year with six decimals, and the convention that it follows."""

    convention: Convention
    percent: Decimal
    total_of_payments_minor: int
    finance_charge_minor: int


def annual_rate(convention: Convention, advances: Sequence[Flow], payments: Sequence[Flow]) -> AnnualRate:
    """The annual rate of these flows by one convention.

    `cn_irr` is (1 + m)^12 − 1 and `cn_simple` 12·m, where m is the monthly internal rate with months
    counted back from the later date; `effective` discounts by actual days over 365; `eu_ccd` by whole
    months, weeks or years where they fit, else days over 365. Raises NoRate.
    """
    if not advances or not payments:
        raise NoRate("there must be an advance and a payment")
    if any(flow.amount_minor <= 0 for flow in (*advances, *payments)):
        raise NoRate("amounts must be above 0")
    start = min(flow.on for flow in advances)
    if any(flow.on < start for flow in payments):
        raise NoRate("a payment lies before the first advance")
    total = sum(flow.amount_minor for flow in payments)
    lent = sum(flow.amount_minor for flow in advances)
    if total < lent:
        raise NoRate("less is paid back than was lent")
    months = convention in {Convention.CN_IRR, Convention.CN_SIMPLE, Convention.NOMINAL_MONTHLY}
    time_of: Callable[[date], float] = (
        (lambda on: months_between(start, on))
        if months
        else (lambda on: eu_years(start, on))
        if convention is Convention.EU_CCD
        else (lambda on: (on - start).days / 365)
    )
    root = _solve(
        [(time_of(flow.on), flow.amount_minor) for flow in advances],
        [(time_of(flow.on), flow.amount_minor) for flow in payments],
    )
    if convention is Convention.CN_IRR:
        root = (1 + root) ** 12 - 1
    elif months:
        root *= 12
    return AnnualRate(
        convention, Decimal(repr(root * 100)).quantize(Decimal("0.000001")), total, total - lent
    )


def months_between(start: date, end: date) -> float:
    """Months counted back from the later date; what remains is days / 30."""
    whole = (end.year - start.year) * 12 + end.month - start.month
    back = _months_before(end, whole)
    if back < start:
        whole -= 1
        back = _months_before(end, whole)
    return whole + (back - start).days / 30


def eu_years(start: date, end: date) -> float:
    """Years of Directive (EU) 2023/2225, annex III: whole months or weeks where they fit, else days / 365 (366)."""
    whole = (end.year - start.year) * 12 + end.month - start.month
    if whole >= 0 and _months_before(end, whole) == start:
        return whole / 12
    days = (end - start).days
    if days % 7 == 0:
        return days / 7 / 52
    years = 0
    while _months_before(end, 12 * (years + 1)) >= start:
        years += 1
    rest_end = _months_before(end, 12 * years)
    rest = (rest_end - start).days
    year_days = 366 if _has_leap_day(start, rest_end) else 365
    return years + rest / year_days


def _has_leap_day(start: date, end: date) -> bool:
    return any(
        (start + timedelta(days=k)).timetuple()[1:3] == (2, 29) for k in range(1, (end - start).days + 1)
    )


def _months_before(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def _solve(advances: list[tuple[float, int]], payments: list[tuple[float, int]]) -> float:
    def excess(rate: float) -> float:
        """Present value of the payments over that of the advances; falls as the rate grows."""
        return float(
            sum(amount / (1 + rate) ** at for at, amount in payments)
            - sum(amount / (1 + rate) ** at for at, amount in advances)
        )

    low, high = 0.0, 0.01
    if excess(low) == 0:
        return 0.0
    while excess(high) > 0:
        low, high = high, high * 2
        if high > MAX_RATE:
            raise NoRate("the rate is beyond any that could be meant")
    while high - low > PRECISION:
        middle = (low + high) / 2
        if excess(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
