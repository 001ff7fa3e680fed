"""The life of one attempt: prepared, sent, reported on, asked about. Every verb locks the order first."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel import jobs
from throughline.kernel.clock import real_now
from throughline.kernel.crypto import pepper
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import load
from throughline.payments import accounts, booking, schedule
from throughline.payments.models import PaymentAttempt, PaymentOrder, PaymentStep
from throughline.payments.ports import Instruction, Rail, Report
from throughline.payments.references import out_ref
from throughline.payments.settings import PaymentSettings
from throughline.payments.states import (
    ASKABLE,
    FINAL,
    Cause,
    Direction,
    Outcome,
    State,
    check_move,
    contradicts,
    moves,
)

log = get_logger(__name__)

SEND = "payments.send"
QUERY = "payments.query"
QUERY_TIMER = "payments.query"
NO_LONGER_WANTED = N_("The order was closed before it was sent")
_NEEDS_ALL_FACTS = frozenset({Outcome.SUCCEEDED, Outcome.TAKEN_BACK})


class InstructionChanged(RuntimeError):
    """What would be sent is not what was stored before the first call: never send, people first."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query that is due. `close_first`: the order was closed or has expired, so end it at the provider first."""

    rail: str
    out_ref: str
    close_first: bool


def prepare(
    session: Session, order: PaymentOrder, rail: Rail, *, expires_at: datetime | None, now: datetime
) -> PaymentAttempt:
    """Store the next attempt of an order with its reference, and the job that will send it."""
    generation = 1 + (
        session.execute(
            select(func.max(PaymentAttempt.generation)).where(
                PaymentAttempt.borrower_id == order.borrower_id, PaymentAttempt.order_id == order.id
            )
        ).scalar_one()
        or 0
    )
    attempt = PaymentAttempt(
        borrower_id=order.borrower_id,
        order_id=order.id,
        generation=generation,
        rail=rail.name,
        merchant=rail.merchant,
        out_ref=out_ref(order.id, generation),
        state=State.CREATED.value,
        prepared_at=now,
        expires_at=expires_at,
        sends=0,
        queries=0,
    )
    attempt.request_hash = fingerprint(_instruction(session, order, attempt), rail.merchant)
    session.add(attempt)
    session.flush()
    order.rail, order.state = rail.name, State.CREATED.value
    jobs.defer(session, SEND, {"attempt_id": str(attempt.id)})
    return attempt


def begin_send(session: Session, attempt_id: UUID, *, now: datetime) -> tuple[str, Instruction] | None:
    """Commit "sent" before the socket is written to; rail and instruction, or None when nothing is to be sent.

    An attempt that is `sent` and has no answer means that an earlier run died between this commit and
    its result: the end is unknown, and a query settles it.
    """
    order, attempt = _locked(session, attempt_id)
    state = State(attempt.state)
    if state is State.CREATED and order.close_requested_at is not None:
        unsent = Report(Outcome.FAILED, reason=NO_LONGER_WANTED)
        _step(session, order, attempt, State.FAILED, Cause.JOB, unsent, now=now)
    elif state is State.CREATED:
        instruction = _checked_instruction(session, order, attempt)
        _step(session, order, attempt, State.SENT, Cause.JOB, None, now=now)
        attempt.sent_at, attempt.sends = now, 1
        # Should this process die, the sweep finds the attempt by this time.
        attempt.next_query_at = now + schedule.SENT_IS_LOST_AFTER
        return attempt.rail, instruction
    elif state is State.SENT and attempt.answered_at is None:
        _step(session, order, attempt, State.UNKNOWN, Cause.JOB, None, now=now)
        ask_now(session, attempt)
    return None


def record(session: Session, attempt_id: UUID, report: Report, cause: Cause, *, now: datetime) -> None:
    """Take in what the rail said, by answer, query or statement; books and publishes when that settles it.

    A report whose amount, currency or merchant is not ours never books: it leaves the end unknown.
    """
    order, attempt = _locked(session, attempt_id)
    _take_in(session, order, attempt, report, cause, now)


def begin_query(session: Session, attempt_id: UUID, nr: int | None, *, now: datetime) -> Question | None:
    """Whether a query is due now. `nr` is the query count when it was planned: an outdated plan does nothing.

    None as `nr` asks in any case, also about a settled attempt: a notification may tell of money taken back.
    """
    attempt = session.execute(select(PaymentAttempt).where(PaymentAttempt.id == attempt_id)).scalar_one()
    state = State(attempt.state)
    if nr is not None and (attempt.queries != nr or state not in ASKABLE):
        return None
    if state is State.CREATED:
        return None
    order = session.get_one(PaymentOrder, (attempt.borrower_id, attempt.order_id))
    expired = attempt.expires_at is not None and now > attempt.expires_at
    close_first = (
        Direction(order.direction) is Direction.IN
        and state in ASKABLE
        and (order.close_requested_at is not None or expired)
    )
    return Question(attempt.rail, attempt.out_ref, close_first)


def record_query(
    session: Session, attempt_id: UUID, report: Report, rail: Rail, *, now: datetime
) -> Instruction | None:
    """Take in the answer to a query and plan the next one. An instruction means: send the same once more.

    That is so when the provider has not found it for longer than its lag, or when it waits for the payer and we
    never got the address of its QR code; only on rails that treat a repeat as one order.
    """
    order, attempt = _locked(session, attempt_id)
    _take_in(session, order, attempt, report, Cause.QUERY, now)
    attempt.queries += 1
    state = State(attempt.state)
    if state not in ASKABLE:
        attempt.next_query_at = None
        jobs.cancel_timer(session, QUERY_TIMER, str(attempt.id))
        return None
    _plan_query(session, attempt, now)
    one_order = rail.capabilities().same_ref_idempotent
    sent_at = attempt.sent_at or attempt.prepared_at
    lost = report.outcome is Outcome.NOT_FOUND and schedule.may_send_again(
        state,
        sent_at=sent_at,
        sends=attempt.sends,
        one_order=one_order,
        lag_s=load(PaymentSettings).not_found_lag_s,
        now=now,
    )
    no_code = (
        state is State.PENDING_USER
        and attempt.code_url is None
        and one_order
        and attempt.sends < schedule.MAX_SENDS
        and order.close_requested_at is None
    )
    if not (lost or no_code):
        return None
    instruction = _checked_instruction(session, order, attempt)
    attempt.sends += 1
    attempt.sent_at = now
    return instruction


def ask_now(session: Session, attempt: PaymentAttempt) -> None:
    """Defer a query that runs whatever else is planned."""
    jobs.defer(session, QUERY, {"attempt_id": str(attempt.id), "nr": None})


def fingerprint(instruction: Instruction, merchant: str) -> bytes:
    """32 bytes over everything that the provider will be asked to do; keyed, since account numbers are few."""
    payee = instruction.payee
    facts = [
        merchant,
        instruction.out_ref,
        instruction.amount_minor,
        instruction.currency,
        instruction.prepared_at.isoformat(),
        instruction.expires_at.isoformat() if instruction.expires_at else None,
        [payee.holder_name, payee.number, payee.bank_code] if payee else None,
    ]
    return pepper("payments.instruction", json.dumps(facts).encode())


def mismatch(order: PaymentOrder, attempt: PaymentAttempt, report: Report) -> str | None:
    """Which of amount, currency and merchant is not ours; "incomplete" when a success does not state them."""
    for name, reported, ours in (
        ("merchant", report.merchant, attempt.merchant),
        ("currency", report.currency, order.currency),
        ("amount", report.amount_minor, order.amount_minor),
    ):
        if reported is None and report.outcome in _NEEDS_ALL_FACTS:
            return "incomplete"
        if reported is not None and reported != ours:
            return name
    return None


def _take_in(
    session: Session,
    order: PaymentOrder,
    attempt: PaymentAttempt,
    report: Report,
    cause: Cause,
    now: datetime,
) -> None:
    state, direction = State(attempt.state), Direction(order.direction)
    if report.outcome is not Outcome.UNKNOWN:
        attempt.answered_at = attempt.answered_at or now
    wrong = mismatch(order, attempt, report)
    if wrong is not None:
        log.error("rail reports another payment", out_ref=attempt.out_ref, differs=wrong, rail=attempt.rail)
        attempt.error_code = f"mismatch-{wrong}"
        to: tuple[State, ...] = (State.UNKNOWN,) if state in {State.SENT, State.PENDING_USER} else ()
    else:
        to = moves(direction, state, report.outcome, cause)
        if report.code_url and attempt.code_url is None:
            attempt.code_url = report.code_url
        if contradicts(state, report.outcome):
            log.error("rail denies what it had confirmed", out_ref=attempt.out_ref, state=state.value)
    for target in to:
        if state is State.FAILED and target is State.SUCCEEDED:
            log.error("late success", out_ref=attempt.out_ref, rail=attempt.rail)
        _step(session, order, attempt, target, cause, report, now=now)
    if cause is Cause.ANSWER and state is State.SENT and State(attempt.state) in ASKABLE:
        _plan_query(session, attempt, now)
    elif cause is Cause.ANSWER and state is State.UNKNOWN:
        ask_now(session, attempt)  # the answer to a repeat proves nothing, but now there is something to find


def _step(
    session: Session,
    order: PaymentOrder,
    attempt: PaymentAttempt,
    new: State,
    cause: Cause,
    report: Report | None,
    *,
    now: datetime,
) -> None:
    old = State(attempt.state)
    check_move(Direction(order.direction), old, new, cause)
    attempt.state = order.state = new.value
    order.changed_at = now
    if report is not None:
        attempt.provider_ref = report.provider_ref or attempt.provider_ref
        attempt.provider_state = report.provider_state or attempt.provider_state
        attempt.error_code = report.error_code or attempt.error_code
    session.add(
        PaymentStep(
            borrower_id=attempt.borrower_id,
            attempt_id=attempt.id,
            old=old.value,
            new=new.value,
            cause=cause.value,
            provider_state=report.provider_state if report else None,
            error_code=attempt.error_code,
            at=now,
        )
    )
    if new in FINAL:
        _settle(session, order, attempt, report, now)
    session.flush()


def _settle(
    session: Session, order: PaymentOrder, attempt: PaymentAttempt, report: Report | None, now: datetime
) -> None:
    # A provider's clock is not ours: nobody paid before the order was there, or later than now.
    at = now
    if report is not None and report.value_at is not None:
        at = min(max(report.value_at, order.created_at), now)
    order.reason = bilingual(report.reason) if report is not None and report.reason else None
    order.value_at = at
    attempt.next_query_at = None
    booking.book_result(session, order, attempt, at=at, now=now)


def _plan_query(session: Session, attempt: PaymentAttempt, now: datetime) -> None:
    wait = schedule.next_query_in(attempt.queries, random.random())  # noqa: S311 - jitter, not a secret
    attempt.next_query_at = now + wait
    args = {"attempt_id": str(attempt.id), "nr": attempt.queries}
    if wait <= timedelta(minutes=10):
        jobs.defer(session, QUERY, args, at=real_now() + wait)
    else:
        jobs.set_timer(session, QUERY_TIMER, str(attempt.id), now + wait, QUERY, args)


def _locked(session: Session, attempt_id: UUID) -> tuple[PaymentOrder, PaymentAttempt]:
    # The order's row is the lock of everything below it; what was read before the lock is read afresh.
    key = session.execute(
        select(PaymentAttempt.borrower_id, PaymentAttempt.order_id).where(PaymentAttempt.id == attempt_id)
    ).one()
    order = session.execute(
        select(PaymentOrder)
        .where(PaymentOrder.borrower_id == key.borrower_id, PaymentOrder.id == key.order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
    attempt = session.execute(
        select(PaymentAttempt)
        .where(PaymentAttempt.borrower_id == key.borrower_id, PaymentAttempt.id == attempt_id)
        .execution_options(populate_existing=True)
    ).scalar_one()
    return order, attempt


def _instruction(session: Session, order: PaymentOrder, attempt: PaymentAttempt) -> Instruction:
    payee = None
    if order.payee_account_id is not None:
        payee = accounts.payee(session, order.borrower_id, order.payee_account_id)
    return Instruction(
        attempt.out_ref,
        order.amount_minor,
        order.currency,
        attempt.prepared_at,
        attempt.expires_at,
        payee,
    )


def _checked_instruction(session: Session, order: PaymentOrder, attempt: PaymentAttempt) -> Instruction:
    instruction = _instruction(session, order, attempt)
    if fingerprint(instruction, attempt.merchant) != attempt.request_hash:
        raise InstructionChanged(attempt.out_ref)
    return instruction
