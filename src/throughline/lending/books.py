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
from throughline.lending.history import RECEIPTS, EventType, LoanEvent
from throughline.lending.replay import replay
from throughline.lending.state import LoanState
from throughline.lending.terms import LoanTerms

Totals = dict[str, int]  # account role -> cumulative debit minus credit, in minor units


def totals(state: LoanState, recognised: Accrued) -> Totals:
    """What a loan has done to each account since its payout, when so much income has been recognised."""
    paid, waived, back = (_sums(state, name) for name in ("paid", "waived", "credited"))
    income = (0, *_three(recognised))
    at_payout = state.paid_at_disbursement
    moved = _money(state)
    result = {
        "payout_clearing": sum(at_payout) - state.disbursed_minor - moved["refunded"],
        "collection_clearing": moved["received"] - moved["charged_back"],
        "goodwill_expense": moved["given"],
        "overpayment_liability": -state.overpaid_minor,
    }
    if state.charged_off_on is None:
        lost = _sums(state, "written_off")
        result["loans_receivable"] = state.disbursed_minor + back[0] - paid[0] - lost[0]
        for part, name in enumerate(("interest", "fee", "penalty"), start=1):
            result[f"{name}_receivable"] = income[part] + back[part] - paid[part] - waived[part] - lost[part]
            result[f"{name}_income"] = waived[part] - income[part] - at_payout[part]
        result["credit_loss"] = sum(lost)
        result["recoveries"] = -moved["recovered_later"]
        return result
    before, forgiven = state.paid_before_charge_off, state.waived_before_charge_off
    loss = "credit_loss_fraud" if state.charged_off_fraud else "credit_loss"
    result["loans_receivable"] = 0
    result[loss] = state.disbursed_minor + back[0] - before[0]
    for part, name in enumerate(("interest", "fee", "penalty"), start=1):
        result[f"{name}_receivable"] = 0
        result[f"{name}_income"] = forgiven[part] - income[part] - at_payout[part]
        result[f"income_reversal_{name}"] = income[part] + back[part] - before[part] - forgiven[part]
    result["recoveries"] = sum(before) - sum(paid) - moved["recovered_later"]
    return result


_MONEY_NAMES = dict.fromkeys(RECEIPTS | {EventType.RECOVERY}, "received") | {
    EventType.GOODWILL_CREDIT: "given",
    EventType.REFUND_OF_OVERPAYMENT: "refunded",
    EventType.CHARGEBACK: "charged_back",
}


def _sums(state: LoanState, name: str) -> list[int]:
    columns = zip(*(getattr(row, name) for row in state.installments), strict=True)
    return [sum(column) for column in columns] or [0, 0, 0, 0]


def _money(state: LoanState) -> dict[str, int]:
    """Money in and out by what it was. `recovered_later` is what came after a write-off and paid no installment."""
    moved = dict.fromkeys(("received", "given", "refunded", "charged_back", "recovered_later"), 0)
    for one in state.transactions:
        moved["recovered_later"] += one.recovered_minor
        name = _MONEY_NAMES.get(one.type)
        if name is not None:
            moved[name] += one.amount_minor
    return moved


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
        accrual_lines=_difference(moved, totals(after, earned), loan_id) if earned != recognised else (),
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
    if after.closed_on is not None and after.charged_off_on is None:
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
    accounts = dict.fromkeys([*after, *before])
    return tuple(
        debit(account, change, loan_id)
        for account in accounts
        if (change := after.get(account, 0) - before.get(account, 0))
    )
