"""Outages that were over before we knew of them: found in late evidence, told once, so that harm can be repaired.

What is believed now does not change by them, so no change of state tells of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from throughline.kernel.events import AggregateEvent, publish_many
from throughline.line import beliefs, fold
from throughline.line.beliefs import Batch
from throughline.line.events import OutageLearned
from throughline.line.reasons import reason
from throughline.line.state import ALARM_AT, CANNOT_RECEIVE, CLEAR_AT, PublicState
from throughline.line.track import MOVED, Tracks, instant

LATE = timedelta(hours=12)  # newer evidence is told by the state itself
SHORTEST = timedelta(hours=12)
MOST_LINES = 200  # looked at in one transaction
MOST_OUTAGES = 10  # of a line


def tell(session: Session, batch: Batch, since: Mapping[UUID, datetime], *, now: datetime) -> int:
    """Publish the outages that late evidence of locked lines shows; returns how many. `since`: the oldest instant
    of what is new, by line. Whoever knows of such an outage already sees by its times that it is the same.
    """
    late = [
        number
        for number, line in enumerate(batch.lines)
        if line.id in since and since[line.id] < now - LATE and line.state not in CANNOT_RECEIVE
    ][:MOST_LINES]
    found = [event for number in late for event in _outages(session, batch, number, since, now)]
    publish_many(session, found)
    return len(found)


def _outages(
    session: Session, batch: Batch, number: int, since: Mapping[UUID, datetime], now: datetime
) -> list[AggregateEvent]:
    line = batch.lines[number]
    evidence = beliefs.evidence_of(session, batch, [number], [None])
    if not len(evidence.observed_s):
        return []
    begin = min(line.registered_at.timestamp(), float(evidence.observed_s[0]))
    track = Tracks[bytes].fresh(np.array([begin]), batch.by)
    here = np.zeros(1, dtype=np.int64)
    events: list[AggregateEvent] = []
    dark_from: float | None = None
    strongest, worst, names = 0.0, PublicState.SUSPENDED, list[str]()
    spans = batch.spans.of(np.array([number])) if batch.spans is not None else None
    for place, at_s in enumerate(evidence.observed_s.tolist()):
        track.step(
            here, evidence.observed_s[place : place + 1], evidence.reading[place : place + 1],
            evidence.names[place : place + 1], evidence.book, batch.by, spans,
        )  # fmt: skip
        dark = float(fold.cannot_receive(track.rows[:, fold.P])[0])
        name = str(UUID(bytes=evidence.names[place]))
        if dark_from is None and dark >= ALARM_AT:
            dark_from, strongest, names = at_s, dark, [name]
            worst = _state(track)
        elif dark_from is not None and dark >= CLEAR_AT:
            strongest, names = max(strongest, dark), [*names, name][-MOVED:]
            worst = _state(track)
        elif dark_from is not None:
            if at_s - dark_from >= SHORTEST.total_seconds() and at_s >= since[line.id].timestamp():
                events.append(_event(batch, number, worst, strongest, dark_from, at_s, [*names, name]))
            dark_from = None
    return events[-MOST_OUTAGES:]


def _state(track: Tracks[bytes]) -> PublicState:
    """The likeliest of the states that cannot receive."""
    chances = dict(zip(fold.PUBLIC, fold.public(track.rows[:, fold.P])[0].tolist(), strict=True))
    return max(sorted(CANNOT_RECEIVE), key=lambda state: chances.get(state, 0.0))


def _event(
    batch: Batch, number: int, state: PublicState, dark: float, from_s: float, to_s: float, names: list[str]
) -> AggregateEvent:
    line = batch.lines[number]
    event = OutageLearned(
        line.id, line.borrower_id, line.contact_point_id, state.value, f"{dark:.4f}", instant(from_s),
        instant(to_s), reason(state, dark, None), names,
    )  # fmt: skip
    return AggregateEvent(event, "line", line.id, line.borrower_id)
