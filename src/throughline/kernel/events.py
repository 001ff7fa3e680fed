"""The event outbox: what happened is stored with the change and handed to each subscriber.

`publish` writes the event and defers one delivery job for each subscriber, all in the caller's
transaction. Delivery is at least once and in order for each aggregate and subscriber; the record of
what a subscriber has seen is written in the handler's own transaction, so its effects in the database
happen once. A handler that keeps failing holds up only its own aggregate.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from opentelemetry import propagate
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from throughline.kernel import clock
from throughline.kernel.db import Base, Id, Instant, Json, database, plain_array
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import NewJob, defer_many, defer_together, task
from throughline.kernel.telemetry import span
from throughline.kernel.together import Part, Together

DELIVER = "kernel.deliver_event"
DELIVERY_RUNS = 600  # with a back-off of up to 5 min (150 s on average): about 24 hours


class Event(Protocol):
    """An event is a frozen dataclass with a versioned type name and fields of JSON-like types."""

    TYPE: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


class OutboxEvent(Base):
    """One published event. `seq` counts within its aggregate from 1, without holes."""

    __tablename__ = "kernel_event"
    __table_args__ = (
        UniqueConstraint("aggregate_id", "aggregate_type", "seq"),
        Index("ix_kernel_event_recorded_at", "recorded_at"),
    )

    id: Mapped[Id]
    aggregate_type: Mapped[str]
    aggregate_id: Mapped[UUID]
    seq: Mapped[int]
    borrower_id: Mapped[UUID | None]
    type: Mapped[str]
    payload: Mapped[Json]
    trace: Mapped[str | None]
    recorded_at: Mapped[Instant]


class SeenEvent(Base):
    """A subscriber has handled an event; written in the handler's transaction."""

    __tablename__ = "kernel_event_seen"

    subscriber: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as a handler gets it; ids and instants in `payload` are texts."""

    id: UUID
    type: str
    aggregate_type: str
    aggregate_id: UUID
    seq: int
    borrower_id: UUID | None
    payload: dict[str, Any]
    recorded_at: datetime


Handler = Callable[[Session, StoredEvent], None]


@dataclass(frozen=True, slots=True)
class _Subscriber:
    name: str
    types: frozenset[str]
    handler: Handler

    def wants(self, event_type: str) -> bool:
        return event_type in self.types or "*" in self.types


_subscribers: dict[str, _Subscriber] = {}


def subscribe(*types: str, name: str) -> Callable[[Handler], Handler]:
    """Register a handler for event types ("*": all). `name` is stored and must never change or repeat."""

    def register(handler: Handler) -> Handler:
        known = _subscribers.get(name)
        if known is not None and known.handler.__qualname__ != handler.__qualname__:
            raise ValueError(f"two subscribers are named {name!r}")
        _subscribers[name] = _Subscriber(name, frozenset(types), handler)
        return handler

    return register


def publish(
    session: Session, event: Event, *, aggregate_type: str, aggregate_id: UUID, borrower_id: UUID | None
) -> UUID:
    """Store an event and defer its deliveries in the caller's transaction; returns the event's id.

    The caller holds the aggregate's row lock: that is what makes `seq` and the order of jobs equal the
    order of commits. Payloads carry ids, never names, numbers or addresses of people.
    """
    rows = Together()
    event_id = publish_together(rows, AggregateEvent(event, aggregate_type, aggregate_id, borrower_id))
    rows.write(session)
    return event_id


def publish_together(into: Together, one: AggregateEvent) -> UUID:
    """As `publish`, with the rows that are gathered there; returns the event's id."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    event_id = new_id()
    into.put(
        _EVENTS,
        {
            "id": event_id,
            "aggregate_type": one.aggregate_type,
            "aggregate_id": one.aggregate_id,
            "borrower_id": one.borrower_id,
            "type": one.event.TYPE,
            "payload": payload_of(one.event),
            "trace": carrier.get("traceparent"),
            "recorded_at": clock.now(),
        },
    )
    defer_together(into, _deliveries(event_id, one.event.TYPE, one.aggregate_id))
    return event_id


# Each event gets the next number of its aggregate, in the order in which they were published.
_EVENTS = Part(
    "kernel_event",
    """
    INSERT INTO kernel_event (id, aggregate_type, aggregate_id, seq, borrower_id, type, payload, trace, recorded_at)
    SELECT e.id, e.aggregate_type, e.aggregate_id,
      coalesce((SELECT max(k.seq) FROM kernel_event k
                WHERE k.aggregate_id = e.aggregate_id AND k.aggregate_type = e.aggregate_type), 0)
        + row_number() OVER (PARTITION BY e.aggregate_type, e.aggregate_id ORDER BY e.nr),
      e.borrower_id, e.type, e.payload, e.trace, e.recorded_at
    FROM ROWS FROM (jsonb_to_recordset(CAST({rows} AS jsonb)) AS (id uuid, aggregate_type text,
        aggregate_id uuid, borrower_id uuid, type text, payload jsonb, trace text, recorded_at timestamptz))
      WITH ORDINALITY AS e(id, aggregate_type, aggregate_id, borrower_id, type, payload, trace, recorded_at, nr)
    RETURNING 1
    """,
)


@dataclass(frozen=True, slots=True)
class AggregateEvent:
    """An event and the aggregate that it is of, for publishing many at once."""

    event: Event
    aggregate_type: str
    aggregate_id: UUID
    borrower_id: UUID | None


FirstEvent = AggregateEvent  # of an aggregate made in the same transaction, which nobody else can see yet


def publish_first(session: Session, events: Sequence[FirstEvent]) -> None:
    """Store the first events of many new aggregates at once; else as `publish`, for batch work."""
    _publish_after(session, events, {})


def publish_many(session: Session, events: Sequence[AggregateEvent]) -> None:
    """Store events of many aggregates at once, in the order given; else as `publish`, for batch work.

    The caller holds the row locks of all aggregates.
    """
    if not events:
        return
    found = session.execute(_LAST, {"ids": plain_array({one.aggregate_id for one in events})})
    _publish_after(session, events, {(kind, aggregate_id): seq for kind, aggregate_id, seq in found})


def _publish_after(
    session: Session, events: Sequence[AggregateEvent], seqs: dict[tuple[str, UUID], int]
) -> None:
    """Store events; `seqs` holds the last number of each aggregate that has one."""
    rows, jobs = [], []
    recorded_at = clock.now().isoformat()
    for one in events:
        aggregate = (one.aggregate_type, one.aggregate_id)
        seqs[aggregate] = seqs.get(aggregate, 0) + 1
        event_id = new_id()
        rows.append(
            {
                "id": str(event_id),
                "aggregate_type": one.aggregate_type,
                "aggregate_id": str(one.aggregate_id),
                "seq": seqs[aggregate],
                "borrower_id": None if one.borrower_id is None else str(one.borrower_id),
                "type": one.event.TYPE,
                "payload": payload_of(one.event),
                "recorded_at": recorded_at,
            }
        )
        jobs += _deliveries(event_id, one.event.TYPE, one.aggregate_id)
    if rows:
        # One statement for all: row by row, a night would send as many statements as events.
        session.execute(_STORE, {"rows": json.dumps(rows, ensure_ascii=False)})
        defer_many(session, jobs)


_LAST = text(
    """
    SELECT e.aggregate_type, e.aggregate_id, max(e.seq) FROM kernel_event e
    WHERE e.aggregate_id = ANY (CAST(:ids AS uuid[])) GROUP BY e.aggregate_type, e.aggregate_id
    """
)
_STORE = text(
    """
    INSERT INTO kernel_event (id, aggregate_type, aggregate_id, seq, borrower_id, type, payload, trace, recorded_at)
    SELECT r.id, r.aggregate_type, r.aggregate_id, r.seq, r.borrower_id, r.type, r.payload, NULL, r.recorded_at
    FROM ROWS FROM (jsonb_to_recordset(CAST(:rows AS jsonb)) AS (id uuid, aggregate_type text, aggregate_id uuid, seq int,
      borrower_id uuid, type text, payload jsonb, recorded_at timestamptz)) WITH ORDINALITY
      AS r(id, aggregate_type, aggregate_id, seq, borrower_id, type, payload, recorded_at, place)
    ORDER BY r.place
    """
)


def _deliveries(event_id: UUID, event_type: str, aggregate_id: UUID) -> list[NewJob]:
    return [
        NewJob(
            DELIVER,
            {"event_id": str(event_id), "subscriber": subscriber.name},
            queue="outbox",
            lock=f"{aggregate_id}/{subscriber.name}",
        )
        for subscriber in _subscribers.values()
        if subscriber.wants(event_type)
    ]


def payload_of(event: Event) -> dict[str, Any]:
    """The JSON form of an event's fields. TypeError for a type that has none (a float among them)."""
    return {field.name: _json(getattr(event, field.name)) for field in dataclasses.fields(event)}


def _json(value: Any) -> Any:
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} does not travel in events")


@task(DELIVER, queue="outbox", max_attempts=DELIVERY_RUNS)
def deliver_event(*, event_id: str, subscriber: str) -> None:
    """Hand one event to one subscriber, once: the record of it and the handler's work commit together."""
    database().run(lambda session: deliver(session, UUID(event_id), subscriber))


def deliver(session: Session, event_id: UUID, subscriber: str) -> bool:
    """Run the handler in the caller's transaction; False if this subscriber has seen the event already."""
    fresh = session.execute(
        insert(SeenEvent)
        .values(subscriber=subscriber, event_id=event_id)
        .on_conflict_do_nothing()
        .returning(SeenEvent.event_id)
    ).first()
    if fresh is None:
        return False
    row = session.get_one(OutboxEvent, event_id)
    stored = StoredEvent(
        row.id,
        row.type,
        row.aggregate_type,
        row.aggregate_id,
        row.seq,
        row.borrower_id,
        row.payload,
        row.recorded_at,
    )
    # The trace goes on where the event was published, across processes and restarts.
    parent = {"traceparent": row.trace} if row.trace else None
    with span(f"event {row.type}", parent=parent) as current:
        current.set_attribute("throughline.subscriber", subscriber)
        _subscribers[subscriber].handler(session, stored)
    return True
