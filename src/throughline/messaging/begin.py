"""How a step begins: what may stand in its way, and the attempt that is written before anything is sent."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel.i18n import bilingual
from throughline.kernel.ids import new_id
from throughline.messaging import flow, reasons, registry, schedule, standing
from throughline.messaging.classes import MessageClass
from throughline.messaging.flow import Plan
from throughline.messaging.lattice import AttemptState
from throughline.messaging.models import MsgAttempt, MsgStep
from throughline.messaging.plan import Channel
from throughline.messaging.steps import BLOCKING, READ, StepState
from throughline.messaging.templates import template
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


def start_next(plan: Plan) -> None:
    """Begin the next step, and the one after if that can't be sent, until one is under way."""
    for step in plan.steps:
        state = StepState(step.state)
        if state is StepState.PLANNED:
            start(plan, step)
            state = StepState(step.state)
        if state in BLOCKING and step.act_at is not None:
            return


def start(plan: Plan, step: MsgStep) -> None:
    """Write the first attempt of a step, or end or hold the step for what stands in its way."""
    if plan.late:
        flow.end(plan, step, StepState.EXPIRED, reasons.TOO_LATE)
    elif not stopped(plan, step):
        prepare(plan, step, at=max(plan.now, plan.intent.not_before or plan.now))


def stopped(plan: Plan, step: MsgStep) -> bool:
    """Whether something stands in the way of a step now; it is then held or suppressed, and that is told.

    Asked when a step begins and again in the transaction of the send: an address may freeze in between.
    """
    if plan.intent.outcome == READ or any(other.state == StepState.DELIVERED for other in plan.steps):
        why_not = reasons.READ if plan.intent.outcome == READ else reasons.ELSEWHERE
        flow.end(plan, step, StepState.NOT_NEEDED, why_not)
        return True
    why = barrier(plan.session, step.contact_point_id, now=plan.now, klass=plan.intent.klass)
    if why == standing.LINE_OFF:
        hold(plan, step)
        return True
    if why is None and not registry.routes_of(Channel(step.channel), plan.intent.klass):
        why = reasons.NO_ROUTE
    if why is None and _says_too_much(plan, step):
        why = reasons.TOO_PERSONAL
    if why is None and not parties.has_consent(
        plan.session, plan.intent.borrower_id, Purpose(plan.intent.purpose)
    ):
        why = reasons.NO_CONSENT
    if why is not None:
        flow.end(plan, step, StepState.SUPPRESSED, why)
    return why is not None


def barrier(
    session: Session, contact_point_id: UUID, *, now: datetime, klass: str | None = None
) -> str | None:
    """Why an address must not be written to now (a message id), or None. A code goes to a number in doubt too."""
    try:
        point = parties.contact_point(session, contact_point_id)
    except parties.UnknownContactPoint:
        return reasons.GONE
    if klass == MessageClass.OTP:
        return standing.obstacle_to_code(point)
    return standing.obstacle(point, now=now)


def _says_too_much(plan: Plan, step: MsgStep) -> bool:
    highest = standing.ceiling(parties.contact_point(plan.session, step.contact_point_id), now=plan.now)
    return template(plan.intent.template).outside.content_class > min(plan.policy.highest, highest)


def hold(plan: Plan, step: MsgStep) -> None:
    """Keep a step until the line is back. The sweep looks at it from time to time."""
    flow.supersede(plan, step)
    flow.put(plan, step, StepState.HELD, act_at=plan.now + schedule.LOOK_AT_HELD)
    flow.tell(plan, step, bilingual(standing.LINE_OFF))


def prepare(plan: Plan, step: MsgStep, *, at: datetime) -> MsgAttempt:
    """Write the next attempt of a step with its reference. The sender takes it when its time has come."""
    before = plan.newest_attempt(step)
    routes = registry.routes_of(Channel(step.channel), plan.intent.klass)
    if not routes:
        raise RuntimeError("a step without a route is never prepared")
    attempt_id = new_id()
    attempt = MsgAttempt(
        borrower_id=step.borrower_id,
        id=attempt_id,
        intent_id=step.intent_id,
        step_n=step.n,
        try_n=before.try_n + 1 if before else 1,
        channel=step.channel,
        urgency=plan.policy.urgency,
        due_at=at,
        route=routes[0].name,
        contact_point_id=step.contact_point_id,
        client_ref=attempt_id.hex,
        state=AttemptState.PREPARED.value,
        fence=0,
        prepared_at=plan.now,
    )
    plan.session.add(attempt)
    plan.session.flush()
    until = min(at + plan.policy.receipt_wait, plan.intent.deadline)
    flow.put(plan, step, StepState.READY, act_at=max(at, until))
    return attempt
