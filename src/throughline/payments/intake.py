"""Messages that a provider pushes or keeps for us: stored once, acknowledged, then worked off by a job.

A notification is a hint: it makes us ask. Only a booked line of a statement moves an attempt by itself.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import jobs
from throughline.kernel.crypto import LENDER_ID, seal
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.payments import attempts
from throughline.payments.models import PaymentAttempt, RailCursor, RailEvent, StatementLine
from throughline.payments.ports import Entry, Notice, Rail, Report
from throughline.payments.states import Cause, Outcome

log = get_logger(__name__)

WORK = "payments.work_event"
# An event may come before our own commit is there to be seen; after this it is a matter of reconciliation.
UNKNOWN_REFERENCE_WAITS = timedelta(hours=24)


def take(session: Session, rail: Rail, notice: Notice, raw: bytes, *, now: datetime) -> bool:
    """Store a verified message and the job that works it off; False, and nothing else, for a repeat."""
    event_id = new_id()
    fresh = session.execute(
        insert(RailEvent)
        .values(
            id=event_id,
            rail=rail.name,
            event_id=notice.event_id,
            kind=notice.kind,
            serial=notice.serial,
            raw=seal(session, LENDER_ID, f"rail_event|{event_id}|raw", base64.b64encode(raw).decode("ascii")),
            out_refs=list(notice.out_refs),
            received_at=now,
        )
        .on_conflict_do_nothing(index_elements=["rail", "event_id"])
        .returning(RailEvent.id)
    ).first()
    if fresh is None:
        return False
    for entry in notice.entries:
        _keep_line(session, rail, event_id, entry, now)
    jobs.defer(session, WORK, {"event_id": str(event_id)})
    return True


def work_off(session: Session, event_id: UUID, *, now: datetime) -> bool:
    """Act on a stored message: apply its booked lines, ask about its references. False while one is unknown.

    An event with a reference that we don't know stays open for 24 hours; the sweep tries it again.
    """
    event = session.execute(select(RailEvent).where(RailEvent.id == event_id).with_for_update()).scalar_one()
    if event.processed_at is not None:
        return True
    known = all([_ask(session, event.rail, out_ref) for out_ref in event.out_refs])  # noqa: C419 - ask about each
    lines = session.scalars(
        select(StatementLine)
        .where(StatementLine.event_id == event_id, StatementLine.applied_at.is_(None))
        .order_by(StatementLine.out_ref, StatementLine.id)
    ).all()
    for line in lines:
        known = _apply(session, line, now) and known
    if known or now - event.received_at > UNKNOWN_REFERENCE_WAITS:
        if not known:
            log.error("message about unknown references", rail=event.rail, event_id=event.event_id)
        event.processed_at = now
    return known


def cursor(session: Session, rail: Rail) -> str | None:
    """How far the files of this rail have been read."""
    row = session.get(RailCursor, (rail.name, rail.merchant))
    return row.after if row is not None else None


def move_cursor(session: Session, rail: Rail, after: str | None) -> None:
    """Note how far the files of this rail have been read."""
    session.execute(
        insert(RailCursor)
        .values(rail=rail.name, merchant=rail.merchant, after=after)
        .on_conflict_do_update(index_elements=["rail", "merchant"], set_={"after": after})
    )


def _keep_line(session: Session, rail: Rail, event_id: UUID, entry: Entry, now: datetime) -> None:
    report = entry.report
    session.execute(
        insert(StatementLine)
        .values(
            id=new_id(),
            event_id=event_id,
            rail=rail.name,
            merchant=report.merchant or "",
            entry_ref=entry.entry_ref,
            out_ref=entry.out_ref,
            outcome=report.outcome.value,
            amount_minor=report.amount_minor,
            currency=report.currency,
            provider_ref=report.provider_ref,
            error_code=report.error_code,
            reason=report.reason,
            value_at=report.value_at,
            recorded_at=now,
        )
        .on_conflict_do_nothing(index_elements=["rail", "merchant", "entry_ref"])
    )


def _ask(session: Session, rail: str, out_ref: str) -> bool:
    attempt = _attempt(session, rail, out_ref)
    if attempt is None:
        return False
    attempts.ask_now(session, attempt)
    return True


def _apply(session: Session, line: StatementLine, now: datetime) -> bool:
    attempt = _attempt(session, line.rail, line.out_ref)
    if attempt is None:
        return False
    report = Report(
        Outcome(line.outcome),
        provider_state="BOOK",
        provider_ref=line.provider_ref,
        error_code=line.error_code,
        amount_minor=line.amount_minor,
        currency=line.currency,
        merchant=line.merchant,
        value_at=line.value_at,
        reason=line.reason,
    )
    attempts.record(session, attempt.id, report, Cause.STATEMENT, now=now)
    session.execute(update(StatementLine).where(StatementLine.id == line.id).values(applied_at=now))
    return True


def _attempt(session: Session, rail: str, out_ref: str) -> PaymentAttempt | None:
    return session.execute(
        select(PaymentAttempt).where(PaymentAttempt.rail == rail, PaymentAttempt.out_ref == out_ref)
    ).scalar_one_or_none()
