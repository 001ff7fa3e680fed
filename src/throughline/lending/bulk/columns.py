"""Rows of a table of loans as documents of terms: columns are the fields of `terms`, joined with dots."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a cell holds once it is no longer text."""

    TEXT = "a text"
    WHOLE = "a whole number"
    YES = "true or false"
    LIST = "a JSON list"


COLUMNS = {
    "expected_disbursement_date": Kind.TEXT,
    "principal": Kind.TEXT,
    "annual_rate_percent": Kind.TEXT,
    "interest_method": Kind.TEXT,
    "interest_period": Kind.TEXT,
    "amortization": Kind.TEXT,
    "installments": Kind.WHOLE,
    "repay_every.count": Kind.WHOLE,
    "repay_every.unit": Kind.TEXT,
    "first_due_date": Kind.TEXT,
    "day_count.year": Kind.TEXT,
    "day_count.month": Kind.TEXT,
    "installment_amount": Kind.TEXT,
    "due_dates": Kind.TEXT,
    "rounding.mode": Kind.TEXT,
    "rounding.scale": Kind.WHOLE,
    "rounding.interest_rounding": Kind.TEXT,
    "rounding.installment_multiple": Kind.TEXT,
    "rounding.installment_multiple_mode": Kind.TEXT,
    "overdue_interest.annual_rate_percent": Kind.TEXT,
    "overdue_interest.grace_days": Kind.WHOLE,
    "overdue_interest.base": Kind.TEXT,
    "grace.principal_installments": Kind.WHOLE,
    "grace.interest_payment_installments": Kind.WHOLE,
    "grace.interest_free_installments": Kind.WHOLE,
    "grace.arrears_days": Kind.WHOLE,
    "interest_recalculation.enabled": Kind.YES,
    "interest_recalculation.rest": Kind.TEXT,
    "interest_recalculation.prepayment": Kind.TEXT,
    "interest_recalculation.preclosure": Kind.TEXT,
    "interest_recalculation.compounding": Kind.TEXT,
    "schedule_type": Kind.TEXT,
    "allocation": Kind.TEXT,
    "allocation_order": Kind.LIST,
    "allocation_direction": Kind.TEXT,
    "future_installments": Kind.TEXT,
    "down_payment_percent": Kind.TEXT,
    "delinquency_ranges": Kind.LIST,
    "delinquency_floor.amount": Kind.TEXT,
    "delinquency_floor.percent": Kind.TEXT,
    "calendar": Kind.TEXT,
    "non_working_days": Kind.TEXT,
    "due_date_adjustment.convention": Kind.TEXT,
    "due_date_adjustment.interest": Kind.TEXT,
}
REQUIRED = ("principal", "annual_rate_percent", "expected_disbursement_date")

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_YES = {"true": True, "false": False}


def document(cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The JSON object of terms of one row, (column, text) by column; an empty text is an absent field.

    A text that is not of its column's kind stays a text: `read_terms` then says what it expected.
    """
    made: dict[str, Any] = {}
    for column, text in cells:
        if not text:
            continue
        *above, name = column.split(".")
        inner = made
        for part in above:
            inner = inner.setdefault(part, {})
        inner[name] = _value(text, COLUMNS[column])
    return made


def _value(text: str, kind: Kind) -> Any:
    if kind is Kind.WHOLE and _WHOLE.fullmatch(text):
        return int(text)
    if kind is Kind.YES:
        return _YES.get(text, text)
    if kind is Kind.LIST:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
