"""From states to journal lines: totals by account, and the difference that is posted (lending.md section 10).

Accrual basis. A closed day is never reopened: what a back-dated event changes is posted today, as the
difference of the totals before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from throughline.ledger.entries import Line, debit
from throughline.lending.accrual import Accrued, accrued_to, charged
from throughline.lending.history import EventType, LoanEvent
from throughline.lending.replay import replay
from throughline.lending.state import LoanState
from throughline.lending.terms import LoanTerms

Totals = dict[str, int]  # account role -> cumulative debit minus credit, in minor units


def totals(state: LoanState, recognised: Accrued) -> Totals:
    """What a loan has done to each account since its payout, when so much income has been recognised."""
    paid = [sum(row.paid[part] for row in state.installments) for part in range(4)]
    waived = [sum(row.waived[part] for row in state.installments) for part in range(4)]
    given = sum(one.amount_minor for one in state.transactions if one.type is EventType.GOODWILL_CREDIT)
    received = sum(
        one.amount_minor for one in state.transactions if one.type in {EventType.REPAYMENT, EventType.PAY_OFF}
    )
    return {
        "loans_receivable": state.disbursed_minor - paid[0],
        "payout_clearing": -state.disbursed_minor,
        "collection_clearing": received,
        "goodwill_expense": given,
        "interest_receivable": recognised.interest_minor - paid[1] - waived[1],
        "fee_receivable": recognised.fee_minor - paid[2] - waived[2],
        "penalty_receivable": recognised.penalty_minor - paid[3] - waived[3],
        "interest_income": waived[1] - recognised.interest_minor,
        "fee_income": waived[2] - recognised.fee_minor,
        "penalty_income": waived[3] - recognised.penalty_minor,
        "overpayment_liability": -state.overpaid_minor,
    }


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """Lines to post, split by cause: what the event moved, and what income it made or took back."""

    event_lines: tuple[Line, ...]
    accrual_lines: tuple[Line, ...]
    recognised: Accrued


def plan_entries(
    before: LoanState | None,
    after: LoanState,
    *,
    recognised: Accrued,
    earned_before: Accrued,
    earned_after: Accrued,
    loan_id: UUID | None = None,
) -> EntryPlan:
    """The difference between two states of one loan, as journal lines.

    `recognised` is the income in the books so far; `earned_before` and `earned_after` are the income by
    the last closed business day (`earned_by`) with the events before and after. A pure repeat plans
    nothing.
    """
    old: Totals = totals(before, recognised) if before is not None else {}
    moved = totals(after, recognised)
    earned = recognise(after, recognised=recognised, earned_before=earned_before, earned_after=earned_after)
    return EntryPlan(
        event_lines=_difference(old, moved, loan_id),
        accrual_lines=_difference(moved, totals(after, earned), loan_id),
        recognised=earned,
    )


def recognise(
    after: LoanState, *, recognised: Accrued, earned_before: Accrued, earned_after: Accrued
) -> Accrued:
    """The income that the books should show after an event.

    Up to the closed day it follows the replay, also downwards. Income that a closing has recognised in
    advance stays when a reversal opens the loan again: accrual goes on only when what is earned by date
    passes it. Never more than the loan charges in all.
    """
    limit = charged(after)
    if after.closed_on is not None:
        return limit
    interest, fee, penalty = (
        min(most, max(now, known - max(0, then - now)))
        for known, then, now, most in zip(
            _three(recognised), _three(earned_before), _three(earned_after), _three(limit), strict=True
        )
    )
    return Accrued(interest, fee, penalty)


def earned_by(terms: LoanTerms, events: Sequence[LoanEvent], through: date | None) -> Accrued:
    """Income by date alone up to the last closed business day (None: no day has been closed)."""
    if through is None:
        return Accrued()
    return accrued_to(replay(terms, events, as_of=through), through, closed=False)


def _three(value: Accrued) -> tuple[int, int, int]:
    return value.interest_minor, value.fee_minor, value.penalty_minor


def _difference(before: Totals, after: Totals, loan_id: UUID | None) -> tuple[Line, ...]:
    return tuple(
        debit(account, change, loan_id)
        for account, amount in after.items()
        if (change := amount - before.get(account, 0))
    )
