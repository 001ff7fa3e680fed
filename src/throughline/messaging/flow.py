"""The plan of one intent, locked: how its steps move and end, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import jobs
from throughline.kernel.events import publish
from throughline.kernel.i18n import Text, bilingual
from throughline.messaging import reasons
from throughline.messaging.classes import POLICIES, ClassPolicy, MessageClass
from throughline.messaging.events import AGGREGATE, IntentOutcome
from throughline.messaging.models import MsgAttempt, MsgIntent, MsgStep
from throughline.messaging.steps import READ, UNSENT, StepState, outcome_of
from throughline.messaging.templates import CATCH_UP

ADVANCE = "messaging.advance"
ADVANCE_TIMER = "messaging.advance"
MAX_COVERED = 500

_TOLD_AS = {
    StepState.SENT: "accepted",
    StepState.UNKNOWN: "unknown",
    StepState.HELD: "held",
    StepState.DELIVERED: "delivered",
    StepState.FAILED: "failed",
    StepState.EXPIRED: "expired",
    StepState.SUPPRESSED: "suppressed",
}


@dataclass(slots=True)
class Plan:
    """A locked intent with its steps, read after the lock was taken."""

    session: Session
    intent: MsgIntent
    steps: list[MsgStep]
    now: datetime

    @property
    def policy(self) -> ClassPolicy:
        """What the class of the message asks for."""
        return POLICIES[MessageClass(self.intent.klass)]

    @property
    def late(self) -> bool:
        """Whether the message makes no sense any more."""
        return self.now >= self.intent.deadline

    def step(self, n: int) -> MsgStep:
        """The step of that number."""
        return next(step for step in self.steps if step.n == n)

    def newest_attempt(self, step: MsgStep) -> MsgAttempt | None:
        """The newest try of a step."""
        return self.session.scalars(
            select(MsgAttempt)
            .where(
                MsgAttempt.borrower_id == step.borrower_id,
                MsgAttempt.intent_id == step.intent_id,
                MsgAttempt.step_n == step.n,
            )
            .order_by(MsgAttempt.try_n.desc())
            .limit(1)
        ).one_or_none()


def locked(session: Session, intent_id: UUID, *, now: datetime) -> Plan:
    """Lock an intent and read what lies below it afresh."""
    intent = session.scalars(
        select(MsgIntent)
        .where(MsgIntent.id == intent_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    steps = session.scalars(
        select(MsgStep)
        .where(MsgStep.borrower_id == intent.borrower_id, MsgStep.intent_id == intent_id)
        .order_by(MsgStep.n)
        .execution_options(populate_existing=True)
    ).all()
    return Plan(session, intent, list(steps), now)


def put(plan: Plan, step: MsgStep, state: StepState, *, act_at: datetime | None, timer: bool = False) -> None:
    """Move a step to a state and note when to look at it again; `timer`: to the second, not at the next sweep."""
    step.state, step.act_at, step.changed_at = state.value, act_at, plan.now
    if timer and act_at is not None:
        jobs.set_timer(
            plan.session,
            ADVANCE_TIMER,
            f"{plan.intent.id}/{step.n}",
            act_at,
            ADVANCE,
            {"intent_id": str(plan.intent.id)},
        )
    _sum_up(plan)


def tell(plan: Plan, step: MsgStep, reason: Text) -> None:
    """Store why a step stands as it does and publish it."""
    step.reason = reason
    _publish(plan, _TOLD_AS[StepState(step.state)], step.channel, reason)


def end(plan: Plan, step: MsgStep, state: StepState, reason: str, /, **params: str | int) -> None:
    """End a step with its reason. The steps that a catch-up message stands for end with it."""
    supersede(plan, step)
    put(plan, step, state, act_at=None)
    text = bilingual(reason, **params)
    if state is StepState.NOT_NEEDED:
        step.reason = text
    else:
        tell(plan, step, text)
    if state is StepState.DELIVERED:
        call_off(plan, reasons.ELSEWHERE)
    if plan.intent.template == CATCH_UP and state is not StepState.HELD:
        end_covered(plan, state)


def call_off(plan: Plan, reason: str) -> None:
    """The borrower knows: what has not been sent is not needed any more."""
    for step in plan.steps:
        if StepState(step.state) in UNSENT:
            end(plan, step, StepState.NOT_NEEDED, reason)


def told_by_reading(plan: Plan) -> None:
    """The borrower has read the message after signing in."""
    if plan.intent.outcome == READ:
        return
    call_off(plan, reasons.READ)
    plan.intent.outcome, plan.intent.changed_at = READ, plan.now
    _publish(plan, READ, "inbox", bilingual(reasons.READ))


def without_address(plan: Plan, reason: str) -> None:
    """There is nowhere to send to."""
    _sum_up(plan)
    _publish(plan, plan.intent.outcome, "none", bilingual(reason))


def supersede(plan: Plan, step: MsgStep) -> None:
    """An attempt that was written and never sent is none any more."""
    attempt = plan.newest_attempt(step)
    if attempt is not None and attempt.state == "prepared":
        attempt.superseded_at = attempt.superseded_at or plan.now


def _sum_up(plan: Plan) -> None:
    plan.intent.changed_at = plan.now
    if plan.intent.outcome != READ:
        plan.intent.outcome = outcome_of(StepState(step.state) for step in plan.steps)


def _publish(plan: Plan, outcome: str, channel: str, reason: Text) -> None:
    plan.session.flush()
    publish(
        plan.session,
        IntentOutcome(
            plan.intent.id, plan.intent.borrower_id, plan.intent.idem_key, outcome, channel, reason
        ),
        aggregate_type=AGGREGATE,
        aggregate_id=plan.intent.id,
        borrower_id=plan.intent.borrower_id,
    )


def end_covered(plan: Plan, state: StepState) -> None:
    """End the steps that a catch-up message stands for, as it has ended itself."""
    # Locks go from the catch-up message to what it covers, in order of ids, everywhere.
    covered = plan.session.execute(
        select(MsgStep.intent_id, MsgStep.n)
        .where(MsgStep.borrower_id == plan.intent.borrower_id, MsgStep.covered_by == plan.intent.id)
        .order_by(MsgStep.intent_id)
        .limit(MAX_COVERED)
    ).all()
    arrived = state is StepState.DELIVERED
    for row in covered:
        other = locked(plan.session, row.intent_id, now=plan.now)
        step = other.step(row.n)
        if step.state in {StepState.RELEASED, StepState.FAILED}:
            end(
                other,
                step,
                StepState.DELIVERED if arrived else StepState.FAILED,
                reasons.CAUGHT_UP_BY if arrived else reasons.NOT_CAUGHT_UP,
            )
