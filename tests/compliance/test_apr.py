"""Annual rates against an independent solver and against arithmetic done by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
import pyxirr
from hypothesis import given
from hypothesis import strategies as st

from throughline.compliance.apr import Convention, Flow, NoRate, annual_rate
from throughline.compliance.calendar_time import months_between
from throughline.compliance.eu_time import eu_years

START = date(2026, 1, 15)


def _monthly(n: int, amount: int) -> list[Flow]:
    return [Flow(date(2026 + (k // 12), k % 12 + 1, 15), amount) for k in range(1, n + 1)]


def test_a_level_loan_has_the_rate_it_was_made_with() -> None:
    # 12,000.00 at 12 % in 12 installments of 1,066.19, the last 1,066.14 (30/360).
    payments = [*_monthly(11, 106_619), Flow(date(2027, 1, 15), 106_614)]
    advance = [Flow(START, 1_200_000)]
    simple = annual_rate(Convention.CN_SIMPLE, advance, payments)
    assert abs(simple.percent - 12) < Decimal("0.001")
    compound = annual_rate(Convention.CN_IRR, advance, payments)
    assert abs(compound.percent - Decimal("12.6825")) < Decimal("0.002")
    assert annual_rate(Convention.NOMINAL_MONTHLY, advance, payments).percent == simple.percent
    assert simple.finance_charge_minor == 11 * 106_619 + 106_614 - 1_200_000


@given(
    st.lists(st.tuples(st.integers(120, 720), st.integers(1_000, 200_000)), min_size=1, max_size=24),
    st.integers(40, 99),
)
def test_effective_agrees_with_an_independent_solver(parts: list[tuple[int, int]], lent_percent: int) -> None:
    lent = sum(amount for _, amount in parts) * lent_percent // 100
    payments = [Flow(START + timedelta(days=day), amount) for day, amount in parts]
    found = float(annual_rate(Convention.EFFECTIVE, [Flow(START, lent)], payments).percent) / 100
    # The discount factor of a day is a root of a polynomial; numpy finds it by eigenvalues.
    days = max(day for day, _ in parts)
    coefficients = np.zeros(days + 1)
    for day, amount in parts:
        coefficients[day] += amount
    coefficients[0] -= lent
    daily = (1 + found) ** (-1 / 365)
    value = float(np.polynomial.polynomial.polyval(daily, coefficients))
    slope = float(np.polynomial.polynomial.polyval(daily, np.polynomial.polynomial.polyder(coefficients)))
    # One Newton step from our root must not move it by more than the printed digits.
    assert abs(value / slope) < 1e-7


@given(
    st.lists(st.tuples(st.integers(30, 720), st.integers(1_000, 200_000)), min_size=1, max_size=24),
    st.integers(60, 99),
)
def test_effective_agrees_with_pyxirr(parts: list[tuple[int, int]], lent_percent: int) -> None:
    lent = sum(amount for _, amount in parts) * lent_percent // 100
    payments = [Flow(START + timedelta(days=day), amount) for day, amount in parts]
    found = annual_rate(Convention.EFFECTIVE, [Flow(START, lent)], payments).percent
    dates = [START, *(START + timedelta(days=day) for day, _ in parts)]
    theirs = pyxirr.xirr(dates, [-float(lent), *(float(amount) for _, amount in parts)])
    assert theirs is not None
    assert float(found) == pytest.approx(100 * theirs, rel=1e-7, abs=1e-6)


def test_months_and_eu_years_count_back_from_the_later_date() -> None:
    assert months_between(date(2026, 1, 31), date(2026, 2, 28)) == pytest.approx(28 / 30)
    assert months_between(date(2026, 1, 15), date(2026, 4, 15)) == 3
    assert eu_years(date(2026, 1, 15), date(2026, 4, 15)) == pytest.approx(0.25)
    assert eu_years(date(2026, 1, 1), date(2026, 1, 15)) == pytest.approx(2 / 52)
    assert eu_years(date(2024, 1, 1), date(2025, 1, 4)) == pytest.approx(1 + 3 / 366, abs=1e-4)


def test_a_free_loan_costs_nothing() -> None:
    for convention in Convention:
        assert annual_rate(convention, [Flow(START, 300)], [Flow(date(2026, 2, 15), 300)]).percent == 0


@pytest.mark.parametrize(
    ("advances", "payments"),
    [
        ([], [Flow(START, 1)]),
        ([Flow(START, 1)], []),
        ([Flow(START, 100)], [Flow(date(2026, 2, 1), 99)]),
        ([Flow(START, 100)], [Flow(date(2025, 2, 1), 120)]),
        ([Flow(START, -100)], [Flow(date(2026, 2, 1), 120)]),
        ([Flow(START, 1)], [Flow(START, 1_000_000)]),
    ],
)
def test_flows_without_a_rate_are_an_error(advances: list[Flow], payments: list[Flow]) -> None:
    for convention in Convention:
        with pytest.raises(NoRate):
            annual_rate(convention, advances, payments)
