"""The verbs of line: take in evidence, believe, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock, crypto
from throughline.kernel.events import publish
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.line import filter as line_filter
from throughline.line import privacy
from throughline.line.emissions import read
from throughline.line.events import LineAlarmCleared, LineAlarmRaised, LineStateChanged
from throughline.line.feed.health import stale_carriers
from throughline.line.filter import Belief
from throughline.line.models import FeedSubscription, Line, LineSignal, LineTransition
from throughline.line.reasons import reason
from throughline.line.settings import load_settings
from throughline.line.signals import Signal
from throughline.line.state import PublicState
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

__all__ = ["LineView", "Signal", "ingest", "lines_of", "register", "timeline"]

# The belief is made of the newest signals of these days: long enough that what lies before has aged away.
WINDOW = timedelta(days=120)
MAX_SIGNALS = 2_000


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as others see it. `probability` is of `state`; `alarm`: it can receive nothing.

    `stale`: its carrier is not heard any more, so that the state is what was known before.
    """

    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    carrier: str
    state: str
    probability: str
    since: datetime
    alarm: bool
    reason: Text
    stale: bool = False


def register(session: Session, borrower_id: UUID, contact_point_id: UUID, *, now: datetime) -> UUID | None:
    """Begin to watch the line behind a phone number; None without the consent for it.

    Safe to repeat. Asks the carrier at once and subscribes to its notices.
    """
    if not parties.has_consent(session, borrower_id, Purpose.CONTINUITY):
        return None
    number = parties.contact_value(session, contact_point_id, Purpose.CONTINUITY, now=now, reader="line")
    belief = line_filter.believe((), at=now, start=now)
    line_id = session.execute(
        insert(Line)
        .values(
            borrower_id=borrower_id,
            id=new_id(),
            contact_point_id=contact_point_id,
            number_index=crypto.blind_index("line.number", number),
            carrier=load_settings().carrier,
            registered_at=now,
            state=PublicState.UNKNOWN,
            probability="0",
            since=now,
            alarm=False,
            p=list(belief.p),
            evidence=[],
            believed_at=now,
            next_query_at=now + timedelta(hours=1),  # should the first question fail
        )
        .on_conflict_do_nothing(index_elements=["contact_point_id"])
        .returning(Line.id)
    ).scalar_one_or_none()
    if line_id is None:
        line = session.scalars(
            select(Line).where(Line.contact_point_id == contact_point_id).with_for_update()
        ).one()
        if line.next_query_at is not None:
            return line.id  # watched already
        line.next_query_at = now + timedelta(hours=1)
        line_id = line.id
    ask(session, borrower_id, line_id, reason="registered")
    defer(session, "line.subscribe", {"borrower_id": str(borrower_id), "line_id": str(line_id)})
    return line_id


def stop_watching(session: Session, borrower_id: UUID) -> None:
    """The consent was withdrawn: no more queries, subscriptions end."""
    lines = session.scalars(
        select(Line).where(Line.borrower_id == borrower_id).with_for_update().limit(20)
    ).all()
    for line in lines:
        line.next_query_at = None
        defer(session, "line.unsubscribe", {"borrower_id": str(borrower_id), "line_id": str(line.id)})


def ask(session: Session, borrower_id: UUID, line_id: UUID, *, reason: str) -> None:
    """Queue a question to the line's carrier."""
    defer(
        session,
        "line.query",
        {"borrower_id": str(borrower_id), "line_id": str(line_id), "reason": reason},
        priority=10 if reason == "confirm" else 0,
    )


def ingest(session: Session, line_id: UUID, signals: Sequence[Signal], *, now: datetime) -> int:
    """Store observations of one line and believe anew; returns how many were new.

    A repeat is no new evidence. A grade A notice that nobody asked for queues a confirming question.
    """
    line = session.scalars(select(Line).where(Line.id == line_id).with_for_update()).one_or_none()
    if line is None:
        return 0
    fresh = 0
    for signal in signals:
        reading = read(signal)
        added = session.execute(
            insert(LineSignal)
            .values(
                borrower_id=line.borrower_id,
                id=new_id(),
                line_id=line.id,
                key=signal.key(),
                source=signal.source,
                provider=signal.provider,
                code=signal.code,
                attributes=dict(signal.attributes),
                meaning=reading.meaning if reading else None,
                grade=reading.grade if reading else None,
                table_version=reading.table if reading else None,
                observed_at=signal.observed_at,
                received_at=now,
            )
            .on_conflict_do_nothing(index_elements=["line_id", "key"])
            .returning(LineSignal.id)
        ).first()
        if added is not None:
            fresh += 1
    if fresh:
        believe_now(session, line, now=now)
        pushed = any(signal.source == "carrier.push" for signal in signals)
        if pushed or _suspicious(line):
            ask(session, line.borrower_id, line.id, reason="confirm")
        if pushed:
            # Should nobody answer, the push stands alone then.
            ids = {"borrower_id": str(line.borrower_id), "line_id": str(line.id)}
            defer(session, "line.look", ids, at=clock.real_now() + line_filter.CONFIRM_WAIT)
    return fresh


def look(session: Session, borrower_id: UUID, line_id: UUID, *, now: datetime) -> None:
    """Believe anew although nothing was heard: what time has done to a belief."""
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    if line is not None:
        believe_now(session, line, now=now)


def _suspicious(line: Line) -> bool:
    """Inside the query band: worth a question, not enough for an alarm."""
    config = load_settings()
    chance = line_filter.cannot_receive(np.array(line.p))
    return config.query_band_from <= chance < config.query_band_to


def believe_now(session: Session, line: Line, *, now: datetime) -> Belief:
    """Believe anew from the stored signals of a locked line; publish what changed."""
    rows = session.scalars(
        select(LineSignal)
        .where(LineSignal.line_id == line.id, LineSignal.observed_at > now - WINDOW)
        .order_by(LineSignal.observed_at.desc())
        .limit(MAX_SIGNALS)
    ).all()
    signals = {row.key: row for row in rows}
    belief = line_filter.believe(
        [Signal(row.observed_at, row.source, row.provider, row.code, row.attributes) for row in rows],
        at=max(now, max((row.observed_at for row in rows), default=now)),
        start=min(line.registered_at, min((row.observed_at for row in rows), default=line.registered_at)),
    )
    evidence = [signals[key] for key in belief.evidence if key in signals]
    source = evidence[-1].source if evidence else None
    why = reason(belief.state, belief.probability, source)
    ids = [str(row.id) for row in evidence]
    old_state, old_alarm = line.state, line.alarm
    line.state = belief.state
    line.probability = f"{belief.probability:.4f}"
    line.since = belief.since
    line.alarm = belief.alarm
    line.p = list(belief.p)
    line.evidence = ids
    line.believed_at = now
    if old_state != belief.state:
        _tell_state(session, line, old_state, why, ids, now=now)
    elif belief.alarm and not old_alarm:
        # The state stands, but now it is believed strongly: the evidence that others waited for.
        _tell_state(session, line, old_state, why, ids, now=now)
    if belief.alarm != old_alarm:
        _tell_alarm(session, line, why, now=now)
    _write_standing(session, line, belief, now=now)
    return belief


def _tell_state(
    session: Session, line: Line, old: str, why: Text, evidence: list[str], *, now: datetime
) -> None:
    session.add(
        LineTransition(
            borrower_id=line.borrower_id,
            line_id=line.id,
            old=old,
            new=line.state,
            probability=line.probability,
            since=line.since,
            reason=why,
            evidence=evidence,
            at=now,
        )
    )
    publish(
        session,
        LineStateChanged(
            line.id,
            line.borrower_id,
            line.contact_point_id,
            old,
            line.state,
            line.probability,
            f"{line_filter.cannot_receive(np.array(line.p)):.4f}",
            line.since,
            why,
            evidence,
        ),
        aggregate_type="line",
        aggregate_id=line.id,
        borrower_id=line.borrower_id,
    )


def _tell_alarm(session: Session, line: Line, why: Text, *, now: datetime) -> None:
    kind = LineAlarmRaised if line.alarm else LineAlarmCleared
    chance = line_filter.cannot_receive(np.array(line.p))
    publish(
        session,
        kind(line.id, line.borrower_id, line.contact_point_id, f"{chance:.4f}", now, why),
        aggregate_type="line",
        aggregate_id=line.id,
        borrower_id=line.borrower_id,
    )


def _write_standing(session: Session, line: Line, belief: Belief, *, now: datetime) -> None:
    """What messaging needs to know stands on the contact point: suspended since, and whose number it is."""
    point = parties.contact_point(session, line.contact_point_id)
    stands = privacy.standing(
        line_filter.public(np.array(belief.p)),
        belief.since,
        carrier=line.carrier,
        before=point.suspended_at,
        now=now,
    )
    parties.set_line_standing(session, line.contact_point_id, stands.suspended_at, stands.reassigned, now=now)
    if stands.freeze is not None:
        parties.freeze_contact_point(session, line.contact_point_id, stands.freeze, now=now)


# --- reading ---------------------------------------------------------------------------------------


def lines_of(session: Session, borrower_id: UUID) -> list[LineView]:
    """A borrower's lines, newest first (a handful)."""
    rows = session.scalars(
        select(Line).where(Line.borrower_id == borrower_id).order_by(Line.id.desc()).limit(20)
    )
    stale = stale_carriers(session)
    return [view(session, row, stale=row.carrier in stale) for row in rows]


def view(session: Session, row: Line, *, stale: bool = False) -> LineView:
    """A line as others see it."""
    source = None
    if row.evidence:
        source = session.execute(
            select(LineSignal.source).where(
                LineSignal.borrower_id == row.borrower_id, LineSignal.id == UUID(row.evidence[-1])
            )
        ).scalar_one_or_none()
    return LineView(
        row.id,
        row.borrower_id,
        row.contact_point_id,
        row.carrier,
        row.state,
        row.probability,
        row.since,
        row.alarm,
        reason(PublicState(row.state), float(row.probability), source),
        stale,
    )


def line_of_contact_point(session: Session, contact_point_id: UUID) -> UUID | None:
    """The watched line of a phone number's contact point, if there is one."""
    return session.scalars(select(Line.id).where(Line.contact_point_id == contact_point_id)).one_or_none()


def find_by_number(session: Session, number: str) -> Line | None:
    """The newest watched line of a phone number in E.164."""
    return session.scalars(
        select(Line)
        .where(Line.number_index == crypto.blind_index("line.number", number))
        .order_by(Line.id.desc())
        .limit(1)
    ).one_or_none()


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A signal or a transition on a line's timeline."""

    id: UUID
    at: datetime
    kind: str
    details: dict[str, Any]


def timeline(
    session: Session, line_id: UUID, *, since: datetime, until: datetime, limit: int = 200
) -> list[TimelineEntry]:
    """What was observed and believed of a line in a time, oldest first, at most `limit` of each kind."""
    signals = session.scalars(
        select(LineSignal)
        .where(LineSignal.line_id == line_id, LineSignal.observed_at >= since, LineSignal.observed_at < until)
        .order_by(LineSignal.observed_at.desc())
        .limit(limit)
    )
    changes = session.scalars(
        select(LineTransition)
        .where(LineTransition.line_id == line_id, LineTransition.at >= since, LineTransition.at < until)
        .order_by(LineTransition.id.desc())
        .limit(limit)
    )
    entries = [
        TimelineEntry(
            row.id,
            row.observed_at,
            "signal",
            {
                "source": row.source,
                "provider": row.provider,
                "code": row.code,
                "attributes": row.attributes,
                "meaning": row.meaning,
                "grade": row.grade,
                "table": row.table_version,
                "received_at": row.received_at.isoformat(),
            },
        )
        for row in signals
    ] + [
        TimelineEntry(
            row.id,
            row.at,
            "transition",
            {
                "old": row.old,
                "new": row.new,
                "probability": row.probability,
                "since": row.since.isoformat(),
                "reason": row.reason,
                "evidence": row.evidence,
            },
        )
        for row in changes
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.id))


def subscriptions(session: Session, line_id: UUID) -> list[FeedSubscription]:
    """The carrier subscriptions of a line."""
    return list(
        session.scalars(select(FeedSubscription).where(FeedSubscription.line_id == line_id).limit(20))
    )
