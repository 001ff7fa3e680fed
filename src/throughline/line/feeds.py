"""Asking about lines: the question is written first, the consent is read right before the call, then it is asked.

No transaction is open during the call. What comes of it is one of four outcomes; only an answer leaves evidence.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from throughline.kernel.clock import now as business_now
from throughline.kernel.clock import real_now
from throughline.kernel.db import database
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.line import proofs, service
from throughline.line.feed import authorizations, health, number_checks, raw, swaps
from throughline.line.feed.directory import directory, purpose_of
from throughline.line.feed.health import stale_carriers
from throughline.line.models import Line, LineQuery
from throughline.line.ports import CarrierFeed, FeedCapabilities, Outcome, StatusAnswer, StatusQuestion
from throughline.line.settings import load_settings
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

__all__ = ["capabilities", "query", "settle_lost", "stale_carriers"]

log = get_logger(__name__)

BUDGET_WINDOW = timedelta(days=30)
PREPARED_S = 15  # with total_s of 40 at most, the last repeat leaves within 60 s of a withdrawal
LOST_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Prepared:
    feed: CarrierFeed
    query_id: UUID
    carrier: str
    contact_point_id: UUID
    purpose: Purpose
    question: StatusQuestion


def capabilities(carrier: str | None = None) -> dict[str, FeedCapabilities]:
    """The sources that can be asked about lines of a carrier, by name; None: all of this installation."""
    return directory().capabilities(carrier)


def query(borrower_id: UUID, line_id: UUID, reason: str, source: str | None = None) -> None:
    """Ask one source about one line; None: the best source of its carrier. Nothing is asked without consent or budget."""
    begun = time.monotonic()
    prepared = database().run(lambda session: _prepare(session, borrower_id, line_id, reason, source))
    if prepared is None:
        return
    if time.monotonic() - begun > PREPARED_S:
        # The process slept or the commit took long: whether the consent still stands is not known any more.
        answer = StatusAnswer(Outcome.UNKNOWN, code="too late to ask")
    else:
        answer = prepared.feed.status(prepared.question, load_settings().total_s)
    database().run(lambda session: _record(session, borrower_id, line_id, prepared, answer))


def _prepare(
    session: Session, borrower_id: UUID, line_id: UUID, reason: str, source: str | None
) -> _Prepared | None:
    now = business_now()
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    if line is None:
        return None
    config = load_settings()
    feed = directory().feed(line.carrier, source)
    if feed is None:
        log.info("nobody can be asked about this line", line_id=str(line_id), source=source)
        return None
    purpose = purpose_of(feed.name)
    consent_id = parties.open_consent(session, borrower_id, purpose)
    if consent_id is None:
        return None
    if _used_up(session, line_id, feed, config.queries_per_30_days, now=now):
        return None
    row = LineQuery(
        borrower_id=borrower_id,
        id=new_id(),
        line_id=line_id,
        source=feed.name,
        provider=feed.provider,
        purpose=purpose,
        consent_id=consent_id,
        reason=reason,
        asked_at=now,
        cost_minor=0,
    )
    first = _never_answered(session, line_id, feed, purpose)
    session.add(row)
    point = parties.contact_point(session, line.contact_point_id)
    question = StatusQuestion(
        number=parties.contact_value(session, line.contact_point_id, purpose, now=now, reader="line"),
        asked_at=now,
        purpose=purpose,
        correlator=str(uuid4()),  # CAMARA: a UUID of version 4
        refresh_token=authorizations.refresh_token(session, line_id, line.carrier, purpose),
        # Until he proves it otherwise, the day on which the number was given to us and shown to be his.
        proven_on=(point.verified_at or point.added_at).date(),
        first=first,
    )
    return _Prepared(feed, row.id, line.carrier, line.contact_point_id, purpose, question)


def _used_up(session: Session, line_id: UUID, feed: CarrierFeed, most: int, *, now: datetime) -> bool:
    """Whether the budget of the line is used up, or this provider asked us to leave it in peace for now."""
    asked = session.execute(
        select(func.count()).where(LineQuery.line_id == line_id, LineQuery.asked_at > now - BUDGET_WINDOW)
    ).scalar_one()
    if asked >= most:
        log.info("query budget is used up", line_id=str(line_id))
        return True
    held = session.execute(
        select(LineQuery.id)
        .where(
            LineQuery.line_id == line_id,
            LineQuery.provider == feed.provider,
            LineQuery.asked_at > now - BUDGET_WINDOW,
            LineQuery.not_before > now,
        )
        .limit(1)
    ).first()
    if held is not None:
        log.info("the provider wants no question about this line yet", line_id=str(line_id))
    return held is not None


def _never_answered(session: Session, line_id: UUID, feed: CarrierFeed, purpose: Purpose) -> bool:
    found = session.execute(
        select(LineQuery.id)
        .where(
            LineQuery.line_id == line_id,
            LineQuery.provider == feed.provider,
            LineQuery.purpose == purpose,
            LineQuery.outcome == Outcome.ANSWERED,
        )
        .limit(1)
    )
    return found.first() is None


def _record(
    session: Session, borrower_id: UUID, line_id: UUID, prepared: _Prepared, answer: StatusAnswer
) -> None:
    now = business_now()
    row = session.get_one(LineQuery, (borrower_id, prepared.query_id), with_for_update=True)
    row.outcome, row.answered_at = answer.outcome, now
    row.code = answer.code[:60] if answer.code else None
    row.cost_minor = answer.cost_minor
    if answer.not_before_s is not None:
        row.not_before = now + timedelta(seconds=min(answer.not_before_s, 86_400.0))
    name, provider = health.answers(prepared.feed.provider), prepared.feed.provider
    if prepared.question.refresh_token is not None:
        authorizations.changed(
            session,
            line_id,
            prepared.carrier,
            prepared.purpose,
            answer.refresh_token,
            failed=answer.code == "no token",
            now=now,
        )
    if answer.outcome is Outcome.ANSWERED:
        health.heard(session, name, provider, now=real_now())
    elif answer.outcome is Outcome.UNKNOWN:
        health.not_heard(session, name, provider, now=real_now())
    # A consent that ended during the call: the answer is not used and not kept, only that it was asked.
    if parties.open_consent(session, borrower_id, prepared.purpose) != row.consent_id:
        log.info("an answer came after its consent had ended", line_id=str(line_id))
        return
    if answer.raw is not None:
        raw.keep(
            session,
            borrower_id,
            line_id,
            answer.raw,
            days=load_settings().raw_days,
            now=now,
            query_id=row.id,
        )
    for swap in answer.swaps:
        swaps.note(session, borrower_id, line_id, swap, prepared.feed.name, now=now)
    # Only what was asked for service continuity is evidence about the line.
    if answer.signals and prepared.purpose is Purpose.CONTINUITY:
        verified_at = parties.contact_point(session, prepared.contact_point_id).verified_at
        signals = proofs.still_new(answer.signals, prepared.question.proven_on, verified_at)
        service.ingest(session, line_id, signals, now=now)


def settle_lost(session: Session, *, now: datetime) -> int:
    """Questions whose process died before the answer was written end unknown; returns how many."""
    gone = session.execute(
        update(LineQuery)
        .where(LineQuery.outcome.is_(None), LineQuery.asked_at < now - LOST_AFTER)
        .values(outcome=Outcome.UNKNOWN, code="lost")
        .returning(LineQuery.id)
    )
    return len(gone.all()) + number_checks.settle_lost(session, before=now - LOST_AFTER, now=now)
