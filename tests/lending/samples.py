"""Terms for tests: one small loan, changed where a test wants it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from throughline.lending.terms import DayCount, LoanTerms, MonthBasis, YearBasis

MONTH_30_360 = DayCount(YearBasis.D360, MonthBasis.D30)


def loan_terms(**changes: Any) -> LoanTerms:
    """12 % a year, actual/365, monthly, CNY 1,000 over 6 installments, with `changes`."""
    values: dict[str, Any] = {
        "currency": "CNY",
        "principal_minor": 100_000,
        "annual_rate_percent": Decimal(12),
        "installments": 6,
        "day_count": DayCount(YearBasis.D365),
    }
    return LoanTerms(**(values | changes))
