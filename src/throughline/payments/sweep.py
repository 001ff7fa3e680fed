"""What must not be forgotten: open ends whose job was lost, waiting payouts, unprocessed messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.jobs import NewJob, defer_many
from throughline.payments import schedule
from throughline.payments.attempts import QUERY, SEND
from throughline.payments.intake import WORK
from throughline.payments.models import PaymentAttempt, PaymentOrder, RailEvent
from throughline.payments.states import ASKABLE, State

BATCH = 500
_JOB_IS_LATE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many jobs were deferred again, and which payouts wait for a rail."""

    jobs: int
    waiting: tuple[UUID, ...]


def sweep(session: Session, *, now: datetime) -> Swept:
    """Defer again what is late by 2 minutes, at most 500 of each kind. Doing it twice does no harm."""
    again: list[NewJob] = []
    late = now - _JOB_IS_LATE
    for attempt_id in _ids(
        session, PaymentAttempt.state == State.CREATED.value, PaymentAttempt.prepared_at < late
    ):
        again.append(NewJob(SEND, {"attempt_id": str(attempt_id)}))
    for attempt_id in _ids(
        session,
        PaymentAttempt.state == State.SENT.value,
        PaymentAttempt.answered_at.is_(None),
        PaymentAttempt.sent_at < now - schedule.SENT_IS_LOST_AFTER,
    ):
        again.append(NewJob(SEND, {"attempt_id": str(attempt_id)}))
    due = session.execute(
        select(PaymentAttempt.id, PaymentAttempt.queries)
        .where(
            PaymentAttempt.state.in_([state.value for state in ASKABLE]),
            PaymentAttempt.next_query_at < late,
        )
        .order_by(PaymentAttempt.next_query_at)
        .limit(BATCH)
    )
    again.extend(NewJob(QUERY, {"attempt_id": str(row.id), "nr": row.queries}) for row in due)
    events = session.scalars(
        select(RailEvent.id)
        .where(RailEvent.processed_at.is_(None), RailEvent.received_at < late)
        .order_by(RailEvent.received_at)
        .limit(BATCH)
    )
    again.extend(NewJob(WORK, {"event_id": str(event_id)}) for event_id in events)
    defer_many(session, again)
    waiting = session.scalars(
        select(PaymentOrder.id)
        .where(PaymentOrder.state == State.WAITING.value)
        .order_by(PaymentOrder.id)
        .limit(BATCH)
    ).all()
    return Swept(len(again), tuple(waiting))


def _ids(session: Session, *conditions: object) -> list[UUID]:
    query = select(PaymentAttempt.id).where(*conditions)  # type: ignore[arg-type]  # column expressions
    return list(session.scalars(query.order_by(PaymentAttempt.id).limit(BATCH)))
