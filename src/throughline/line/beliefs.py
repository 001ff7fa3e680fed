"""Tracks of many lines in the database: loaded under lock, stepped by new evidence, stored back.

What is newer than all that a track has seen steps it forward. What comes late replays from the checkpoint, and
what is older than that from the first stored signal. A checkpoint is cut `CHECKPOINT_AGE` back and moved when it
is twice as old. What time does to a belief is computed when somebody looks and never stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import numpy as np
import rfc8785
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import plain_array
from throughline.line import fold, measures, track
from throughline.line.fold import Codebook, Indices
from throughline.line.parameters import Floats, Params, params
from throughline.line.signals import Reading
from throughline.line.state import STATES, Meaning
from throughline.line.track import Spans, Tracks, instant

CHECKPOINT_AGE = timedelta(hours=72)
MAX_REPLAYED = 20_000  # newest signals of a line
_ROW_BYTES = 8 * track.WIDTH
_NAME_BYTES = 16


@dataclass(slots=True)
class Watched:
    """A locked line, as its rows say."""

    id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    carrier: str
    region_group: str
    registered_at: datetime
    state: str
    since: datetime
    alarm: bool
    track: bytes | None
    checkpoint: bytes | None
    checkpoint_until: datetime | None
    params_version: str | None
    suspected_at: datetime | None
    due_at: datetime | None
    next_look_at: datetime | None


@dataclass(slots=True)
class Batch:
    """Locked lines and their tracks, in one order. `stepped`: places of tracks that must be stored."""

    lines: list[Watched]
    tracks: Tracks[bytes]
    spans: Spans
    by: Params
    stale: set[int]  # never folded, or by other parameters: only the whole evidence gives their track
    stepped: set[int] = field(default_factory=set)
    cut: dict[int, tuple[bytes, datetime]] = field(default_factory=dict)  # new checkpoints

    def place(self) -> dict[UUID, int]:
        """The place of each line."""
        return {line.id: number for number, line in enumerate(self.lines)}


def lock(session: Session, line_ids: Sequence[UUID]) -> Batch:
    """Lock lines in the order of their ids and load their tracks; ids of no line are left out."""
    session.execute(_LOCK, {"ids": plain_array(line_ids)})
    return peek(session, line_ids)


def lock_due(session: Session, *, now: datetime, limit: int) -> Batch:
    """Lock lines whose next look is due, passing over those that somebody works on."""
    ids = session.execute(_LOCK_DUE, {"now": now, "limit": limit}).scalars().all()
    return peek(session, ids)


def peek(session: Session, line_ids: Sequence[UUID]) -> Batch:
    """Load the tracks of lines without a lock of its own."""
    rows = session.execute(_PEEK, {"ids": plain_array(line_ids)}).all()
    return _batch(session, [Watched(*row) for row in rows])


# Locked by one statement and read by the next: one alone would show the beliefs of before it waited.
_LOCK = text("SELECT 1 FROM line_line WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_LOCK_DUE = text(
    """
    SELECT l.id FROM line_belief b JOIN line_line l ON l.borrower_id = b.borrower_id AND l.id = b.line_id
    WHERE b.next_look_at <= :now ORDER BY b.next_look_at LIMIT :limit FOR UPDATE OF l SKIP LOCKED
    """
)
_PEEK = text(
    """
    SELECT l.id, l.borrower_id, l.contact_point_id, l.carrier, l.region_group, l.registered_at, l.state, l.since, l.alarm,
      b.track, b.checkpoint, b.checkpoint_until, b.params_version, b.suspected_at, b.due_at, b.next_look_at
    FROM line_line l JOIN line_belief b ON b.borrower_id = l.borrower_id AND b.line_id = l.id
    WHERE l.id = ANY (CAST(:ids AS uuid[])) ORDER BY l.id
    """
)


def _batch(session: Session, lines: list[Watched]) -> Batch:
    by = params()
    stale = {
        number
        for number, line in enumerate(lines)
        if line.track is None or line.params_version != kept_by(by) or len(line.track) < _ROW_BYTES
    }
    tracks = Tracks[bytes].fresh(np.array([line.registered_at.timestamp() for line in lines]), by)
    known = np.array([number for number in range(len(lines)) if number not in stale], dtype=np.int64)
    if len(known):
        tracks.put(known, unpacked([lines[one].track or b"" for one in known.tolist()]))
    return Batch(lines, tracks, _spans(session, lines), by, stale)


def kept_by(by: Params) -> str:
    """What a track was made with: the parameters and the states, since one file may serve several editions of
    these. A track made with anything else is folded anew from its stored evidence."""
    return f"{by.version}/{len(STATES)}"


def _spans(session: Session, lines: Sequence[Watched]) -> Spans:
    """The incidents of the lines' groups. They are few."""
    found = session.execute(_INCIDENTS).all()
    if not found:
        return Spans(np.full(len(lines), -1), ())
    numbers: dict[tuple[str, str], int] = {}
    spans = [
        (
            numbers.setdefault((carrier, region), len(numbers)),
            onset.timestamp(),
            cleared.timestamp() if cleared else np.inf,
        )
        for carrier, region, onset, cleared in found
    ]
    group = np.array([numbers.get((line.carrier, line.region_group), -1) for line in lines])
    return Spans(group.astype(np.int64), spans)


_INCIDENTS = text(
    "SELECT carrier, region, onset_at, cleared_at FROM line_incident ORDER BY onset_at DESC LIMIT 10000"
)


# --- stepping --------------------------------------------------------------------------------------


def step(session: Session, batch: Batch, since: Mapping[UUID, datetime], *, now: datetime) -> None:
    """Step the tracks of these lines by evidence that is stored and not folded; `since`: the oldest instant of it.

    Lines that are not named are stepped only where their track can't be used.
    """
    whole, late, forward = [], [], []
    recent = now - 2 * CHECKPOINT_AGE
    for number, line in enumerate(batch.lines):
        oldest = since.get(line.id)
        if number in batch.stale:
            whole.append(number)
        elif oldest is None:
            continue
        elif line.checkpoint_until is None or oldest <= line.checkpoint_until:
            whole.append(number)
        elif line.checkpoint_until < recent or oldest.timestamp() <= batch.tracks.rows[number, fold.AT]:
            late.append(number)
        else:
            forward.append(number)
    for how, numbers in (("whole", whole), ("checkpoint", late), ("forward", forward)):
        if numbers:
            measures.FOLDED.labels(how).inc(len(numbers))
    _take_up_checkpoints(batch, late)
    places = [*whole, *late, *forward]
    if not places:
        return
    after = (
        [None] * len(whole)
        + [batch.lines[one].checkpoint_until for one in late]
        + [instant(float(batch.tracks.rows[one, fold.AT])) for one in forward]
    )
    evidence = evidence_of(session, batch, places, after)
    if whole:
        _begin_anew(batch, whole, evidence)
    again = np.array([*whole, *late], dtype=np.int64)
    cut_s = np.full(len(batch.lines), -np.inf)
    cut_s[again] = (now - CHECKPOINT_AGE).timestamp()
    kept = track.run(
        batch.tracks,
        evidence.line,
        evidence.observed_s,
        evidence.reading,
        evidence.names,
        evidence.book,
        batch.by,
        spans=batch.spans,
        cut_s=cut_s if len(again) else None,
    )
    batch.stepped.update(places)
    batch.stale.difference_update(whole)
    if kept is not None:
        _cut(batch, again, kept, now - CHECKPOINT_AGE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of places in a batch, sorted by place and in the order of evidence."""

    line: Indices
    observed_s: Floats
    reading: Indices
    names: list[bytes]
    book: Codebook


def _take_up_checkpoints(batch: Batch, numbers: Sequence[int]) -> None:
    if numbers:
        packed = [batch.lines[one].checkpoint or b"" for one in numbers]
        batch.tracks.put(np.array(numbers, dtype=np.int64), unpacked(packed))


def _begin_anew(batch: Batch, whole: Sequence[int], evidence: Evidence) -> None:
    """Fresh tracks that begin at registration, or at the first evidence where that is older."""
    begin = np.array([line.registered_at.timestamp() for line in batch.lines])
    np.minimum.at(begin, evidence.line, evidence.observed_s)
    places = np.array(whole, dtype=np.int64)
    batch.tracks.put(places, Tracks[bytes].fresh(begin[places], batch.by))


def _cut(batch: Batch, again: Indices, kept: Tracks[bytes], until: datetime) -> None:
    packed = _packed(kept, again)
    for one, blob in zip(again.tolist(), packed, strict=True):
        # Of a line that began later, all that was observed up to its begin needs the begin anew.
        batch.cut[one] = blob, max(until, instant(float(kept.rows[one, fold.AT])))


def evidence_of(
    session: Session, batch: Batch, places: Sequence[int], after: Sequence[datetime | None]
) -> Evidence:
    """The stored evidence of these places that was observed after the instants beside them (None: all)."""
    rows = session.execute(
        _SIGNALS,
        {
            "ids": plain_array(batch.lines[one].id for one in places),
            "places": plain_array(places),
            "after": "{"
            + ",".join("-infinity" if at is None else f'"{at.isoformat()}"' for at in after)
            + "}",
            "most": MAX_REPLAYED,
        },
    ).all()
    ordered = _in_order(rows)
    numbers: dict[tuple[str, str, str], int] = {}
    reading = [numbers.setdefault((row[3], row[4], row[5]), len(numbers)) for row in ordered]
    book = Codebook.of(
        [(source, Reading(Meaning(meaning), grade, "")) for source, meaning, grade in numbers], batch.by
    )
    return Evidence(
        np.array([row[0] for row in ordered], dtype=np.int64),
        np.array([row[2].timestamp() for row in ordered]),
        np.array(reading, dtype=np.int64),
        [row[1] for row in ordered],
        book,
    )


def _in_order(rows: Sequence[Any]) -> list[Any]:
    """Rows in the order of evidence: as `Signal.sort_key`, whose last part is worked out for ties alone."""
    ordered: list[Any] = []
    for _, some in groupby(
        sorted(rows, key=lambda row: (row[0], row[2], row[3], row[6] or "", row[7] or "")),
        key=lambda row: (row[0], row[2], row[3], row[6], row[7]),
    ):
        same = list(some)
        if len(same) > 1:
            same.sort(key=lambda row: rfc8785.dumps(json.loads(row[8])))
        ordered += same
    return ordered


# What says nothing is not read: the meaning is that of the tables when the signal came.
_SIGNALS = text(
    """
    SELECT w.place, uuid_send(s.id), s.observed_at, s.source, s.meaning, s.grade, s.provider, s.code, s.attributes::text
    FROM unnest(CAST(:ids AS uuid[]), CAST(:places AS int[]), CAST(:after AS timestamptz[])) AS w(line_id, place, after)
    CROSS JOIN LATERAL (
      SELECT * FROM line_signal s WHERE s.line_id = w.line_id AND s.observed_at > w.after AND s.meaning IS NOT NULL
      ORDER BY s.observed_at DESC LIMIT :most) AS s
    """
)


# --- storing ---------------------------------------------------------------------------------------


def store(session: Session, batch: Batch, *, now: datetime) -> None:
    """Store the tracks that were stepped, with their new checkpoints."""
    places = np.array(sorted(batch.stepped), dtype=np.int64)
    if not len(places):
        return
    lines = [batch.lines[one] for one in places.tolist()]
    cuts = [batch.cut.get(one) for one in places.tolist()]
    session.execute(
        _STORE,
        {
            "borrowers": plain_array(line.borrower_id for line in lines),
            "ids": plain_array(line.id for line in lines),
            "tracks": plain_array(blob.hex() for blob in _packed(batch.tracks, places)),
            "checkpoints": plain_array("NULL" if cut is None else cut[0].hex() for cut in cuts),
            "untils": "{"
            + ",".join("NULL" if cut is None else f'"{cut[1].isoformat()}"' for cut in cuts)
            + "}",
            "version": kept_by(batch.by),
            "now": now,
        },
    )
    batch.stepped.clear()
    batch.cut.clear()


_STORE = text(
    """
    UPDATE line_belief b SET track = decode(n.track, 'hex'),
      checkpoint = coalesce(decode(n.checkpoint, 'hex'), b.checkpoint),
      checkpoint_until = coalesce(n.until, b.checkpoint_until), params_version = :version, folded_at = :now
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:ids AS uuid[]), CAST(:tracks AS text[]), CAST(:checkpoints AS text[]),
      CAST(:untils AS timestamptz[])) AS n(borrower_id, line_id, track, checkpoint, until)
    WHERE b.borrower_id = n.borrower_id AND b.line_id = n.line_id
    """
)


def _packed(tracks: Tracks[bytes], places: Indices) -> list[bytes]:
    """A track as bytes: its row as little-endian doubles, then the ids of what moved it."""
    rows = np.ascontiguousarray(tracks.rows[places], dtype="<f8")
    return [
        rows[number].tobytes() + b"".join(tracks.moved[place]) for number, place in enumerate(places.tolist())
    ]


def unpacked(packed: Sequence[bytes]) -> Tracks[bytes]:
    """The tracks in stored bytes."""
    rows = np.frombuffer(b"".join(one[:_ROW_BYTES] for one in packed), dtype="<f8")
    moved = [
        tuple(one[at : at + _NAME_BYTES] for at in range(_ROW_BYTES, len(one), _NAME_BYTES))
        if len(one) > _ROW_BYTES
        else ()
        for one in packed
    ]
    return Tracks(rows.reshape(len(packed), track.WIDTH).astype(np.float64), moved)
