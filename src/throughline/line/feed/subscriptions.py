"""Subscriptions to carriers' events: made with a token of their own, renewed well before they end, ended with the consent.

A renewal makes the new subscription first and ends the old one after, so that no event falls between them.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.clock import now as business_now
from throughline.kernel.clock import real_now
from throughline.kernel.db import database
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.line.adapters.camara import notices
from throughline.line.adapters.camara.calls import Caller, Subject
from throughline.line.feed.directory import directory
from throughline.line.models import FeedSubscription, Line
from throughline.line.settings import load_settings
from throughline.parties import service as parties

log = get_logger(__name__)

LIFE = timedelta(days=30)
RENEW_BEFORE = timedelta(days=5)
LIVING = ("wanted", "active", "replaced")
# What to do when the carrier ends a subscription: our own wish is no reason to subscribe again.
RESUBSCRIBE = frozenset({"MAX_EVENTS_REACHED", "SUBSCRIPTION_EXPIRED", "ACCESS_TOKEN_EXPIRED"})


@dataclass(frozen=True, slots=True)
class _Wanted:
    row_id: UUID
    caller: Caller
    subject: Subject


def token_hash(token: str) -> bytes:
    """How a sink token is kept."""
    return hashlib.sha256(token.encode()).digest()


def subscribe(borrower_id: UUID, line_id: UUID) -> None:
    """Subscribe a line to the events that its carrier sends, as far as its owner agreed. Safe to repeat."""
    with database().transaction() as session:
        line = session.get(Line, (borrower_id, line_id))
        config = directory().carrier(line.carrier) if line is not None else None
    if config is None:
        return
    failed = False
    for kind in config.notices:
        for event_type in notices.APIS[kind].types:
            failed = not _subscribe_to(borrower_id, line_id, event_type) or failed
    if failed:
        # The rows say "wanted" and the job comes again. The carrier may hold a subscription that we do not
        # know: its events carry a token that is not stored any more and are refused.
        raise ConnectionError("the carrier did not take a subscription")


def _subscribe_to(borrower_id: UUID, line_id: UUID, event_type: str) -> bool:
    token = secrets.token_urlsafe(32)
    wanted = database().run(lambda session: _want(session, borrower_id, line_id, event_type, token))
    if wanted is None:
        return True
    config = load_settings()
    expires_at = real_now() + LIFE
    reply = notices.create(
        wanted.caller,
        wanted.subject,
        event_type,
        sink=config.sink,
        sink_token=token,
        expires_at=expires_at,
        ends_at=time.monotonic() + config.total_s,
    )
    made = reply.value
    if made is None:
        log.warning("a carrier did not take a subscription", outcome=reply.outcome, code=reply.code)
        return False

    def record(session: Session) -> bool:
        line = session.get_one(Line, (borrower_id, line_id), with_for_update=True)
        for row in _of(session, line.id, event_type, "active"):
            row.state = "replaced"
        session.flush()
        row = session.get_one(FeedSubscription, (borrower_id, wanted.row_id), with_for_update=True)
        row.remote_id, row.state = made.remote_id, "active"
        row.expires_at = min(made.expires_at or expires_at, expires_at)
        row.sink_token_expires_at = expires_at
        return True

    database().run(record)
    return _end_those(borrower_id, line_id, ("replaced",))


def _want(session: Session, borrower_id: UUID, line_id: UUID, event_type: str, token: str) -> _Wanted | None:
    """A row for a subscription that is to be made; None where none is needed or allowed."""
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    api = notices.api_of(event_type)
    if line is None or api is None or not parties.has_consent(session, borrower_id, api.purpose):
        return None
    caller = directory().caller(line.carrier)
    if caller is None:
        return None
    soon = real_now() + RENEW_BEFORE
    for active in _of(session, line_id, event_type, "active"):
        ends = [at for at in (active.expires_at, active.sink_token_expires_at) if at is not None]
        if active.carrier == line.carrier and ends and min(ends) > soon:
            return None
    found = _of(session, line_id, event_type, "wanted")
    row = found[0] if found else None
    if row is None:
        row = FeedSubscription(
            borrower_id=borrower_id,
            id=new_id(),
            line_id=line_id,
            event_type=event_type,
            state="wanted",
            made_at=real_now(),
        )
        session.add(row)
    row.carrier = line.carrier
    row.sink_token_hash = token_hash(token)
    session.flush()
    now = business_now()
    number = parties.contact_value(session, line.contact_point_id, api.purpose, now=now, reader="line")
    return _Wanted(row.id, caller, Subject(number, api.purpose, str(uuid4())))


def unsubscribe(borrower_id: UUID, line_id: UUID) -> None:
    """End a line's subscriptions at the carrier, those whose purpose has no consent any more."""
    if not _end_those(borrower_id, line_id, LIVING):
        raise ConnectionError("the carrier did not take the end of a subscription")


def _end_those(borrower_id: UUID, line_id: UUID, states: tuple[str, ...]) -> bool:
    """End subscriptions in these states; False if a carrier did not take the end of one."""
    with database().transaction() as session:
        rows = session.scalars(
            select(FeedSubscription)
            .where(FeedSubscription.line_id == line_id, FeedSubscription.state.in_(states))
            .limit(100)
        ).all()
        doomed = [
            (row.id, row.carrier, row.event_type, row.remote_id)
            for row in rows
            if row.state == "replaced" or not _agreed(session, borrower_id, row.event_type)
        ]
    good = True
    for row_id, carrier, event_type, remote_id in doomed:
        caller = directory().caller(carrier)
        if remote_id is not None and caller is not None:
            api = notices.api_of(event_type)
            assert api is not None  # noqa: S101 - we made it ourselves
            # Ending needs no number: the subscription is named by its id.
            subject = Subject("", api.purpose, str(uuid4()))
            ends_at = time.monotonic() + load_settings().total_s
            if not notices.delete(caller, subject, event_type, remote_id, ends_at=ends_at):
                good = False
                continue

        def end(session: Session, row_id: UUID = row_id) -> None:
            row = session.get_one(FeedSubscription, (borrower_id, row_id), with_for_update=True)
            row.state, row.ended_reason = "ended", row.ended_reason or "ended by us"

        database().run(end)
    return good


def to_renew(session: Session, *, limit: int = 500) -> list[tuple[UUID, UUID]]:
    """Lines with a subscription or a sink token that ends soon, or one that was never made."""
    soon = real_now() + RENEW_BEFORE
    rows = session.execute(
        select(FeedSubscription.borrower_id, FeedSubscription.line_id)
        .where(
            (
                (FeedSubscription.state == "active")
                & ((FeedSubscription.expires_at <= soon) | (FeedSubscription.sink_token_expires_at <= soon))
            )
            | (
                (FeedSubscription.state == "wanted")
                & (FeedSubscription.made_at < real_now() - timedelta(hours=1))
            )
        )
        .distinct()
        .limit(limit)
    )
    return [(row.borrower_id, row.line_id) for row in rows]


def ended(row: FeedSubscription, reason: str) -> bool:
    """A carrier ended a subscription; True where we should subscribe again."""
    again = row.state == "active" and reason in RESUBSCRIBE
    row.state, row.ended_reason = "ended", reason[:60]
    return again


def _of(session: Session, line_id: UUID, event_type: str, state: str) -> list[FeedSubscription]:
    return list(
        session.scalars(
            select(FeedSubscription)
            .where(
                FeedSubscription.line_id == line_id,
                FeedSubscription.event_type == event_type,
                FeedSubscription.state == state,
            )
            .with_for_update()
            .limit(20)
        )
    )


def _agreed(session: Session, borrower_id: UUID, event_type: str) -> bool:
    api = notices.api_of(event_type)
    return api is not None and parties.has_consent(session, borrower_id, api.purpose)


def expired(session: Session, *, now: datetime) -> int:
    """Subscriptions whose time is over end here as well, whatever the carrier said; returns how many."""
    rows = session.scalars(
        select(FeedSubscription)
        .where(FeedSubscription.state == "active", FeedSubscription.expires_at < now)
        .with_for_update(skip_locked=True)
        .limit(1_000)
    ).all()
    for row in rows:
        row.state, row.ended_reason = "ended", "expired unseen"
    return len(rows)
