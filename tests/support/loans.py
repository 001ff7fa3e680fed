"""The usual loan of tests: CNY 3,000 over six months, agreed on a day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
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


def paid_out_loan(session: Session, borrower_id: UUID, *, days_ago: int, **changes: Any) -> UUID:
    """The usual loan, agreed and paid out that many days ago; its key is "out"."""
    start = clock.local_date(clock.now(), settings().zone) - timedelta(days=days_ago)
    loan_id = lending.open_loan(session, usual_loan(borrower_id, start, **changes), now=clock.now())
    payout = lending.NewEvent(lending.EventType.DISBURSEMENT, start, "out", PRINCIPAL_MINOR)
    lending.record_event(session, loan_id, payout, now=clock.now())
    return loan_id
