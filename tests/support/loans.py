"""The usual loan of tests: CNY 3,000 over six months, agreed on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.lending import service as lending

PRINCIPAL_MINOR = 300_000


def usual_loan(borrower_id: UUID, agreed_on: date, **changes: Any) -> lending.NewLoan:
    """A contract of the shipped product, with `changes`."""
    values: dict[str, Any] = {
        "borrower_id": borrower_id,
        "product_code": "cash-cn",
        "principal_minor": PRINCIPAL_MINOR,
        "currency": "CNY",
        "installments": 6,
        "annual_rate_percent": Decimal("14.4"),
        "agreed_on": agreed_on,
        "contract_id": new_id(),
        "zone": settings().zone,
        "agreed_charges": ("penalty_interest",),
    }
    return lending.NewLoan(**(values | changes))
