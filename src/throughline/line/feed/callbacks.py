"""Taking in a carrier's CloudEvents: whose they are, whether they are new, what they say."""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.clock import real_now
from throughline.kernel.errors import Problem, Unauthenticated
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.kernel.jobs import defer
from throughline.kernel.logging import get_logger
from throughline.line import service
from throughline.line.adapters.camara.callbacks import Callback, CallbackMalformed, parse
from throughline.line.events import DataRunningOut
from throughline.line.feed import health, raw, subscriptions, swaps
from throughline.line.models import FeedSubscription, Line, SeenCallback
from throughline.line.settings import load_settings
from throughline.line.signals import Signal
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

log = get_logger(__name__)

KEEP_SEEN = timedelta(days=40)  # longer than a subscription lives
CLOCKS_DIFFER = timedelta(minutes=5)


class SinkTokenRefused(Unauthenticated):
    """The callback does not carry the token that we gave to this subscription."""

    code = "sink-token-refused"
    title = N_("The token of this callback is not valid")


class CallbackRefused(Problem):
    """The callback is no event that we can read."""

    status = 400
    code = "callback-malformed"
    title = N_("The callback can't be read")


def hear(session: Session, body: bytes, authorization: str | None, *, now: datetime) -> bool:
    """Take in one callback; False for a repeat. Raises SinkTokenRefused, CallbackRefused.

    An event must carry the token of its subscription; the push extension that of any living subscription of the
    number's line. Evidence is put in its place by the event's own time, so that late and disordered ones do no harm.
    """
    try:
        callback = parse(body)
    except CallbackMalformed as error:
        log.warning("malformed callback", problem=str(error))
        raise CallbackRefused from error
    row = _proven(session, callback, authorization)
    fresh = session.execute(
        insert(SeenCallback)
        # By carrier: one must not be able to use up the ids of another.
        .values(source=f"{row.carrier}|{callback.source}", event_id=callback.event_id, received_at=now)
        .on_conflict_do_nothing()
        .returning(SeenCallback.event_id)
    ).first()
    if fresh is None:
        return False
    row.last_event_at = real_now()
    health.heard(session, health.notices(row.carrier), row.carrier, now=real_now())
    if callback.ended is not None:
        _ended(session, row, callback.ended)
    elif callback.at > now + CLOCKS_DIFFER:
        log.warning("a callback of the future is no evidence", kind=callback.kind)
    else:
        _use(session, row, callback, now=now)
    return True


def _proven(session: Session, callback: Callback, authorization: str | None) -> FeedSubscription:
    """The subscription whose token the callback carries."""
    scheme, _, token = (authorization or "").partition(" ")
    given = subscriptions.token_hash(token.strip() if scheme.lower() == "bearer" else "")
    mine = None
    for row in _subscriptions_of(session, callback, given):
        # All are compared, so that the time tells nothing.
        if hmac.compare_digest(row.sink_token_hash, given):
            mine = row
    if mine is None:
        raise SinkTokenRefused
    return mine


def _subscriptions_of(session: Session, callback: Callback, given: bytes) -> list[FeedSubscription]:
    if callback.kind == "status-changed" and callback.number is not None:
        line = service.find_by_number(session, callback.number)
        if line is None:
            return []
        wanted = select(FeedSubscription).where(
            FeedSubscription.line_id == line.id, FeedSubscription.state.in_(("active", "replaced", "wanted"))
        )
        return list(session.scalars(wanted.order_by(FeedSubscription.id).limit(50)))
    found = select(FeedSubscription).where(FeedSubscription.remote_id == callback.subscription_id)
    rows = list(session.scalars(found.order_by(FeedSubscription.id).limit(20)))
    if rows:
        return rows
    # The first event may be faster than the answer that names the subscription.
    new = select(FeedSubscription).where(
        FeedSubscription.state == "wanted", FeedSubscription.sink_token_hash == given
    )
    return list(session.scalars(new.limit(1)))


def _ended(session: Session, row: FeedSubscription, reason: str) -> None:
    log.warning("a carrier ended a subscription", carrier=row.carrier, why=reason)
    if subscriptions.ended(row, reason):
        ids = {"borrower_id": str(row.borrower_id), "line_id": str(row.line_id)}
        defer(session, "line.subscribe", ids)


def _use(session: Session, row: FeedSubscription, callback: Callback, *, now: datetime) -> None:
    line = session.get(Line, (row.borrower_id, row.line_id))
    if line is None:
        return
    if callback.swap is not None:
        if parties.has_consent(session, row.borrower_id, Purpose.IDENTITY):
            swaps.note(session, row.borrower_id, row.line_id, callback.swap, "camara.sim-swap", now=now)
        return
    if not parties.has_consent(session, row.borrower_id, Purpose.CONTINUITY):
        return
    if callback.signal is not None:
        said = callback.signal
        signal = Signal(said.observed_at, said.source, row.carrier, said.code, said.attributes)
        raw.keep(
            session,
            row.borrower_id,
            row.line_id,
            json.dumps({"kind": callback.kind, "time": callback.at.isoformat(), **signal.attributes}),
            days=load_settings().raw_days,
            now=now,
        )
        service.ingest(session, row.line_id, [signal], now=now)
    if callback.running_out:
        publish(
            session,
            DataRunningOut(
                line.id,
                line.borrower_id,
                line.contact_point_id,
                callback.kind == "data-exceeded",
                callback.at,
            ),
            aggregate_type="line",
            aggregate_id=line.id,
            borrower_id=line.borrower_id,
        )


def forget_seen(session: Session, *, now: datetime) -> int:
    """Forget ids of events that no subscription can repeat any more; returns how many went."""
    keys = (
        select(SeenCallback.source, SeenCallback.event_id)
        .where(SeenCallback.received_at < now - KEEP_SEEN)
        .limit(5_000)
    ).subquery()
    gone = session.execute(
        delete(SeenCallback)
        .where(SeenCallback.source == keys.c.source, SeenCallback.event_id == keys.c.event_id)
        .returning(SeenCallback.event_id)
    )
    return len(gone.all())
