"""Messages that wait for a line: sent once when it is back, dropped when the number is not safe any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel.i18n import bilingual
from throughline.messaging import begin, flow, reasons, schedule, standing
from throughline.messaging.classes import MessageClass
from throughline.messaging.flow import Plan
from throughline.messaging.inbox import was_read
from throughline.messaging.models import MsgStep
from throughline.messaging.plan import Channel, PlannedStep
from throughline.messaging.requests import NewIntent, create
from throughline.messaging.steps import StepState
from throughline.messaging.templates import CATCH_UP
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

CATCH_UP_DEADLINE = timedelta(days=3)
BATCH = 500

Waiting = tuple[Plan, MsgStep]


def release_held(session: Session, contact_point_id: UUID, *, now: datetime) -> int:
    """The line is back: send what waited for it, once; returns how many messages were released.

    One message goes out as itself while it still makes sense; more become one catch-up message that tells
    how many are in the inbox. What the borrower has read meanwhile is not sent. Safe to repeat.
    """
    why = begin.barrier(session, contact_point_id, now=now)
    if why == standing.LINE_OFF:
        return 0
    waiting = _still_wanted(session, contact_point_id, why, now)
    if len(waiting) == 1 and not waiting[0][0].late:
        begin.start(*waiting[0])
    elif waiting:
        _catch_up(session, waiting, now)
    return len(waiting)


def look_at(plan: Plan, step: MsgStep) -> bool:
    """Look at a held step again; True when its line is back and nobody has released it."""
    why = begin.barrier(plan.session, step.contact_point_id, now=plan.now)
    if why is None or why == standing.LINE_OFF:
        if _outlived(plan):
            flow.end(plan, step, StepState.EXPIRED, reasons.TOO_LATE)
            return False
        flow.put(plan, step, StepState.HELD, act_at=plan.now + schedule.LOOK_AT_HELD)
        return why is None
    flow.end(plan, step, StepState.SUPPRESSED, why)
    return False


def held_steps(
    session: Session, *, borrower_id: UUID | None = None, contact_point_id: UUID | None = None
) -> int:
    """How many messages wait for a line: of a borrower, of a number, or of all."""
    wanted = select(func.count()).select_from(MsgStep).where(MsgStep.state == StepState.HELD.value)
    if borrower_id is not None:
        wanted = wanted.where(MsgStep.borrower_id == borrower_id)
    if contact_point_id is not None:
        wanted = wanted.where(MsgStep.contact_point_id == contact_point_id)
    return session.execute(wanted).scalar_one()


def _outlived(plan: Plan) -> bool:
    # A login code is worth nothing later; of everything else the borrower wants to hear when the line is back.
    return plan.late and plan.intent.klass == MessageClass.OTP


def _still_wanted(session: Session, contact_point_id: UUID, why: str | None, now: datetime) -> list[Waiting]:
    rows = session.execute(
        select(MsgStep.intent_id, MsgStep.n)
        .where(MsgStep.contact_point_id == contact_point_id, MsgStep.state == StepState.HELD.value)
        .order_by(MsgStep.intent_id)
        .limit(BATCH)
    ).all()
    found: list[Waiting] = []
    for row in rows:
        plan = flow.locked(session, row.intent_id, now=now)
        step = plan.step(row.n)
        if step.state != StepState.HELD:
            continue  # another transaction was first
        intent = plan.intent
        if why is not None:
            flow.end(plan, step, StepState.SUPPRESSED, why)
        elif was_read(session, intent.borrower_id, intent.id):
            flow.end(plan, step, StepState.NOT_NEEDED, reasons.READ)
        elif _outlived(plan):
            flow.end(plan, step, StepState.EXPIRED, reasons.TOO_LATE)
        elif not parties.has_consent(session, intent.borrower_id, Purpose(intent.purpose)):
            flow.end(plan, step, StepState.SUPPRESSED, reasons.NO_CONSENT)
        else:
            found.append((plan, step))
    return found


def _catch_up(session: Session, waiting: Sequence[Waiting], now: datetime) -> None:
    newest, newest_step = waiting[-1]
    count = sum(_stands_for(session, plan) for plan, _ in waiting)
    catch_up = create(
        session,
        NewIntent(
            borrower_id=newest.intent.borrower_id,
            idem_key=f"catch-up:{newest.intent.id}",
            purpose=newest.intent.purpose,
            klass=MessageClass.CONTINUITY.value,
            template=CATCH_UP,
            params={"count": count},
            deadline=now + CATCH_UP_DEADLINE,
        ),
        [PlannedStep(Channel(newest_step.channel), newest_step.contact_point_id)],
        now=now,
    )
    for plan, step in waiting:
        flow.put(plan, step, StepState.RELEASED, act_at=None)
        step.reason, step.covered_by = bilingual(reasons.CAUGHT_UP), catch_up
    session.flush()
    made = flow.locked(session, catch_up, now=now)
    if made.steps[0].state == StepState.SUPPRESSED:
        flow.end_covered(made, StepState.SUPPRESSED)  # it ended before it stood for anything


def _stands_for(session: Session, plan: Plan) -> int:
    """A catch-up message that was held itself stands for those that it covers."""
    if plan.intent.template != CATCH_UP:
        return 1
    return session.execute(
        select(func.count())
        .select_from(MsgStep)
        .where(MsgStep.borrower_id == plan.intent.borrower_id, MsgStep.covered_by == plan.intent.id)
    ).scalar_one()
