"""Accrual plans in the database: what the set-based close of business reads. A cache; a missing or old one is no fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.lending.account import LoanFile
from throughline.lending.history import LoanEvent
from throughline.lending.models import AccrualPlanRow, AccrualSegmentRow
from throughline.lending.segments import VERSION, AccrualPlan, accrual_plan
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import LoanTerms

Values = dict[str, Any]


def write_plan(session: Session, file: LoanFile, state: LoanState) -> AccrualPlan | None:
    """Derive the plan of a loan from its newest state and keep it; a loan that is not active has none.

    The caller holds the loan's lock.
    """
    owner = {"borrower_id": file.row.borrower_id, "loan_id": file.row.id}
    session.execute(delete(AccrualSegmentRow).filter_by(**owner))
    if state.status is not LoanStatus.ACTIVE:
        session.execute(delete(AccrualPlanRow).filter_by(**owner))
        return None
    plan = accrual_plan(file.terms, file.events, state)
    head = head_values(plan, state, file.row.event_seq)
    session.execute(
        insert(AccrualPlanRow)
        .values(**owner, **head)
        .on_conflict_do_update(index_elements=["borrower_id", "loan_id"], set_=head)
    )
    if plan is not None:
        # On the table, not the class: that would send rows with other NULLs as other statements.
        table = cast(Table, AccrualSegmentRow.__table__)
        session.execute(insert(table), segment_values(plan, file.row.borrower_id, file.row.id))
    return plan


def plan_rows(
    terms: LoanTerms,
    events: Sequence[LoanEvent],
    state: LoanState,
    *,
    borrower_id: UUID,
    loan_id: UUID,
) -> tuple[list[Values], list[Values]]:
    """The rows of a plan (head, segments) of a loan that is written in bulk."""
    if state.status is not LoanStatus.ACTIVE:
        return [], []
    plan = accrual_plan(terms, events, state)
    head = {"borrower_id": borrower_id, "loan_id": loan_id, **head_values(plan, state, len(events))}
    return [head], segment_values(plan, borrower_id, loan_id) if plan is not None else []


def head_values(plan: AccrualPlan | None, state: LoanState, event_seq: int) -> Values:
    """The columns of a plan's head, but for its key."""
    return {
        "version": VERSION,
        "event_seq": event_seq,
        "needs_replay": plan is None,
        "valid_from": plan.valid_from if plan else state.as_of,
        "valid_until": plan.valid_until if plan else None,
        "mode": state.terms.rounding.mode.value,
        "interest_limit_minor": plan.interest_limit_minor if plan else 0,
        "fee_limit_minor": plan.fee_limit_minor if plan else 0,
        "penalty_charged_minor": plan.penalty_charged_minor if plan else 0,
        "watch_from": plan.watch_from if plan else None,
        "pauses": [[first.isoformat(), until.isoformat()] for first, until in state.pauses.delinquency],
    }


def segment_values(plan: AccrualPlan, borrower_id: UUID, loan_id: UUID) -> list[Values]:
    """The rows of a plan's segments."""
    return [
        {
            "borrower_id": borrower_id,
            "loan_id": loan_id,
            "nr": nr,
            "kind": one.kind.value,
            "installment_nr": one.installment_nr,
            "from_date": one.from_date,
            "to_date": one.to_date,
            "base_minor": one.base_minor,
            "n0": one.n0,
            "n1": one.n1,
            "d": one.d,
            "cap_minor": one.cap_minor,
            "charged_minor": one.charged_minor,
        }
        for nr, one in enumerate(plan.segments)
    ]
