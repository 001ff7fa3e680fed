"""Annual rates against independent solvers, and what must hold for any flows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from throughline.compliance.apr import Convention, Flow, NoRate, Periods, UnitPeriod, annual_rate
from throughline.compliance.unit_periods import Unit

START = date(2026, 1, 15)
SIX_DIGITS = Decimal("0.0000011")
US = (Convention.US_ACTUARIAL, Convention.US_RULE)

UNITS = st.sampled_from(
    [
        UnitPeriod(1, Unit.MONTHS),
        UnitPeriod(3, Unit.MONTHS),
        UnitPeriod(1, Unit.WEEKS),
        UnitPeriod(1, Unit.DAYS),
    ]
)
AMOUNTS = st.lists(st.integers(1_000, 200_000), min_size=1, max_size=36)
PARTS = st.integers(0, 29).map(lambda days: Fraction(days, 30))


def _counted(amounts: Sequence[int], part: Fraction = Fraction(0)) -> list[Flow]:
    return [Flow(Periods(1 + k, 0, part), amount) for k, amount in enumerate(amounts)]


def _decimal_root(lent: int, payments: Sequence[tuple[int, Fraction, int]]) -> Decimal:
    """A second solver, in another number system and by another method: Newton's, with 40 digits."""
    with localcontext() as context:
        context.prec = 40
        rate = Decimal("0.01")
        for _ in range(200):
            value, slope = -Decimal(lent), Decimal(0)
            for whole, part, amount in payments:
                f = Decimal(part.numerator) / part.denominator
                present = amount / ((1 + f * rate) * (1 + rate) ** whole)
                value += present
                slope -= present * (f / (1 + f * rate) + whole / (1 + rate))
            step = value / slope
            # Newton's steps from the left of a convex falling curve never pass the root.
            rate = max(rate - step, rate / 2) if rate - step <= 0 else rate - step
            if abs(step) < Decimal(10) ** -30:
                return rate
        raise AssertionError("Newton's method must converge")


@given(AMOUNTS, st.integers(20, 99), UNITS, PARTS)
def test_the_actuarial_method_agrees_with_a_second_solver(
    amounts: list[int], percent: int, unit: UnitPeriod, part: Fraction
) -> None:
    lent = max(1, sum(amounts) * percent // 100)
    flows = _counted(amounts, part)
    found = annual_rate(Convention.US_ACTUARIAL, [Flow(Fraction(0), lent)], flows, unit_period=unit)
    root = _decimal_root(lent, [(1 + k, part, amount) for k, amount in enumerate(amounts)])
    exact = root * 100 * unit.per_year.numerator / unit.per_year.denominator
    assert abs(found.percent - exact) <= SIX_DIGITS


def test_monthly_rates_agree_with_numpy_financial() -> None:
    financial = pytest.importorskip("numpy_financial")
    for lent, amounts in (
        (100_000, [9_000] * 12),
        (500_000, [23_000] * 24),
        (40_000, [1_000, 0, 2_500] * 16),
    ):
        payments = [flow for flow in _counted(amounts) if flow.amount_minor]
        found = annual_rate(
            Convention.CN_SIMPLE,
            [Flow(Fraction(0), lent)],
            payments,
            unit_period=UnitPeriod(1, Unit.MONTHS),
        )
        assert float(found.percent) == pytest.approx(1200 * financial.irr([-lent, *amounts]), abs=1e-5)
    monthly = financial.rate(36, -200.0, 6000.0, 0.0)
    found = annual_rate(
        Convention.NOMINAL_MONTHLY,
        [Flow(Fraction(0), 600_000)],
        _counted([20_000] * 36),
        unit_period=UnitPeriod(1, Unit.MONTHS),
    )
    assert float(found.percent) == pytest.approx(1200 * float(monthly), abs=1e-5)


@given(AMOUNTS, st.integers(60, 99), st.data())
def test_present_values_balance(amounts: list[int], percent: int, data: st.DataObject) -> None:
    """At the printed rate both sides are equal, but for what the seventh digit is worth."""
    lent = max(2, sum(amounts) * percent // 100)
    days = data.draw(st.lists(st.integers(30, 900), min_size=len(amounts), max_size=len(amounts)))
    payments = [Flow(START + timedelta(days=day), a) for day, a in zip(days, amounts, strict=True)]
    rate = float(annual_rate(Convention.EFFECTIVE, [Flow(START, lent)], payments).percent) / 100

    def excess(at: float) -> float:
        return sum(a * (1 + at) ** (-d / 365) for d, a in zip(days, amounts, strict=True)) - lent

    assert excess(rate - 6e-9) >= -1e-6 * lent
    assert excess(rate + 6e-9) <= 1e-6 * lent
    assert abs(excess(rate)) <= 1e-6 * lent


@pytest.mark.parametrize("convention", Convention)
@given(AMOUNTS, st.integers(60, 99), st.randoms(use_true_random=False), st.integers(2, 1000))
def test_order_and_scale_do_not_matter_and_more_payment_is_a_higher_rate(
    convention: Convention, amounts: list[int], percent: int, random: Random, scale: int
) -> None:
    lent = max(2, sum(amounts) * percent // 100)
    advances = [Flow(START, lent - lent // 3), Flow(START + timedelta(days=5), max(1, lent // 3))]
    payments = [Flow(START + timedelta(days=31 * (k + 1)), amount) for k, amount in enumerate(amounts)]
    assume(sum(amounts) > sum(flow.amount_minor for flow in advances))
    rate = annual_rate(convention, advances, payments).percent
    shuffled = list(payments)
    random.shuffle(shuffled)
    assert annual_rate(convention, advances[::-1], shuffled).percent == rate

    def scaled(flows: list[Flow]) -> list[Flow]:
        return [Flow(flow.on, flow.amount_minor * scale) for flow in flows]

    assert abs(annual_rate(convention, scaled(advances), scaled(payments)).percent - rate) <= SIX_DIGITS
    dearer = [*payments[:-1], Flow(payments[-1].on, payments[-1].amount_minor + 100)]
    assert annual_rate(convention, advances, dearer).percent > rate


def test_the_us_rule_differs_only_where_interest_waits() -> None:
    month = UnitPeriod(1, Unit.MONTHS)
    advance = [Flow(Fraction(0), 500_000)]
    regular = _counted([23_000] * 24)
    both = [annual_rate(c, advance, regular, unit_period=month).percent for c in US]
    assert abs(both[0] - both[1]) <= SIX_DIGITS
    # 1,000 for ten months at simple 2 % a month, first payments below the interest: 1,200 in all.
    low = _counted([1_000] * 9 + [111_000])
    found = annual_rate(Convention.US_RULE, [Flow(Fraction(0), 100_000)], low, unit_period=month)
    assert found.percent == Decimal("24.000000")
    # Interest that waits bears interest by the actuarial method, so the same flows have a lower rate.
    actuarial = annual_rate(Convention.US_ACTUARIAL, [Flow(Fraction(0), 100_000)], low, unit_period=month)
    assert actuarial.percent < found.percent
    # A long first period is one stretch of simple interest: 1,000 × 3 % × 2.5 = 75.
    once = [Flow(Periods(2, 15), 107_500)]
    assert annual_rate(
        Convention.US_RULE, [Flow(Fraction(0), 100_000)], once, unit_period=month
    ).percent == Decimal("36.000000")


def test_six_digits_of_high_rates_by_the_day() -> None:
    daily = UnitPeriod(1, Unit.DAYS)
    payments = _counted([10_400] * 14)
    found = annual_rate(Convention.US_ACTUARIAL, [Flow(Fraction(0), 100_000)], payments, unit_period=daily)
    root = _decimal_root(100_000, [(1 + k, Fraction(0), 10_400) for k in range(14)])
    assert found.percent == (root * 36500).quantize(Decimal("0.000001"))
    assert found.percent > 1000


def test_the_same_loan_by_dates_by_years_and_by_counts() -> None:
    amounts = [18_000] * 6
    dates = [Flow(date(2026, month, 15), 18_000) for month in range(2, 8)]
    years = [Flow(Fraction(k, 12), 18_000) for k in range(1, 7)]
    for convention in Convention:
        by_dates = annual_rate(convention, [Flow(START, 100_000)], dates).percent
        by_years = annual_rate(convention, [Flow(Fraction(0), 100_000)], years).percent
        by_counts = annual_rate(
            convention,
            [Flow(Fraction(0), 100_000)],
            _counted(amounts),
            unit_period=UnitPeriod(1, Unit.MONTHS),
        ).percent
        assert by_years == by_counts
        if convention is not Convention.EFFECTIVE:  # which counts the days of each month
            assert by_dates == by_counts


def test_time_begins_with_the_first_advance() -> None:
    def rates(origin: str) -> list[Decimal]:
        advances = [Flow(Fraction(origin), 100_000)]
        payments = [Flow(Fraction(origin) + Fraction(k, 10), 30_000) for k in range(1, 5)]
        return [annual_rate(convention, advances, payments).percent for convention in Convention]

    assert rates("0") == rates("0.35")


def test_a_first_period_that_was_given_wins_over_its_dates() -> None:
    month = UnitPeriod(1, Unit.MONTHS)
    dates = [Flow(date(2026, month, 15), 18_000) for month in range(2, 8)]
    advance = [Flow(START, 100_000)]
    plain = annual_rate(Convention.US_ACTUARIAL, advance, dates, unit_period=month)
    same = annual_rate(Convention.US_ACTUARIAL, advance, dates, unit_period=month, first_period=Periods(1))
    longer = annual_rate(
        Convention.US_ACTUARIAL, advance, dates, unit_period=month, first_period=Periods(1, 10)
    )
    assert plain == same
    assert longer.percent < same.percent


def test_ten_thousand_flows_are_quick() -> None:
    payments = [Flow(date(2026, 1, 15) + timedelta(days=k + 1), 100 + k % 7) for k in range(10_000)]
    for convention in Convention:
        began = time.process_time()
        annual_rate(convention, [Flow(START, 500_000)], payments)
        assert time.process_time() - began < 5


def test_rates_beyond_telling_are_refused_in_bounded_time() -> None:
    with pytest.raises(NoRate, match="no rate up to"):
        annual_rate(Convention.EFFECTIVE, [Flow(START, 100)], [Flow(START + timedelta(days=1), 10_000)])
    # An APR by the day may be told where its compounded rate is beyond six digits.
    found = annual_rate(Convention.US_ACTUARIAL, [Flow(START, 100)], [Flow(START + timedelta(days=1), 300)])
    assert (found.percent, found.effective_percent) == (Decimal(73_000), None)
    # Paid back at once in part, the rest grows without end: no rate is left below zero excess.
    with pytest.raises(NoRate):
        annual_rate(
            Convention.US_RULE, [Flow(START, 100)], [Flow(START, 100), Flow(START + timedelta(days=30), 5)]
        )
