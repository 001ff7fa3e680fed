"""Plans for loans on which something was recorded since their last one, made for some at a time.

With its plan such a loan is closed in SQL like all others; replaying it instead takes some twenty statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.logging import get_logger
from throughline.lending.account import events_of, terms_of
from throughline.lending.history import LoanEvent
from throughline.lending.models import LoanRow
from throughline.lending.plans import write_plans
from throughline.lending.replay import replay
from throughline.lending.segments import AHEAD_OF_TIME, AccrualPlan, accrual_plan
from throughline.lending.state import LoanState, LoanStatus

log = get_logger(__name__)


def plan_loans(session: Session, ids: Sequence[UUID], *, skip_locked: bool) -> set[UUID]:
    """Make and keep the plans of some loans, under their row locks; returns those that have one now.

    What can't be planned is left to the replay, which also says what is wrong with a loan. With `skip_locked`
    so are loans that somebody else holds; else they are waited for.
    """
    rows = session.scalars(
        select(LoanRow)
        .where(LoanRow.id.in_(ids))
        .order_by(LoanRow.id)
        .with_for_update(skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    ).all()
    events = events_of(session, rows)
    made: list[tuple[LoanRow, LoanState, AccrualPlan | None]] = []
    for row in rows:
        try:
            planned = _plan(row, events[row.id])
        except Exception:
            log.exception("a loan could not be planned", loan_id=str(row.id))
            continue
        if planned is not None:
            made.append((row, *planned))
    write_plans(session, made)
    return {row.id for row, _, plan in made if plan is not None}


def _plan(row: LoanRow, events: Sequence[LoanEvent]) -> tuple[LoanState, AccrualPlan | None] | None:
    """State and plan of a loan; None if there is none that speaks of its next open day."""
    if row.status != LoanStatus.ACTIVE.value or row.cob_through is None:
        return None
    next_day = row.cob_through + timedelta(days=1)
    if max(event.value_date for event in events if event.type not in AHEAD_OF_TIME) > next_day:
        return None
    terms = terms_of(row)
    state = replay(terms, events, as_of=next_day)
    if state.overdue_penalty_minor:
        # What is kept of its installments is of the day of recording: the replay writes them anew with the penalty.
        return None
    return state, accrual_plan(terms, events, state)
