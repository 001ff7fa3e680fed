"""Asking and hearing the carrier: the steps with outside effects, each with its row written first."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.clock import now as business_now
from throughline.kernel.clock import real_now
from throughline.kernel.db import database
from throughline.kernel.errors import Problem, Unauthenticated
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.line import service
from throughline.line.adapters.camara.callbacks import Callback, CallbackMalformed, parse
from throughline.line.adapters.camara.client import EVENT_TYPES, CarrierClient
from throughline.line.models import FeedSubscription, Line, LineQuery, SeenCallback
from throughline.line.settings import load_settings
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

log = get_logger(__name__)

SUBSCRIPTION_LIFE = timedelta(days=30)
RENEW_BEFORE = timedelta(days=5)
BUDGET_WINDOW = timedelta(days=30)


class SinkTokenRefused(Unauthenticated):
    """The callback does not carry the token that we gave to this subscription."""

    code = "sink-token-refused"
    title = N_("The token of this callback is not valid")


class CallbackRefused(Problem):
    """The callback is no event that we can read."""

    status = 400
    code = "callback-malformed"
    title = N_("The callback can't be read")


@lru_cache(maxsize=1)
def client() -> CarrierClient:
    """The carrier's client of this process."""
    return CarrierClient(load_settings())


def query(borrower_id: UUID, line_id: UUID, reason: str) -> None:
    """Ask the carrier about one line: consent and budget checked and the question written first, then asked."""
    prepared = database().run(lambda session: _prepare_query(session, borrower_id, line_id, reason))
    if prepared is None:
        return
    query_id, number = prepared
    answer = client().status(number)

    def record(session: Session) -> None:
        row = session.get_one(LineQuery, (borrower_id, query_id), with_for_update=True)
        row.outcome, row.answered_at = answer.outcome, business_now()
        if answer.signal is not None:
            service.ingest(session, line_id, [answer.signal], now=business_now())

    database().run(record)


def _prepare_query(
    session: Session, borrower_id: UUID, line_id: UUID, reason: str
) -> tuple[UUID, str] | None:
    now = business_now()
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    if line is None or not parties.has_consent(session, borrower_id, Purpose.CONTINUITY):
        return None
    asked = session.execute(
        select(func.count()).where(LineQuery.line_id == line_id, LineQuery.asked_at > now - BUDGET_WINDOW)
    ).scalar_one()
    config = load_settings()
    line.next_query_at = now + timedelta(hours=config.poll_hours)
    if asked >= config.queries_per_30_days:
        log.info("query budget is used up", line_id=str(line_id))
        return None
    row = LineQuery(
        borrower_id=borrower_id,
        id=new_id(),
        line_id=line_id,
        source="camara.subscription-status",
        purpose=Purpose.CONTINUITY,
        reason=reason,
        asked_at=now,
    )
    session.add(row)
    number = parties.contact_value(session, line.contact_point_id, Purpose.CONTINUITY, now=now, reader="line")
    return row.id, number


def subscribe(borrower_id: UUID, line_id: UUID) -> None:
    """Subscribe a line to the carrier's reachability events: one subscription an event type."""
    for event_type in EVENT_TYPES:
        _subscribe_to(borrower_id, line_id, event_type)


def _subscribe_to(borrower_id: UUID, line_id: UUID, event_type: str) -> None:
    token = secrets.token_urlsafe(32)
    prepared = database().run(
        lambda session: _prepare_subscription(session, borrower_id, line_id, event_type, token)
    )
    if prepared is None:
        return
    row_id, number = prepared
    made = client().subscribe(
        number,
        event_type,
        sink=load_settings().sink,
        sink_token=token,
        expires_at=real_now() + SUBSCRIPTION_LIFE,
    )
    if made is None:
        # The row says "wanted" and the job comes again; the carrier may hold a subscription that we do not
        # know: its events carry a token that is not stored any more and are refused.
        raise ConnectionError("the carrier did not take a subscription")
    remote_id, expires_at = made

    def record(session: Session) -> None:
        row = session.get_one(FeedSubscription, (borrower_id, row_id), with_for_update=True)
        row.remote_id, row.state = remote_id, "active"
        row.expires_at = expires_at or real_now() + SUBSCRIPTION_LIFE

    database().run(record)


def _prepare_subscription(
    session: Session, borrower_id: UUID, line_id: UUID, event_type: str, token: str
) -> tuple[UUID, str] | None:
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    if line is None or not parties.has_consent(session, borrower_id, Purpose.CONTINUITY):
        return None
    row = session.scalars(
        select(FeedSubscription).where(
            FeedSubscription.line_id == line_id, FeedSubscription.event_type == event_type
        )
    ).one_or_none()
    if (
        row is not None
        and row.state == "active"
        and row.expires_at
        and row.expires_at > real_now() + RENEW_BEFORE
    ):
        return None
    if row is None:
        row = FeedSubscription(
            borrower_id=borrower_id, id=new_id(), line_id=line_id, event_type=event_type, state="wanted"
        )
        session.add(row)
    row.sink_token_hash = _hash(token)
    row.remote_id = None
    session.flush()
    number = parties.contact_value(
        session, line.contact_point_id, Purpose.CONTINUITY, now=business_now(), reader="line"
    )
    return row.id, number


def unsubscribe(borrower_id: UUID, line_id: UUID) -> None:
    """End a line's subscriptions at the carrier."""
    with database().transaction() as session:
        remote = [
            row.remote_id
            for row in service.subscriptions(session, line_id)
            if row.remote_id and row.state == "active"
        ]
    for remote_id in remote:
        if not client().unsubscribe(remote_id):
            raise ConnectionError("the carrier did not take the end of a subscription")

        def end(session: Session, remote_id: str = remote_id) -> None:
            row = session.scalars(
                select(FeedSubscription).where(FeedSubscription.remote_id == remote_id).with_for_update()
            ).one()
            row.state = "ended"

        database().run(end)
    del borrower_id


def hear(session: Session, body: bytes, authorization: str | None, *, now: datetime) -> bool:
    """Take in one callback; False for a repeat. Raises SinkTokenRefused, CallbackRefused.

    A reachability event must carry the token of its subscription; the push extension that of any living
    subscription of the number's line.
    """
    try:
        callback = parse(body)
    except CallbackMalformed as error:
        log.warning("malformed callback", problem=str(error))
        raise CallbackRefused from error
    rows = _subscriptions_of(session, callback)
    given = _hash((authorization or "").removeprefix("Bearer ").strip())
    mine = [row for row in rows if hmac.compare_digest(row.sink_token_hash, given)]
    if not mine:
        raise SinkTokenRefused
    fresh = session.execute(
        insert(SeenCallback)
        .values(source=callback.source, event_id=callback.event_id, received_at=now)
        .on_conflict_do_nothing()
        .returning(SeenCallback.event_id)
    ).first()
    if fresh is None:
        return False
    row = mine[0]
    row.last_event_at = now
    if callback.ended is not None:
        row.state = "ended"
        log.warning("a carrier ended a subscription", why=callback.ended)
    if callback.signal is not None:
        service.ingest(session, row.line_id, [callback.signal], now=now)
    return True


def _subscriptions_of(session: Session, callback: Callback) -> list[FeedSubscription]:
    if callback.subscription_id is not None:
        query = select(FeedSubscription).where(FeedSubscription.remote_id == callback.subscription_id)
        return list(session.scalars(query.limit(1)))
    if callback.number is None:
        return []
    line = service.find_by_number(session, callback.number)
    return service.subscriptions(session, line.id) if line else []


def due_lines(session: Session, *, now: datetime, limit: int = 500) -> list[tuple[UUID, UUID]]:
    """Lines whose planned question is due, with what names them."""
    rows = session.execute(
        select(Line.borrower_id, Line.id)
        .where(Line.next_query_at <= now)
        .order_by(Line.next_query_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [(row.borrower_id, row.id) for row in rows]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
