"""The life of one attempt: written, claimed, answered, asked about. Every verb locks the intent first."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel import jobs
from throughline.kernel.i18n import bilingual
from throughline.kernel.logging import get_logger
from throughline.messaging import flow, reasons, registry, schedule, signals
from throughline.messaging.begin import prepare, start_next, stopped
from throughline.messaging.flow import Plan
from throughline.messaging.lattice import AttemptState, risen
from throughline.messaging.models import MsgAttempt, MsgStep
from throughline.messaging.outbound import address, outbound
from throughline.messaging.plan import Channel
from throughline.messaging.ports import AGAIN, Finding, Outbound, Question, SubmitResult, Verdict
from throughline.messaging.steps import IN_FLIGHT, StepState
from throughline.messaging.templates import template
from throughline.parties import service as parties

log = get_logger(__name__)

ASK = "messaging.ask"
QUEUE = "messages"
# After these another route may do better at once; the first two of a step change it, then the usual waits begin.
ELSEWHERE = frozenset({Verdict.NOT_SENT, Verdict.REJECTED_RETRY})
MOST_CHANGES = 2
BOUNCE = "email.bounce"


# The route for a message of a class, avoiding one; None when no route has room.
Choose = Callable[[str, str | None], str | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt that this process may send, once. `fence` proves that the claim is the newest."""

    attempt_id: UUID
    route: str
    fence: int
    message: Outbound


def claim(session: Session, attempt_id: UUID, choose: Choose, *, now: datetime) -> Claim | None:
    """Commit "submitted" with the chosen route before the first byte; None when there is nothing to send (any more),
    or no route has room.

    Whether the address may be written to is asked again here, in the transaction of the send.
    """
    plan, attempt = _locked(session, attempt_id, now)
    step = plan.step(attempt.step_n)
    if attempt.state != AttemptState.PREPARED or attempt.superseded_at is not None or now < attempt.due_at:
        return None
    if plan.intent.not_before is not None and now < plan.intent.not_before:
        return None
    if plan.late:
        flow.end(plan, step, StepState.EXPIRED, reasons.TOO_LATE)
        start_next(plan)
        return None
    if stopped(plan, step):
        start_next(plan)
        return None
    route = choose(plan.intent.klass, _failed_on(plan, step, attempt))
    if route is None:
        return None
    message = outbound(plan, step, attempt)
    attempt.route = route
    attempt.state, attempt.submitted_at = AttemptState.SUBMITTED.value, now
    attempt.fence += 1
    attempt.lease_until = now + schedule.LEASE
    attempt.content_class = template(plan.intent.template).outside.content_class
    flow.put(plan, step, StepState.SENDING, act_at=attempt.lease_until)
    return Claim(attempt_id, route, attempt.fence, message)


def _failed_on(plan: Plan, step: MsgStep, attempt: MsgAttempt) -> str | None:
    """The route on which the try before ended badly: another one is better now, if there is one."""
    if attempt.try_n == 1:
        return None
    return plan.session.scalars(
        select(MsgAttempt.route).where(
            MsgAttempt.borrower_id == step.borrower_id,
            MsgAttempt.intent_id == step.intent_id,
            MsgAttempt.step_n == step.n,
            MsgAttempt.try_n == attempt.try_n - 1,
            MsgAttempt.submitted_at.is_not(None),
        )
    ).one_or_none()


def record(session: Session, attempt_id: UUID, fence: int, result: SubmitResult, *, now: datetime) -> None:
    """Take in what the provider answered. An outdated claim is believed only when it says "accepted"."""
    plan, attempt = _locked(session, attempt_id, now)
    if attempt.fence != fence and result.verdict is not Verdict.ACCEPTED:
        log.warning("answer to an outdated claim", attempt_id=str(attempt_id), verdict=result.verdict.value)
        return
    attempt.verdict, attempt.code = result.verdict.value, result.code or None
    attempt.provider_ref = result.provider_ref or attempt.provider_ref
    attempt.lease_until = None
    if result.dead:
        signals.told(session, attempt, BOUNCE, attempt.route, result.code, at=now)
    if result.verdict is Verdict.ACCEPTED:
        hear(plan, attempt, AttemptState.ACCEPTED)
    elif result.verdict is Verdict.UNKNOWN:
        hear(plan, attempt, AttemptState.UNKNOWN)
    elif result.verdict in AGAIN:
        _try_again(plan, attempt, result)
    else:
        hear(plan, attempt, AttemptState.FAILED, reasons.REFUSED, code=result.code)


def hear(
    plan: Plan,
    attempt: MsgAttempt,
    state: AttemptState,
    reason: str = reasons.NOT_DELIVERED,
    /,
    **params: str | int,
) -> bool:
    """Raise an attempt to what was heard of it, and its step with it; False if that was known or is outranked."""
    before = AttemptState(attempt.state)
    after = risen(before, state)
    if after is before:
        return False
    attempt.state = after.value
    step = plan.step(attempt.step_n)
    if after in {AttemptState.DELIVERED, AttemptState.FAILED, AttemptState.EXPIRED}:
        attempt.final_at, attempt.lease_until = plan.now, None
    if after is AttemptState.DELIVERED:
        flow.end(plan, step, StepState.DELIVERED, reasons.DELIVERED)
    elif attempt.superseded_at is None and StepState(step.state) in IN_FLIGHT:
        if after is AttemptState.ACCEPTED:
            _accepted(plan, step, attempt)
        elif after is AttemptState.UNKNOWN:
            _doubt(plan, step)
        else:
            flow.end(plan, step, StepState.FAILED, reason, **params)
    start_next(plan)
    return True


def lease_is_over(plan: Plan, step: MsgStep) -> None:
    """Whoever was sending is gone: nobody knows how it ended. An answer that still comes is outdated."""
    attempt = plan.newest_attempt(step)
    if attempt is None or attempt.state != AttemptState.SUBMITTED:
        return
    log.warning("send without an end", attempt_id=str(attempt.id), route=attempt.route)
    attempt.fence += 1
    attempt.lease_until = None
    hear(plan, attempt, AttemptState.UNKNOWN)


def doubt_is_due(plan: Plan, step: MsgStep) -> None:
    """The hold is over and no receipt came: ask the provider if it can be asked, else decide by the class."""
    attempt = plan.newest_attempt(step)
    if attempt is None or attempt.state != AttemptState.UNKNOWN:
        return
    if registry.capabilities(attempt.route).query and not plan.late:
        jobs.defer(plan.session, ASK, {"attempt_id": str(attempt.id)}, queue=QUEUE)
        flow.put(plan, step, StepState.UNKNOWN, act_at=plan.now + schedule.ASK_AGAIN, timer=True)
    else:
        _decide(plan, step, attempt)


def _others_wait(plan: Plan) -> bool:
    return any(StepState(other.state) is StepState.PLANNED for other in plan.steps)


def question(session: Session, attempt_id: UUID, *, now: datetime) -> tuple[str, Question] | None:
    """Route and question about an attempt whose end is not known; None when it is known by now."""
    plan, attempt = _locked(session, attempt_id, now)
    if attempt.state != AttemptState.UNKNOWN or attempt.submitted_at is None:
        return None
    try:
        to = address(plan, attempt.contact_point_id)
    except parties.ConsentMissing:
        _decide(plan, plan.step(attempt.step_n), attempt)
        return None
    return attempt.route, Question(attempt.client_ref, attempt.provider_ref, to, attempt.submitted_at)


def answer(session: Session, attempt_id: UUID, finding: Finding | None, *, now: datetime) -> None:
    """Take in what the provider knows. Without an answer the question is asked again until the deadline.

    A provider that answers no question for some minutes is out of service: another way must not wait for it.
    """
    plan, attempt = _locked(session, attempt_id, now)
    if attempt.state != AttemptState.UNKNOWN:
        return
    if finding is None:
        step = plan.step(attempt.step_n)
        waited = plan.now - (attempt.submitted_at or plan.now)
        if attempt.superseded_at is None and _others_wait(plan) and waited >= schedule.PATIENCE:
            flow.put(plan, step, StepState.UNKNOWN, act_at=None)
            start_next(plan)
        return
    attempt.code = finding.code or attempt.code
    attempt.provider_ref = finding.provider_ref or attempt.provider_ref
    if finding.state is None:
        _decide(plan, plan.step(attempt.step_n), attempt)
    else:
        hear(plan, attempt, finding.state, code=finding.code)


def _accepted(plan: Plan, step: MsgStep, attempt: MsgAttempt) -> None:
    until = min(plan.now + plan.policy.receipt_wait, max(plan.intent.deadline, plan.now))
    flow.put(plan, step, StepState.SENT, act_at=until, timer=True)
    if not registry.capabilities(attempt.route).receipts:
        flow.tell(plan, step, bilingual(reasons.ACCEPTED))


def _doubt(plan: Plan, step: MsgStep) -> None:
    # Class `never`: it counts as sent, so the plan waits for a receipt as it does after "accepted".
    again_after = plan.policy.resend_after
    wait = plan.policy.receipt_wait if again_after is None else again_after
    until = min(plan.now + wait, max(plan.intent.deadline, plan.now))
    flow.put(plan, step, StepState.UNKNOWN, act_at=until, timer=True)
    if again_after is None:
        flow.tell(plan, step, bilingual(reasons.NO_ANSWER))


def _decide(plan: Plan, step: MsgStep, attempt: MsgAttempt) -> None:
    """Send a second copy where the class allows it; else the end stays unknown and the plan goes on."""
    if attempt.superseded_at is not None or StepState(step.state) is not StepState.UNKNOWN:
        return
    may_resend = plan.policy.resend_after is not None and _copies(plan, step) < schedule.MAX_COPIES
    if may_resend and not plan.late:
        attempt.superseded_at = plan.now
        plan.session.flush()
        if not stopped(plan, step):
            prepare(plan, step, at=plan.now)
            return
    else:
        flow.put(plan, step, StepState.UNKNOWN, act_at=None)
        if plan.policy.resend_after is not None:
            flow.tell(plan, step, bilingual(reasons.NO_ANSWER))
    start_next(plan)


def _copies(plan: Plan, step: MsgStep) -> int:
    """How many tries of a step may have arrived without anybody telling us."""
    return plan.session.execute(
        select(func.count())
        .select_from(MsgAttempt)
        .where(
            MsgAttempt.borrower_id == step.borrower_id,
            MsgAttempt.intent_id == step.intent_id,
            MsgAttempt.step_n == step.n,
            MsgAttempt.state == AttemptState.UNKNOWN.value,
        )
    ).scalar_one()


def _try_again(plan: Plan, attempt: MsgAttempt, result: SubmitResult) -> None:
    step = plan.step(attempt.step_n)
    throttled = result.verdict is Verdict.THROTTLED
    chance = random.random()  # noqa: S311 - jitter, not a secret
    at = plan.now + schedule.back_off(attempt.try_n, chance, throttled=throttled)
    elsewhere = len(registry.routes_of(Channel(step.channel), plan.intent.klass)) > 1
    if result.verdict in ELSEWHERE and elsewhere and attempt.try_n <= MOST_CHANGES:
        at = plan.now
    others = any(StepState(other.state) is StepState.PLANNED for other in plan.steps)
    most = schedule.MAX_TRIES if others else schedule.MAX_TRIES_OF_LAST
    under_way = attempt.superseded_at is None and StepState(step.state) in IN_FLIGHT
    if not under_way or attempt.try_n >= most or at >= plan.intent.deadline:
        hear(
            plan, attempt, AttemptState.FAILED, reasons.GAVE_UP, code=result.code, tries=attempt.try_n
        )  # fmt: skip
        return
    attempt.state = risen(AttemptState(attempt.state), AttemptState.FAILED).value
    attempt.final_at = plan.now
    plan.session.flush()
    if attempt.state == AttemptState.FAILED:
        prepare(plan, step, at=at)


def _locked(session: Session, attempt_id: UUID, now: datetime) -> tuple[Plan, MsgAttempt]:
    intent_id = session.execute(select(MsgAttempt.intent_id).where(MsgAttempt.id == attempt_id)).scalar_one()
    plan = flow.locked(session, intent_id, now=now)
    attempt = session.scalars(
        select(MsgAttempt).where(MsgAttempt.id == attempt_id).execution_options(populate_existing=True)
    ).one()
    return plan, attempt
