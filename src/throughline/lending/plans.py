"""Accrual plans in the database: what the set-based close of business reads. A cache; a missing or old one is no fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.db import array, plain_array
from throughline.lending.account import LoanFile
from throughline.lending.history import LoanEvent
from throughline.lending.models import AccrualPlanRow, AccrualSegmentRow, LoanRow
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
    _store(session, [{**owner, **head_values(plan, state, file.row.event_seq)}])
    _store_segments(session, segment_values(plan, file.row.borrower_id, file.row.id) if plan else [])
    return plan


def write_plans(session: Session, some: Sequence[tuple[LoanRow, LoanState, AccrualPlan | None]]) -> None:
    """Keep the plans of many active loans at once; None: the loan must be replayed. The caller holds their locks."""
    if not some:
        return
    keys = {
        "borrowers": plain_array(row.borrower_id for row, _, _ in some),
        "loans": plain_array(row.id for row, _, _ in some),
    }
    session.execute(_FORGET, keys)
    heads, segments = [], []
    for row, state, plan in some:
        owner = {"borrower_id": row.borrower_id, "loan_id": row.id}
        heads.append({**owner, **head_values(plan, state, row.event_seq)})
        segments += segment_values(plan, row.borrower_id, row.id) if plan else []
    _store(session, heads)
    _store_segments(session, segments)


def _store(session: Session, heads: list[Values]) -> None:
    new = insert(cast(Table, AccrualPlanRow.__table__))
    changed = {name: new.excluded[name] for name in heads[0] if name not in {"borrower_id", "loan_id"}}
    session.execute(new.on_conflict_do_update(index_elements=["borrower_id", "loan_id"], set_=changed), heads)


def _store_segments(session: Session, segments: Sequence[Values]) -> None:
    """One statement for all: a plan may have a hundred of them."""
    if segments:
        session.execute(_SEGMENTS, {name: array(one[name] for one in segments) for name in segments[0]})


_FORGET = text(
    """
    DELETE FROM lending_accrual_segment s USING unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[])) AS t(b, l)
    WHERE s.borrower_id = t.b AND s.loan_id = t.l
    """
)
_SEGMENTS = text(
    """
    INSERT INTO lending_accrual_segment (borrower_id, loan_id, nr, kind, installment_nr, from_date, to_date, base_minor,
      n0, n1, d, cap_minor, charged_minor)
    SELECT * FROM unnest(CAST(:borrower_id AS uuid[]), CAST(:loan_id AS uuid[]), CAST(:nr AS int[]),
      CAST(:kind AS text[]), CAST(:installment_nr AS int[]), CAST(:from_date AS date[]), CAST(:to_date AS date[]),
      CAST(:base_minor AS bigint[]), CAST(:n0 AS numeric[]), CAST(:n1 AS numeric[]), CAST(:d AS numeric[]),
      CAST(:cap_minor AS bigint[]), CAST(:charged_minor AS bigint[]))
    """
)


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
