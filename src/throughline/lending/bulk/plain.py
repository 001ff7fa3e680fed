"""Which rows may be computed as arrays: those whose every field is on a list of what the arrays know.

The test looks at the texts of the row, not at the terms made of them. So a field or a value that is new
in the terms is not on the list, and its loans go to `build_schedule` until somebody puts it there.
"""

from __future__ import annotations

from dataclasses import dataclass

from throughline.kernel.money import Rounding, digits_of
from throughline.lending.bulk.columns import document
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import (
    Amortization,
    DayCount,
    DueDates,
    Frequency,
    LoanTerms,
    MonthBasis,
)
from throughline.lending.terms_json import read_terms

# Different in each row; all the others make the structure of a loan, which many loans share.
BY_ROW = ("principal", "annual_rate_percent", "expected_disbursement_date", "first_due_date")

MAX_MULTIPLE_MINOR = 10**9  # times 600 installments it stays far below 64 bits

_ANY: frozenset[str] = frozenset()
_ALLOWED: dict[str, frozenset[str]] = {
    "interest_method": frozenset({"declining_balance"}),
    "interest_period": frozenset({"same_as_repayment", "daily"}),
    "amortization": frozenset({"equal_installments", "equal_principal"}),
    "installments": _ANY,
    "repay_every.count": _ANY,
    "repay_every.unit": frozenset({"months", "weeks", "days"}),
    "day_count.year": frozenset({"actual", "360", "364", "365"}),
    "day_count.month": frozenset({"actual", "30"}),
    "due_dates": frozenset({"same_day", "month_end"}),
    "rounding.mode": frozenset({"half_even", "half_up", "up", "down"}),
    "rounding.interest_rounding": frozenset({"each_period"}),
    "rounding.installment_multiple": _ANY,
    "rounding.installment_multiple_mode": frozenset({"half_even", "half_up", "up", "down"}),
    "grace.principal_installments": frozenset({"0"}),
    "grace.interest_payment_installments": frozenset({"0"}),
    "grace.interest_free_installments": frozenset({"0"}),
    "interest_recalculation.enabled": frozenset({"false"}),
    "schedule_type": frozenset({"progressive"}),
    "due_date_adjustment.convention": frozenset({"none"}),
    # What happens after the plan: read and checked, without a part in the schedule.
    "overdue_interest.annual_rate_percent": _ANY,
    "overdue_interest.grace_days": _ANY,
    "overdue_interest.base": _ANY,
    "grace.arrears_days": _ANY,
    "interest_recalculation.rest": _ANY,
    "interest_recalculation.prepayment": _ANY,
    "interest_recalculation.preclosure": _ANY,
    "interest_recalculation.compounding": _ANY,
    "allocation": _ANY,
    "allocation_order": _ANY,
    "allocation_direction": _ANY,
    "future_installments": _ANY,
    "delinquency_ranges": _ANY,
    "delinquency_floor.amount": _ANY,
    "delinquency_floor.percent": _ANY,
    "calendar": _ANY,
    "non_working_days": _ANY,
    "due_date_adjustment.interest": _ANY,
}
# Any values do for the fields of BY_ROW: each row's own are checked when it is read.
_SAMPLE = {"principal": "1", "annual_rate_percent": "1", "expected_disbursement_date": "2026-01-01"}


@dataclass(frozen=True, slots=True)
class Structure:
    """What plain loans computed together have in common. `digits` are those of the currency."""

    digits: int
    installments: int
    equal_principal: bool
    every: Frequency
    month_end: bool
    day_count: DayCount
    mode: Rounding
    multiple_minor: int
    multiple_mode: Rounding


def structure_of(currency: str, cells: dict[str, str]) -> Structure | None:
    """The structure of a plain loan; None for one that is not plain, or wrong. `cells` without BY_ROW."""
    if not _on_the_list(currency, cells):
        return None
    try:
        terms = read_terms(Node("$", document((cells | _SAMPLE).items())), currency)
    except InputError:
        return None
    return _structure(terms)


def _on_the_list(currency: str, cells: dict[str, str]) -> bool:
    for column, text in cells.items():
        if not text:
            continue
        if column == "rounding.scale":
            try:
                allowed = frozenset({str(digits_of(currency))})
            except ValueError:
                return False
        elif column in _ALLOWED:
            allowed = _ALLOWED[column]
        else:
            return False
        if allowed and text not in allowed:
            return False
    # Parts of a period may come to count differently there; the arrays know whole periods only.
    return cells.get("interest_period") != "daily" or cells.get("day_count.month") != MonthBasis.D30


def _structure(terms: LoanTerms) -> Structure | None:
    if terms.rounding.installment_multiple_minor > MAX_MULTIPLE_MINOR:
        return None
    return Structure(
        digits=digits_of(terms.currency),
        installments=terms.installments,
        equal_principal=terms.amortization is Amortization.EQUAL_PRINCIPAL,
        every=terms.repay_every,
        month_end=terms.due_dates is DueDates.MONTH_END,
        day_count=terms.day_count,
        mode=terms.rounding.mode,
        multiple_minor=terms.rounding.installment_multiple_minor,
        multiple_mode=terms.rounding.installment_multiple_mode,
    )
