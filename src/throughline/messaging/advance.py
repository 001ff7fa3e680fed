"""What time brings: leases that are over, waits that are over, deadlines, held messages to look at."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from throughline.kernel.i18n import bilingual
from throughline.messaging import attempts, begin, flow, held, reasons, registry, schedule
from throughline.messaging.flow import Plan
from throughline.messaging.models import MsgStep
from throughline.messaging.steps import StepState

BATCH = 500


def due(session: Session, *, now: datetime, limit: int = BATCH) -> list[UUID]:
    """The intents with a step whose time has come: lost sends first, or a backlog would starve them."""
    lost_first = case((MsgStep.state == StepState.SENDING.value, 0), else_=1)
    rows = session.scalars(
        select(MsgStep.intent_id)
        .where(MsgStep.act_at <= now)
        .order_by(lost_first, MsgStep.act_at)
        .limit(limit)
    )
    return list(dict.fromkeys(rows))


def advance(session: Session, intent_id: UUID, *, now: datetime) -> list[UUID]:
    """Do what is due for an intent; returns the contact points whose held messages should be released.

    Those are left to a transaction of their own, because a release locks many intents in order.
    """
    plan = flow.locked(session, intent_id, now=now)
    back: list[UUID] = []
    for step in plan.steps:
        if step.act_at is None or step.act_at > now:
            continue
        match StepState(step.state):
            case StepState.READY:
                _outwaited(plan, step)
            case StepState.SENDING:
                attempts.lease_is_over(plan, step)
            case StepState.SENT:
                _no_receipt(plan, step)
            case StepState.UNKNOWN:
                attempts.doubt_is_due(plan, step)
            case StepState.HELD:
                if held.look_at(plan, step):
                    back.append(step.contact_point_id)
            case _:
                step.act_at = None
    begin.start_next(plan)
    return back


def postpone(session: Session, intent_id: UUID, *, now: datetime) -> None:
    """What can't be advanced must not stand in front of the others at every sweep."""
    session.execute(
        update(MsgStep)
        .where(MsgStep.intent_id == intent_id, MsgStep.act_at <= now)
        .values(act_at=now + schedule.LOOK_AT_HELD)
    )


def _outwaited(plan: Plan, step: MsgStep) -> None:
    """No route has taken it in time: another way must not wait for that. The last way waits until the deadline."""
    if plan.late:
        flow.end(plan, step, StepState.EXPIRED, reasons.TOO_LATE)
    elif any(StepState(other.state) is StepState.PLANNED for other in plan.steps):
        flow.end(plan, step, StepState.FAILED, reasons.NOT_TAKEN)
    else:
        flow.put(plan, step, StepState.READY, act_at=plan.intent.deadline)


def _no_receipt(plan: Plan, step: MsgStep) -> None:
    attempt = plan.newest_attempt(step)
    flow.put(plan, step, StepState.SENT, act_at=None)
    if attempt is not None and registry.capabilities(attempt.route).receipts:
        flow.tell(plan, step, bilingual(reasons.NO_RECEIPT))
