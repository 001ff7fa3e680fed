"""Payments of a loan that was imported before: what is new is recorded, what is known must be the same."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.book.rows import PaymentLine, RowProblem
from throughline.kernel.errors import Problem
from throughline.lending import service as lending
from throughline.lending.service import EventReceipt, NewEvent, PastPayment


class Refused(Exception):
    """A payment that can't be recorded; everything of its borrower is taken back."""

    def __init__(self, problem: RowProblem) -> None:
        super().__init__(problem.expected)
        self.problem = problem


def record_history(
    session: Session, loan_id: UUID, line: PaymentLine, past: PastPayment, *, now: datetime
) -> int:
    """Record a payment, and its reversal if it was taken back; returns how many payments were new (0 or 1).

    Raises Refused.
    """
    paid = _record(session, loan_id, past.event(), line, now)
    if past.reversed_on is not None:
        _record(session, loan_id, past.reversal(paid.event_id), line, now)
    return 0 if paid.repeated else 1


def _record(session: Session, loan_id: UUID, new: NewEvent, line: PaymentLine, now: datetime) -> EventReceipt:
    try:
        return lending.record_event(session, loan_id, new, now=now)
    except lending.EventKeyReused:
        expected = "the same date and amount as when this payment was imported"
        raise Refused(RowProblem(line.row, "payment_id", expected)) from None
    except Problem as problem:
        raise Refused(RowProblem(line.row, "", str(problem))) from None
