"""Messages as staff see them: addresses masked, no texts, every step with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_, Text
from throughline.messaging.inbox import was_read
from throughline.messaging.models import MsgAttempt, MsgIntent, MsgReceipt, MsgStep
from throughline.parties import service as parties

MAX_ROWS = 200


class UnknownIntent(NotFound):
    """No message has this id."""

    code = "unknown-intent"
    title = N_("This message is not known here")


@dataclass(frozen=True, slots=True)
class IntentView:
    """A message that was asked for; `state` is what it has come to."""

    id: UUID
    borrower_id: UUID
    purpose: str
    klass: str
    template: str
    template_version: int
    subject: str | None
    state: str
    not_before: datetime | None
    deadline: datetime
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What a provider said of an attempt."""

    provider_ref: str
    delivered: bool
    code: str
    got_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try of a step."""

    id: UUID
    try_n: int
    route: str
    state: str
    verdict: str | None
    code: str | None
    provider_ref: str | None
    content_class: int | None
    prepared_at: datetime
    submitted_at: datetime | None
    final_at: datetime | None
    superseded_at: datetime | None
    receipts: tuple[ReceiptView, ...]


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the plan; `address` is masked, `covered_by` names the catch-up message that stands for it."""

    n: int
    channel: str
    address: str
    state: str
    reason: Text | None
    act_at: datetime | None
    covered_by: UUID | None
    changed_at: datetime
    attempts: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True)
class IntentStory:
    """A message with all its steps; `read`: the borrower has opened it after signing in."""

    intent: IntentView
    read: bool
    steps: tuple[StepView, ...]


def intents(
    session: Session,
    *,
    borrower_id: UUID | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[IntentView]:
    """A page of messages, newest first; of a borrower, of a state, or all."""
    wanted = select(MsgIntent)
    if borrower_id is not None:
        wanted = wanted.where(MsgIntent.borrower_id == borrower_id)
    if state is not None:
        wanted = wanted.where(MsgIntent.outcome == state)
    if after is not None:
        wanted = wanted.where(MsgIntent.id < after)
    return [_intent(row) for row in session.scalars(wanted.order_by(MsgIntent.id.desc()).limit(limit))]


def intent_story(session: Session, intent_id: UUID) -> IntentStory:
    """One message with its steps, attempts and receipts. Raises `UnknownIntent`."""
    intent = session.scalars(select(MsgIntent).where(MsgIntent.id == intent_id)).one_or_none()
    if intent is None:
        raise UnknownIntent
    steps = session.scalars(
        select(MsgStep)
        .where(MsgStep.borrower_id == intent.borrower_id, MsgStep.intent_id == intent_id)
        .order_by(MsgStep.n)
    ).all()
    tries: dict[int, list[AttemptView]] = defaultdict(list)
    for n, attempt in _attempts(session, intent):
        tries[n].append(attempt)
    return IntentStory(
        _intent(intent),
        was_read(session, intent.borrower_id, intent_id),
        tuple(_step(session, step, tries[step.n]) for step in steps),
    )


def _intent(row: MsgIntent) -> IntentView:
    return IntentView(
        row.id, row.borrower_id, row.purpose, row.klass, row.template, row.template_version, row.subject,
        row.outcome, row.not_before, row.deadline, row.created_at, row.changed_at,
    )  # fmt: skip


def _step(session: Session, step: MsgStep, tries: Sequence[AttemptView]) -> StepView:
    try:
        address = parties.contact_point(session, step.contact_point_id).masked
    except parties.UnknownContactPoint:
        address = ""  # the registration was erased
    return StepView(
        step.n, step.channel, address, step.state, step.reason, step.act_at, step.covered_by,
        step.changed_at, tuple(tries),
    )  # fmt: skip


def _attempts(session: Session, intent: MsgIntent) -> list[tuple[int, AttemptView]]:
    rows = session.scalars(
        select(MsgAttempt)
        .where(MsgAttempt.borrower_id == intent.borrower_id, MsgAttempt.intent_id == intent.id)
        .order_by(MsgAttempt.step_n, MsgAttempt.try_n)
        .limit(MAX_ROWS)
    ).all()
    said: dict[UUID, list[ReceiptView]] = defaultdict(list)
    receipts = (
        select(MsgReceipt)
        .where(MsgReceipt.attempt_id.in_([row.id for row in rows]))
        .order_by(MsgReceipt.id)
        .limit(MAX_ROWS)
    )
    for receipt in session.scalars(receipts):
        if receipt.attempt_id is not None:
            said[receipt.attempt_id].append(
                ReceiptView(receipt.provider_ref, receipt.delivered, receipt.code, receipt.got_at)
            )
    return [
        (
            row.step_n,
            AttemptView(
                row.id, row.try_n, row.route, row.state, row.verdict, row.code, row.provider_ref,
                row.content_class, row.prepared_at, row.submitted_at, row.final_at, row.superseded_at,
                tuple(said[row.id]),
            ),
        )
        for row in rows
    ]  # fmt: skip
