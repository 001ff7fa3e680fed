"""Taking in evidence of many lines: stored once, its lines marked, folded by a job that takes marks away.

Signals, marks and the job stand in one transaction. The job takes marks, folds and deletes them in another: a
process that dies loses nothing, and a line that is folded twice comes to the same belief.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

import rfc8785
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.line import measures
from throughline.line.emissions import read
from throughline.line.signals import Reading, Signal

CHUNK = 2_000  # marks that one transaction folds
MAX_SIGNALS = 20_000
FOLD = "line.fold"
_AGAIN_AFTER = timedelta(minutes=10)
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # meanings do not depend on it


def store(session: Session, pairs: Sequence[tuple[UUID, Signal]], *, now: datetime) -> dict[UUID, datetime]:
    """Store observations of lines; returns the oldest new instant that says something, by line.

    A repeat is no new evidence, an unknown code is stored and says nothing, and a line that is not there takes
    nothing. What is dated later than now is taken as of now.
    """
    if len(pairs) > MAX_SIGNALS:
        raise ValueError(f"at most {MAX_SIGNALS} signals at once")
    rows = [_row(line_id, signal, now) for line_id, signal in pairs]
    # Two batches with the same signals must not wait for each other crosswise.
    rows.sort(key=lambda row: (row["line_id"], row["key"]))
    oldest: dict[UUID, datetime] = {}
    fresh: dict[str, int] = {}
    for line_id, since, source, count in session.execute(_STORE, {"rows": json.dumps(rows), "now": now}):
        fresh[source] = fresh.get(source, 0) + count
        if since is not None:
            oldest[line_id] = min(since, oldest.get(line_id, since))
    _count(rows, fresh)
    return oldest


def mark(session: Session, since: dict[UUID, datetime], pushed: set[UUID], *, now: datetime) -> None:
    """Leave lines to the folding job, which is queued with them."""
    if not since:
        return
    rows = [
        {"line_id": str(line_id), "since": at.isoformat(), "pushed": line_id in pushed}
        for line_id, at in since.items()
    ]
    session.execute(_MARK, {"rows": json.dumps(rows), "now": now})
    defer(session, FOLD, {}, priority=5)


def claim(session: Session, *, now: datetime, limit: int = CHUNK) -> tuple[dict[UUID, datetime], set[UUID]]:
    """Lock the lines of the oldest marks and take their marks: the oldest instant by line, and the pushed lines."""
    since: dict[UUID, datetime] = {}
    pushed: set[UUID] = set()
    for line_id, at, push in session.execute(_CLAIM, {"now": now, "limit": limit}):
        since[line_id] = min(at, since.get(line_id, at))
        if push:
            pushed.add(line_id)
    return since, pushed


def waiting(session: Session, *, now: datetime, limit: int) -> list[UUID]:
    """Lines with marks that may be taken, oldest first."""
    return list(session.execute(_WAITING, {"now": now, "limit": limit}).scalars())


def come_again(session: Session, *, now: datetime) -> None:
    """Marks of lines that others worked on are folded in a second."""
    if session.execute(_LEFT, {"now": now}).first() is not None:
        defer(session, FOLD, {}, priority=5, at=clock.real_now() + timedelta(seconds=1))


def overdue(session: Session, *, now: datetime) -> bool:
    """Whether marks have waited for more than a minute."""
    found = session.execute(_OVERDUE, {"now": now, "before": now - timedelta(minutes=1)})
    return found.first() is not None


def claim_of(session: Session, line_id: UUID) -> tuple[datetime | None, bool]:
    """Take away the marks of one line: the oldest instant, and whether a carrier gave notice."""
    rows = session.execute(_CLAIM_OF, {"line_id": line_id}).all()
    return min((at for at, _ in rows), default=None), any(push for _, push in rows)


def set_aside(session: Session, line_ids: Sequence[UUID], *, now: datetime) -> None:
    """Lines that could not be folded wait, longer each time, so that they hold up nobody else."""
    session.execute(
        _SET_ASIDE,
        {"ids": [str(one) for one in line_ids], "now": now, "wait_s": _AGAIN_AFTER.total_seconds()},
    )


_STORE = text(
    """
    WITH said AS (
      SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, line_id uuid, key text, source text,
        provider text, code text, attributes jsonb, meaning text, grade text, table_version text, observed_at timestamptz)),
    put AS (
      INSERT INTO line_signal (borrower_id, id, line_id, key, source, provider, code, attributes, meaning, grade,
        table_version, observed_at, received_at)
      SELECT l.borrower_id, s.id, s.line_id, s.key, s.source, s.provider, s.code, s.attributes, s.meaning, s.grade,
        s.table_version, s.observed_at, :now
      FROM said s JOIN line_line l ON l.id = s.line_id ORDER BY s.line_id, s.key
      ON CONFLICT (line_id, key) DO NOTHING
      RETURNING line_id, source, meaning, observed_at)
    SELECT line_id, min(observed_at) FILTER (WHERE meaning IS NOT NULL), source, count(*) FROM put GROUP BY line_id, source
    """
)
_MARK = text(
    """
    INSERT INTO line_dirty (line_id, since, pushed, marked_at, failures)
    SELECT line_id, since, pushed, :now, 0
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(line_id uuid, since timestamptz, pushed boolean)
    """
)
# Lines that somebody works on are passed over, so that two jobs never wait for each other; of the others all
# marks go at once, so that a line is folded once however often it was marked.
_CLAIM = text(
    """
    WITH oldest AS MATERIALIZED (
      SELECT DISTINCT line_id FROM (SELECT line_id FROM line_dirty WHERE not_before IS NULL OR not_before <= :now
        ORDER BY id LIMIT :limit) AS waiting),
    mine AS MATERIALIZED (
      SELECT l.id FROM line_line l JOIN oldest o ON o.line_id = l.id ORDER BY l.id FOR UPDATE OF l SKIP LOCKED)
    DELETE FROM line_dirty d USING mine WHERE d.line_id = mine.id RETURNING d.line_id, d.since, d.pushed
    """
)
_WAITING = text(
    "SELECT line_id FROM line_dirty WHERE not_before IS NULL OR not_before <= :now GROUP BY line_id"
    " ORDER BY min(id) LIMIT :limit"
)
_OVERDUE = text(
    "SELECT 1 FROM line_dirty WHERE marked_at < :before AND (not_before IS NULL OR not_before <= :now) LIMIT 1"
)
_LEFT = text("SELECT 1 FROM line_dirty WHERE not_before IS NULL OR not_before <= :now LIMIT 1")
_CLAIM_OF = text(
    """
    DELETE FROM line_dirty WHERE id IN (SELECT id FROM line_dirty WHERE line_id = :line_id FOR UPDATE SKIP LOCKED)
    RETURNING since, pushed
    """
)
_SET_ASIDE = text(
    """
    UPDATE line_dirty SET failures = failures + 1,
      not_before = CAST(:now AS timestamptz) + make_interval(secs => :wait_s * power(2, least(failures, 8)))
    WHERE line_id = ANY (CAST(:ids AS uuid[]))
    """
)


def _row(line_id: UUID, signal: Signal, now: datetime) -> dict[str, object]:
    attributes = dict(signal.attributes)
    reading = _reading(signal.source, signal.provider, signal.code, rfc8785.dumps(attributes))
    return {
        "id": str(new_id()),
        "line_id": str(line_id),
        "key": signal.key(),
        "source": signal.source,
        "provider": signal.provider,
        "code": signal.code,
        "attributes": attributes,
        "meaning": reading.meaning if reading else None,
        "grade": reading.grade if reading else None,
        "table_version": reading.table if reading else None,
        "observed_at": min(signal.observed_at, now).isoformat(),
    }


@lru_cache(maxsize=4_096)
def _reading(source: str, provider: str | None, code: str | None, attributes: bytes) -> Reading | None:
    return read(Signal(_ANY_TIME, source, provider, code, json.loads(attributes)))


def _count(rows: Sequence[dict[str, object]], fresh: dict[str, int]) -> None:
    sent: dict[str, int] = {}
    for row in rows:
        source = str(row["source"])
        sent[source] = sent.get(source, 0) + 1
        if row["meaning"] is None:
            measures.SIGNALS.labels(source, "unread").inc()
    for source, count in sent.items():
        new = fresh.get(source, 0)
        measures.SIGNALS.labels(source, "taken").inc(new)
        measures.SIGNALS.labels(source, "repeated").inc(count - new)
