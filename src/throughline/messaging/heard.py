"""Receipts that name a message by the provider's reference: taken in at once, or kept until that reference is ours.

A provider may tell of a message before its own answer to the submission is stored here. What finds nothing waits for a day.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.messaging import attempts, flow, registry, signals
from throughline.messaging.lattice import AttemptState
from throughline.messaging.models import MsgAttempt, MsgReceipt
from throughline.messaging.ports import Heard
from throughline.messaging.receipts import RECEIPTS, SOURCE

WAITS = timedelta(hours=24)
RECENT = timedelta(days=4)  # some SMSCs use their ids again after days; texts are tried for three at most
BATCH = 200


def take(session: Session, heard: Heard, *, now: datetime) -> str:
    """Store a receipt: "taken", "repeated", or "waiting" where nothing of ours has that reference yet."""
    found = _attempt(session, heard.route, heard.ref, now=now)
    kept = session.execute(
        insert(MsgReceipt)
        .values(
            id=new_id(),
            route=heard.route,
            client_ref=found.hex if found is not None else "",
            provider_ref=heard.ref,
            delivered=heard.state is AttemptState.DELIVERED,
            state=heard.state.value,
            code=heard.code,
            attempt_id=found,
            reported_at=heard.reported_at,
            got_at=now,
        )
        .on_conflict_do_nothing(index_elements=["route", "client_ref", "provider_ref", "code"])
        .returning(MsgReceipt.id)
    ).first()
    if kept is None:
        return "repeated"
    if found is None:
        return "waiting"
    _apply(session, found, heard.state, heard.code, heard.reported_at, now=now)
    return "taken"


def waiting(session: Session, *, now: datetime) -> list[UUID]:
    """Receipts that wait, the oldest first; those whose time is over are forgotten."""
    session.execute(
        delete(MsgReceipt).where(MsgReceipt.attempt_id.is_(None), MsgReceipt.got_at < now - WAITS)
    )
    rows = session.scalars(
        select(MsgReceipt.id).where(MsgReceipt.attempt_id.is_(None)).order_by(MsgReceipt.got_at).limit(BATCH)
    )
    return list(rows)


def match(session: Session, receipt_id: UUID, *, now: datetime) -> bool:
    """Look again for the message of a receipt that waits; True when it is found."""
    row = session.get(MsgReceipt, receipt_id, with_for_update={"skip_locked": True})
    if row is None or row.attempt_id is not None:
        return False
    found = _attempt(session, row.route, row.provider_ref, now=now)
    if found is None:
        return False
    known = select(MsgReceipt.id).where(
        MsgReceipt.route == row.route,
        MsgReceipt.client_ref == found.hex,
        MsgReceipt.provider_ref == row.provider_ref,
        MsgReceipt.code == row.code,
    )
    if session.execute(known).first() is not None:
        session.delete(row)  # it came once more after its message was known
        return False
    row.attempt_id, row.client_ref = found, found.hex
    session.flush()
    _apply(session, found, AttemptState(row.state), row.code, row.reported_at or row.got_at, now=now)
    RECEIPTS.labels("matched").inc()
    return True


def _attempt(session: Session, route: str, ref: str, *, now: datetime) -> UUID | None:
    """The newest message under a reference."""
    return session.scalars(
        select(MsgAttempt.id)
        .where(
            MsgAttempt.route == route,
            MsgAttempt.provider_ref == ref,
            MsgAttempt.submitted_at > now - RECENT,
        )
        .order_by(MsgAttempt.id.desc())
        .limit(1)
    ).one_or_none()


def _apply(
    session: Session,
    attempt_id: UUID,
    state: AttemptState,
    code: str,
    reported_at: datetime,
    *,
    now: datetime,
) -> None:
    intent_id = session.execute(select(MsgAttempt.intent_id).where(MsgAttempt.id == attempt_id)).scalar_one()
    plan = flow.locked(session, intent_id, now=now)
    attempt = session.scalars(
        select(MsgAttempt).where(MsgAttempt.id == attempt_id).execution_options(populate_existing=True)
    ).one()
    if attempts.hear(plan, attempt, state, code=code):
        attempt.code = code
    # The provider's clock is not ours: neither before the send nor in the future.
    at = max(reported_at + clock.demo_shift(), attempt.submitted_at or now)
    signals.told(session, attempt, SOURCE, registry.codes_of(attempt.route), code, at=min(at, now))
