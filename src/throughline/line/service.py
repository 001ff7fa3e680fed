"""The verbs of line: take in evidence, believe, tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import clock, crypto
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.line import beliefs, engine, fold, intake, segments
from throughline.line import filter as line_filter
from throughline.line.claims import LONGEST_PAST, ClaimView
from throughline.line.claims import make as claim
from throughline.line.claims import of_line as claims_of
from throughline.line.feed.health import stale_carriers
from throughline.line.history import history
from throughline.line.models import FeedSubscription, Line, LineBelief, LineSignal, LineTransition
from throughline.line.overview import CarrierHealth, IncidentView, Spend, carriers, incidents, spend
from throughline.line.reasons import reason
from throughline.line.settings import load_settings
from throughline.line.signals import Signal
from throughline.line.state import PublicState
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

__all__ = [
    "LONGEST_PAST",
    "CarrierHealth",
    "ClaimView",
    "IncidentView",
    "LineView",
    "Signal",
    "Spend",
    "carriers",
    "claim",
    "claims_of",
    "falls_due",
    "history",
    "incidents",
    "ingest",
    "lines_of",
    "register",
    "spend",
    "take_in",
    "timeline",
]

PUSH = "carrier.push"
FEW = 50  # lines that one batch of notices folds at once


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


def register(
    session: Session,
    borrower_id: UUID,
    contact_point_id: UUID,
    *,
    now: datetime,
    home_region: str | None = None,
) -> UUID | None:
    """Begin to watch the line behind a phone number; None without the consent for it.

    Safe to repeat. Asks the carrier at once and subscribes to its notices. `home_region`: of a registered address,
    where it is known; else of the lender's table of segments; never from where a phone is.
    """
    if not parties.has_consent(session, borrower_id, Purpose.CONTINUITY):
        return None
    number = parties.contact_value(session, contact_point_id, Purpose.CONTINUITY, now=now, reader="line")
    line_id = session.execute(
        insert(Line)
        .values(
            borrower_id=borrower_id,
            id=new_id(),
            contact_point_id=contact_point_id,
            number_index=crypto.blind_index("line.number", number),
            carrier=load_settings().carrier_of(number),
            home_region=home_region or segments.region_of(number),
            registered_at=now,
            state=PublicState.UNKNOWN,
            probability="0",
            since=now,
            alarm=False,
            evidence=[],
        )
        .on_conflict_do_nothing(index_elements=["contact_point_id"])
        .returning(Line.id)
    ).scalar_one_or_none()
    if line_id is None:
        line = session.scalars(
            select(Line).where(Line.contact_point_id == contact_point_id).with_for_update()
        ).one()
        line_id = line.id
        if session.get_one(LineBelief, (borrower_id, line_id)).next_look_at is not None:
            return line_id  # watched already
    # Should the first question fail, the planner asks again.
    session.execute(
        insert(LineBelief)
        .values(borrower_id=borrower_id, line_id=line_id, next_look_at=now + timedelta(hours=1))
        .on_conflict_do_update(
            index_elements=["borrower_id", "line_id"], set_={"next_look_at": now + timedelta(hours=1)}
        )
    )
    ask(session, borrower_id, line_id, reason="registered")
    defer(session, "line.subscribe", {"borrower_id": str(borrower_id), "line_id": str(line_id)})
    return line_id


def stop_watching(session: Session, borrower_id: UUID, contact_point_id: UUID | None = None) -> None:
    """No more queries, subscriptions end: the consent was withdrawn, or one number is no longer theirs."""
    wanted = select(Line).where(Line.borrower_id == borrower_id)
    if contact_point_id is not None:
        wanted = wanted.where(Line.contact_point_id == contact_point_id)
    lines = session.scalars(wanted.order_by(Line.id).with_for_update().limit(20)).all()
    for line in lines:
        session.execute(
            update(LineBelief)
            .where(LineBelief.borrower_id == borrower_id, LineBelief.line_id == line.id)
            .values(next_look_at=None)
        )
        defer(session, "line.unsubscribe", {"borrower_id": str(borrower_id), "line_id": str(line.id)})


def falls_due(session: Session, borrower_id: UUID, due_at: datetime, *, now: datetime) -> None:
    """Money of the borrower falls due: doubt about their lines weighs double before it."""
    session.execute(
        update(LineBelief)
        .where(
            LineBelief.borrower_id == borrower_id,
            or_(LineBelief.due_at.is_(None), LineBelief.due_at < now, LineBelief.due_at > due_at),
        )
        .values(due_at=due_at)
    )


def ask(session: Session, borrower_id: UUID, line_id: UUID, *, reason: str) -> None:
    """Queue a question to the line's carrier."""
    defer(
        session,
        "line.query",
        {"borrower_id": str(borrower_id), "line_id": str(line_id), "reason": reason},
        priority=10 if reason == "confirm" else 0,
    )


def ingest(session: Session, line_id: UUID, signals: Sequence[Signal], *, now: datetime) -> int:
    """Store observations of one line and believe anew at once; returns how many said something new.

    A repeat is no new evidence. A carrier's notice that nobody asked for queues a confirming question.
    """
    return _take(session, [(line_id, signal) for signal in signals], now=now)


def take_in(
    session: Session, signals: Sequence[tuple[UUID, Signal]], *, now: datetime, at_once: bool = False
) -> int:
    """Store observations of many lines; returns how many lines have something new.

    They are folded by a job that is queued with them, a few lines with a carrier's notice or `at_once` in this
    transaction: a notice shall be seen within seconds, also behind a backlog.
    """
    if at_once and len(signals) <= intake.CHUNK:
        return _take(session, signals, now=now)
    since = intake.store(session, signals, now=now)
    pushed = {line_id for line_id, signal in signals if signal.source == PUSH and line_id in since}
    soon = {line_id: since[line_id] for line_id in sorted(pushed)[:FEW]}
    if soon:
        engine.believe(session, soon, pushed, now=now)
    intake.mark(
        session, {line_id: at for line_id, at in since.items() if line_id not in soon}, pushed, now=now
    )
    return len(since)


def _take(session: Session, signals: Sequence[tuple[UUID, Signal]], *, now: datetime) -> int:
    session.flush()
    since = intake.store(session, signals, now=now)
    pushed = {line_id for line_id, signal in signals if signal.source == PUSH and line_id in since}
    if since:
        engine.believe(session, since, pushed, now=now)
    return len(since)


def look(session: Session, borrower_id: UUID, line_id: UUID, *, now: datetime) -> None:
    """Believe anew although nothing was heard: what time has done to a belief."""
    del borrower_id
    engine.look(session, [line_id], now=now)


# --- reading ---------------------------------------------------------------------------------------


def lines_of(session: Session, borrower_id: UUID) -> list[LineView]:
    """A borrower's lines, newest first (a handful)."""
    rows = session.scalars(
        select(Line).where(Line.borrower_id == borrower_id).order_by(Line.id.desc()).limit(20)
    )
    stale = stale_carriers(session)
    return [view(session, row, stale=row.carrier in stale) for row in rows]


def view(session: Session, row: Line, *, stale: bool = False) -> LineView:
    """A line as others see it: the state that was told, with what time has left of its probability."""
    source = None
    if row.evidence:
        source = session.execute(
            select(LineSignal.source).where(
                LineSignal.borrower_id == row.borrower_id, LineSignal.id == UUID(row.evidence[-1])
            )
        ).scalar_one_or_none()
    probability = row.probability
    batch = beliefs.peek(session, [row.id])
    if batch.lines and not batch.stale:
        at_s = np.maximum(batch.tracks.rows[:, fold.AT], clock.now().timestamp())
        public = line_filter.public(batch.tracks.shown(at_s, batch.by, batch.spans).p[0])
        probability = f"{public.get(PublicState(row.state), 0.0):.4f}"
    return LineView(
        row.id,
        row.borrower_id,
        row.contact_point_id,
        row.carrier,
        row.state,
        probability,
        row.since,
        row.alarm,
        reason(PublicState(row.state), float(probability), source),
        stale,
    )


def line_of_contact_point(session: Session, contact_point_id: UUID) -> UUID | None:
    """The watched line of a phone number's contact point, if there is one."""
    return session.scalars(select(Line.id).where(Line.contact_point_id == contact_point_id)).one_or_none()


def lines_of_contact_points(session: Session, points: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The watched lines behind phone numbers' contact points."""
    rows = session.execute(
        select(Line.contact_point_id, Line.id).where(Line.contact_point_id.in_(sorted(points)))
    )
    return _gathered((row[0], row[1]) for row in rows)


def lines_of_borrowers(session: Session, borrowers: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The watched lines of borrowers, a handful each."""
    rows = session.execute(select(Line.borrower_id, Line.id).where(Line.borrower_id.in_(sorted(borrowers))))
    return _gathered((row[0], row[1]) for row in rows)


def lines_of_numbers(session: Session, numbers: Collection[str]) -> dict[str, UUID]:
    """The newest watched line of each phone number in E.164."""
    indices = {crypto.blind_index("line.number", number): number for number in numbers}
    rows = session.execute(
        select(Line.number_index, Line.id).where(Line.number_index.in_(sorted(indices))).order_by(Line.id)
    )
    return {indices[index]: line_id for index, line_id in rows}


def lines_that_are(session: Session, line_ids: Collection[UUID]) -> set[UUID]:
    """Those of the ids that name a line."""
    return set(session.scalars(select(Line.id).where(Line.id.in_(sorted(line_ids)))))


def stop_reasons(session: Session, borrower_id: UUID, signal_ids: Collection[UUID]) -> set[str]:
    """The reasons for a stop that carriers gave in some signals, such as "requested" or "arrears"."""
    found = session.scalars(
        select(LineSignal.attributes["reason"].as_string()).where(
            LineSignal.borrower_id == borrower_id, LineSignal.id.in_(sorted(signal_ids))
        )
    )
    return {one for one in found if one}


def lines_at(
    session: Session, borrowers: Collection[UUID], carrier: str, region: str | None
) -> dict[UUID, UUID]:
    """Those of some borrowers whose line is with a carrier (and in a home region, where given): borrower → line."""
    query = select(Line.borrower_id, Line.id).where(
        Line.borrower_id.in_(sorted(borrowers)), Line.carrier == carrier
    )
    if region:
        query = query.where(Line.home_region == region)
    rows = session.execute(query.order_by(Line.id))
    return {row[0]: row[1] for row in rows}


def received_lately(session: Session, line_ids: Collection[UUID], source: str, *, now: datetime) -> int:
    """How many signals of a source came in for some lines in the last 24 hours."""
    return session.execute(
        select(func.count())
        .select_from(LineSignal)
        .where(
            LineSignal.line_id.in_(sorted(line_ids)),
            LineSignal.observed_at > now - LONGEST_PAST,
            LineSignal.received_at > now - timedelta(days=1),
            LineSignal.source == source,
        )
    ).scalar_one()


def _gathered(rows: Iterable[tuple[UUID, UUID]]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {}
    for key, line_id in rows:
        found.setdefault(key, []).append(line_id)
    return found


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
