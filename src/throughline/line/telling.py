"""What others get to know of beliefs: the line's row, transitions, events and the standing of its number.

Only changes are told. A track may revise the past (a new `since`); what was told stays told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from throughline.kernel.db import plain_array
from throughline.kernel.events import AggregateEvent, Event, publish_many
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id
from throughline.line import fold, measures
from throughline.line.beliefs import Batch, Watched
from throughline.line.carriers import proof_is_good_for
from throughline.line.events import (
    LineAlarmCleared,
    LineAlarmRaised,
    LineStateChanged,
    NumberReassignmentSuspected,
)
from throughline.line.fold import PUBLIC
from throughline.line.models import LineTransition
from throughline.line.privacy import OFF_FROM, standing
from throughline.line.reasons import reason
from throughline.line.state import PublicState
from throughline.line.track import STATES_SHOWN, Shown, instant
from throughline.parties import service as parties

SUSPECTED_ABOVE = 0.2
TRUSTED_BELOW = 0.1  # below it the next rise is told again
_REASSIGNED = PUBLIC.index(PublicState.REASSIGNED)


@dataclass(frozen=True, slots=True)
class _News:
    """A line whose row changes. `told`: its state is worth an event; `alarm`: it rose or fell."""

    line: Watched
    state: PublicState
    probability: str
    cannot_receive: str
    since: datetime
    alarm: bool
    told: bool
    alarm_changed: bool
    evidence: list[str]
    why: Text


def tell(session: Session, batch: Batch, shown: Shown, *, now: datetime) -> int:
    """Write and publish what has changed of locked lines; returns how many lines changed."""
    changed = _changed(batch, shown)
    sources = _last_sources(session, batch, changed)
    news = [_news(batch, shown, one, sources) for one in changed]
    if news:
        _write_lines(session, news)
        _write_transitions(session, [one for one in news if one.told], now=now)
    events = [event for one in news for event in _events(one, now)]
    events += _suspicions(session, batch, shown, now=now)
    publish_many(session, events)
    _write_standings(session, batch, shown, now=now)
    return len(news)


def _changed(batch: Batch, shown: Shown) -> list[int]:
    """Lines of which something else is to be said than their rows say."""
    changed = []
    for number, line in enumerate(batch.lines):
        state = STATES_SHOWN[shown.state[number]]
        revised = not shown.aged[number] and instant(float(shown.since_s[number])) != line.since
        if state != line.state or bool(shown.alarm[number]) != line.alarm or revised:
            changed.append(number)
    return changed


def _news(batch: Batch, shown: Shown, number: int, sources: dict[UUID, str]) -> _News:
    line = batch.lines[number]
    state = STATES_SHOWN[shown.state[number]]
    alarm = bool(shown.alarm[number])
    moved = [UUID(bytes=name) for name in batch.tracks.moved[number]]
    probability = float(shown.probability[number])
    aged = bool(shown.aged[number])
    return _News(
        line=line,
        state=state,
        probability=f"{probability:.4f}",
        cannot_receive=f"{float(shown.dark[number]):.4f}",
        since=line.since if aged and state == line.state else instant(float(shown.since_s[number])),
        alarm=alarm,
        # An alarm in the same state is told too: the evidence that others waited for.
        told=state != line.state or (alarm and not line.alarm),
        alarm_changed=alarm != line.alarm,
        evidence=[str(one) for one in moved],
        why=reason(state, probability, sources.get(moved[-1]) if moved else None),
    )


def _last_sources(session: Session, batch: Batch, changed: list[int]) -> dict[UUID, str]:
    """The sources of the signals that moved these lines last."""
    last = [
        (batch.lines[one].borrower_id, UUID(bytes=batch.tracks.moved[one][-1]))
        for one in changed
        if batch.tracks.moved[one]
    ]
    if not last:
        return {}
    rows = session.execute(
        _SOURCES,
        {"borrowers": plain_array(one for one, _ in last), "ids": plain_array(one for _, one in last)},
    )
    return {row.id: row.source for row in rows}


_SOURCES = text(
    """
    SELECT s.id, s.source FROM unnest(CAST(:borrowers AS uuid[]), CAST(:ids AS uuid[])) AS n(borrower_id, id)
    JOIN line_signal s ON s.borrower_id = n.borrower_id AND s.id = n.id
    """
)


def _write_lines(session: Session, news: list[_News]) -> None:
    rows = [
        {
            "borrower_id": str(one.line.borrower_id),
            "id": str(one.line.id),
            "state": one.state,
            "probability": one.probability,
            "since": one.since.isoformat(),
            "alarm": one.alarm,
            "evidence": one.evidence,
        }
        for one in news
    ]
    session.execute(_WRITE_LINES, {"rows": json.dumps(rows)})


_WRITE_LINES = text(
    """
    UPDATE line_line l SET state = n.state, probability = n.probability, since = n.since, alarm = n.alarm,
      evidence = n.evidence
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(borrower_id uuid, id uuid, state text, probability text,
      since timestamptz, alarm boolean, evidence jsonb)
    WHERE l.borrower_id = n.borrower_id AND l.id = n.id
    """
)


def _write_transitions(session: Session, news: list[_News], *, now: datetime) -> None:
    if not news:
        return
    session.execute(
        insert(LineTransition),
        [
            {
                "borrower_id": one.line.borrower_id,
                "id": new_id(),
                "line_id": one.line.id,
                "old": one.line.state,
                "new": one.state,
                "probability": one.probability,
                "since": one.since,
                "reason": one.why,
                "evidence": one.evidence,
                "at": now,
            }
            for one in news
        ],
    )


def _events(one: _News, now: datetime) -> list[AggregateEvent]:
    line = one.line
    told: list[Event] = []
    if one.told:
        told.append(
            LineStateChanged(
                line.id,
                line.borrower_id,
                line.contact_point_id,
                line.state,
                one.state,
                one.probability,
                one.cannot_receive,
                one.since,
                one.why,
                one.evidence,
            )
        )
    if one.alarm_changed:
        kind = LineAlarmRaised if one.alarm else LineAlarmCleared
        measures.ALARMS.labels("raised" if one.alarm else "cleared").inc()
        told.append(kind(line.id, line.borrower_id, line.contact_point_id, one.cannot_receive, now, one.why))
    return [AggregateEvent(event, "line", line.id, line.borrower_id) for event in told]


def _suspicions(session: Session, batch: Batch, shown: Shown, *, now: datetime) -> list[AggregateEvent]:
    """Numbers that have probably got a new owner, and those of which nobody thinks so any more."""
    chance = fold.public(shown.p)[:, _REASSIGNED]
    said = np.array([line.suspected_at is not None for line in batch.lines], dtype=bool)
    rising = np.nonzero(~said & (chance > SUSPECTED_ABOVE))[0].tolist()
    falling = np.nonzero(said & (chance < TRUSTED_BELOW))[0].tolist()
    sources = _last_sources(session, batch, rising)
    for places, at in ((rising, now), (falling, None)):
        if places:
            lines = [batch.lines[one] for one in places]
            session.execute(
                _SUSPECTED,
                {
                    "borrowers": plain_array(line.borrower_id for line in lines),
                    "ids": plain_array(line.id for line in lines),
                    "at": at,
                },
            )
            for line in lines:
                line.suspected_at = at
    return [
        AggregateEvent(
            NumberReassignmentSuspected(
                batch.lines[one].id,
                batch.lines[one].borrower_id,
                batch.lines[one].contact_point_id,
                f"{float(chance[one]):.4f}",
                _source(batch, one, sources),
                now,
            ),
            "line",
            batch.lines[one].id,
            batch.lines[one].borrower_id,
        )
        for one in rising
    ]


def _source(batch: Batch, number: int, sources: dict[UUID, str]) -> str | None:
    moved = batch.tracks.moved[number]
    return sources.get(UUID(bytes=moved[-1])) if moved else None


_SUSPECTED = text(
    """
    UPDATE line_belief b SET suspected_at = CAST(:at AS timestamptz)
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:ids AS uuid[])) AS n(borrower_id, line_id)
    WHERE b.borrower_id = n.borrower_id AND b.line_id = n.line_id
    """
)


def _write_standings(session: Session, batch: Batch, shown: Shown, *, now: datetime) -> None:
    """What messaging needs to know stands on the contact point: off since when, whose number it is, and whether
    anything may be sent to it at all."""
    chances = fold.public(shown.p)
    dark = [line.contact_point_id for line, p in zip(batch.lines, shown.dark, strict=True) if p >= OFF_FROM]
    before = parties.suspended_since(session, dark)
    standings, freezes = [], []
    told_s = fold.told_at(batch.tracks.rows)
    for number, line in enumerate(batch.lines):
        state = STATES_SHOWN[shown.state[number]]
        aged = bool(shown.aged[number]) and state == line.state
        stands = standing(
            dict(zip(PUBLIC, chances[number].tolist(), strict=True)),
            line.since if aged else instant(float(shown.since_s[number])),
            carrier=line.carrier,
            before=before.get(line.contact_point_id),
            now=now,
        )
        told_at = instant(float(told_s[number])) if stands.theirs and np.isfinite(told_s[number]) else None
        standings.append(
            parties.LineStanding(
                line.contact_point_id,
                stands.suspended_at,
                stands.reassigned,
                told_at,
                proof_is_good_for(line.carrier, now.date()).days,
            )
        )
        if stands.freeze is not None:
            freezes.append((line.contact_point_id, stands.freeze))
    parties.set_line_standings(session, standings, now=now)
    for contact_point_id, why in sorted(freezes):
        parties.freeze_contact_point(session, contact_point_id, why, now=now)
