"""Outgoing webhooks: other companies' systems hear of our events.

An event becomes one delivery for each endpoint that wants it, and each delivery is a job with its own
retries: 5 s, growing to 4 h, for a day; then it is dead and staff may send it again. An endpoint that
takes nothing for three days, or answers 410, is switched off and an alarm is raised. Deliveries may
repeat and may overtake one another: receivers go by `id` and `sequence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock, webhook_wire
from throughline.kernel.crypto import LENDER_ID, open_sealed, seal
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.events import OutboxEvent, StoredEvent
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import NewJob, cancel_timer, defer, defer_many, set_timer
from throughline.kernel.settings import settings
from throughline.kernel.webhook_http import Answer
from throughline.kernel.webhook_models import WebhookAlarm, WebhookDelivery, WebhookEndpoint

T = TypeVar("T")

SEND = "kernel.send_webhook"
QUEUE = "webhooks"
MAX_ENDPOINTS = 100
LOST_AFTER = timedelta(minutes=5)  # an attempt that should have been made and was not
KEEP = timedelta(days=90)
GONE = 410


class InvalidWebhook(Invalid):
    """The address or the list of event types of an endpoint is not acceptable."""

    code = "invalid-webhook"
    title = N_("A webhook needs a public https address and 1 to 50 event types")


class UnknownWebhook(NotFound):
    """There is no endpoint or delivery of that id."""

    code = "unknown-webhook"


class TooManyWebhooks(Conflict):
    """The limit of endpoints is reached."""

    code = "too-many-webhooks"
    title = N_("There are as many webhooks as are allowed")


@dataclass(frozen=True, slots=True)
class AddedEndpoint:
    """A new endpoint; its secret is shown this once."""

    id: UUID
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt sends; `number` counts from 1 and fences its result."""

    delivery_id: UUID
    endpoint_id: UUID
    number: int
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def add_endpoint(
    session: Session, url: str, event_types: Sequence[str], description: str, *, now: datetime
) -> AddedEndpoint:
    """Add an endpoint for these types ("line.state_changed.v1", "line.*" or "*"). It is active at once.

    Raises `InvalidWebhook`, `TooManyWebhooks`. Events published before are not sent to it.
    """
    problem = webhook_wire.url_problem(url, demo=settings().demo)
    if problem is not None or not 1 <= len(event_types) <= webhook_wire.MAX_TYPES:
        raise InvalidWebhook
    if not all(webhook_wire.is_pattern(pattern) for pattern in event_types):
        raise InvalidWebhook
    if session.execute(select(func.count()).select_from(WebhookEndpoint)).scalar_one() >= MAX_ENDPOINTS:
        raise TooManyWebhooks
    endpoint_id, secret = new_id(), webhook_wire.new_secret()
    session.add(
        WebhookEndpoint(
            id=endpoint_id,
            url=url,
            description=description,
            event_types=sorted(set(event_types)),
            secret=seal(session, LENDER_ID, _place(endpoint_id), secret),
            active=True,
            created_at=now,
        )
    )
    session.flush()
    return AddedEndpoint(endpoint_id, secret)


def endpoint(session: Session, endpoint_id: UUID) -> WebhookEndpoint:
    """One endpoint. Raises `UnknownWebhook`."""
    return _found(session.get(WebhookEndpoint, endpoint_id))


def endpoints(session: Session, *, after: UUID | None = None, limit: int = 50) -> list[WebhookEndpoint]:
    """Endpoints in order of their making."""
    query = select(WebhookEndpoint).order_by(WebhookEndpoint.id).limit(limit)
    if after is not None:
        query = query.where(WebhookEndpoint.id > after)
    return list(session.scalars(query))


def set_active(session: Session, endpoint_id: UUID, active: bool, *, now: datetime) -> WebhookEndpoint:
    """Switch an endpoint on or off. On: its alarm is cleared and its failures are forgotten.

    While it is off nothing is queued for it, and what waits is cancelled when its turn comes.
    """
    row = _found(session.get(WebhookEndpoint, endpoint_id, with_for_update=True))
    row.active = active
    if active:
        row.failing_since = None
        for alarm in session.scalars(
            select(WebhookAlarm).where(
                WebhookAlarm.endpoint_id == endpoint_id, WebhookAlarm.cleared_at.is_(None)
            )
        ):
            alarm.cleared_at = now
    session.flush()
    return row


def deliveries(
    session: Session,
    endpoint_id: UUID,
    *,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[WebhookDelivery]:
    """Deliveries of an endpoint in order of their making. Raises `UnknownWebhook`."""
    endpoint(session, endpoint_id)
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    if after is not None:
        query = query.where(WebhookDelivery.id > after)
    return list(session.scalars(query.order_by(WebhookDelivery.id).limit(limit)))


def alarms(session: Session, *, after: UUID | None = None, limit: int = 50) -> list[WebhookAlarm]:
    """Alarms in order of their raising; those without `cleared_at` are open."""
    query = select(WebhookAlarm).order_by(WebhookAlarm.id).limit(limit)
    if after is not None:
        query = query.where(WebhookAlarm.id > after)
    return list(session.scalars(query))


def send_again(session: Session, delivery_id: UUID, *, now: datetime) -> WebhookDelivery:
    """Send a delivery again, whatever became of it, for another day of attempts. Raises `UnknownWebhook`."""
    row = _found(session.get(WebhookDelivery, delivery_id, with_for_update=True))
    row.state, row.first_attempt_at, row.finished_at = "pending", None, None
    row.next_attempt_at = now
    session.flush()
    cancel_timer(session, SEND, str(delivery_id))
    defer(session, SEND, {"delivery_id": str(delivery_id)}, queue=QUEUE)
    return row


# --- how a delivery goes ---------------------------------------------------------------------------


def enqueue(session: Session, event: StoredEvent, *, now: datetime) -> int:
    """Make a delivery and its job for each active endpoint that wants the event; returns how many."""
    wanting = [
        row.id
        for row in session.execute(
            select(WebhookEndpoint.id, WebhookEndpoint.event_types).where(WebhookEndpoint.active)
        )
        if webhook_wire.wants(row.event_types, event.type)
    ]
    if not wanting:
        return 0
    made = session.scalars(
        insert(WebhookDelivery)
        .values(
            [
                {
                    "id": new_id(),
                    "endpoint_id": endpoint_id,
                    "event_id": event.id,
                    "event_type": event.type,
                    "state": "pending",
                    "attempts": 0,
                    "next_attempt_at": now,
                    "created_at": now,
                }
                for endpoint_id in wanting
            ]
        )
        .on_conflict_do_nothing()
        .returning(WebhookDelivery.id)
    ).all()
    _defer(session, made)
    return len(made)


def begin(session: Session, delivery_id: UUID, *, now: datetime) -> Attempt | None:
    """Count an attempt and return what it sends; None when there is nothing to send any more."""
    row = session.get(WebhookDelivery, delivery_id, with_for_update=True)
    if row is None or row.state != "pending":
        return None
    target, event = endpoint(session, row.endpoint_id), session.get(OutboxEvent, row.event_id)
    if event is None or not target.active:
        row.state, row.finished_at = "cancelled", now
        return None
    row.attempts += 1
    row.first_attempt_at = row.first_attempt_at or now
    row.last_attempt_at = now
    row.next_attempt_at = now  # if this process dies, the sweep finds it
    body = webhook_wire.body_of(_stored(event), str(settings().base_url))
    secret = open_sealed(session, LENDER_ID, _place(target.id), target.secret)
    return Attempt(
        delivery_id=row.id,
        endpoint_id=target.id,
        number=row.attempts,
        url=target.url,
        headers=webhook_wire.headers(secret, str(event.id), now, body),
        body=body,
    )


def finish(session: Session, attempt: Attempt, answer: Answer, *, now: datetime, draw: float) -> str | None:
    """Record what became of an attempt and plan the next one; returns the delivery's state.

    None when a newer attempt has been made: its result counts. `draw` (0..1) spreads the waits.
    """
    # The endpoint first: all results of one endpoint take their locks in the same order.
    target = session.get(WebhookEndpoint, attempt.endpoint_id, with_for_update=True)
    row = session.get(WebhookDelivery, attempt.delivery_id, with_for_update=True)
    if target is None or row is None or row.state != "pending" or row.attempts != attempt.number:
        return None
    row.status, row.error = answer.status, answer.error
    if answer.arrived:
        target.failing_since = None
        row.state, row.finished_at = "delivered", now
        return row.state
    target.failing_since = target.failing_since or now
    if answer.status == GONE:
        _switch_off(session, target, bilingual(N_("The receiver says that this address is gone")), now)
    elif now - target.failing_since >= webhook_wire.DISABLE_AFTER:
        _switch_off(session, target, bilingual(N_("Nothing has arrived at this address for three days")), now)
    if not target.active:
        row.state, row.finished_at = "cancelled", now
    elif now - (row.first_attempt_at or now) >= webhook_wire.GIVE_UP_AFTER:
        row.state, row.finished_at = "dead", now
    else:
        asked_s = webhook_wire.retry_after_s(answer.retry_after)
        row.next_attempt_at = now + webhook_wire.next_wait(row.attempts, asked_s, draw)
        # Timers go by business time; the demo's shift must not make a receiver's rest longer.
        due_at = row.next_attempt_at + clock.demo_shift()
        set_timer(session, SEND, str(row.id), due_at, SEND, {"delivery_id": str(row.id)}, queue=QUEUE)
    return row.state


def sweep(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Give a job to deliveries whose attempt was lost on the way; returns how many."""
    lost = session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.state == "pending", WebhookDelivery.next_attempt_at < now - LOST_AFTER)
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in lost:
        row.next_attempt_at = now
    _defer(session, [row.id for row in lost])
    return len(lost)


def forget(session: Session, *, now: datetime) -> None:
    """Drop deliveries that ended more than 90 days ago."""
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.finished_at < now - KEEP))


def _defer(session: Session, delivery_ids: Sequence[UUID]) -> None:
    defer_many(session, [NewJob(SEND, {"delivery_id": str(one)}, queue=QUEUE) for one in delivery_ids])


def _switch_off(session: Session, target: WebhookEndpoint, reason: Text, now: datetime) -> None:
    target.active = False
    session.execute(
        insert(WebhookAlarm)
        .values(id=new_id(), endpoint_id=target.id, reason=reason, raised_at=now)
        .on_conflict_do_nothing()
    )


def _found(row: T | None) -> T:
    if row is None:
        raise UnknownWebhook
    return row


def _place(endpoint_id: UUID) -> str:
    return f"kernel_webhook_endpoint|{endpoint_id}|secret"


def _stored(row: OutboxEvent) -> StoredEvent:
    return StoredEvent(
        row.id,
        row.type,
        row.aggregate_type,
        row.aggregate_id,
        row.seq,
        row.borrower_id,
        row.payload,
        row.recorded_at,
    )
