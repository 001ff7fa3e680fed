"""Incidents as they happen: quarters of an hour counted when they are over, opened and closed from the counts.

A group is a carrier and a home region; lines whose region is not known, or has too few lines to show anything, are
one group of their carrier. Fresh
failures of the quarter that is not over yet are looked at as well, so that an outage is known within minutes.
What was observed since an incident began is folded anew with the incident as an input.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.kernel.logging import get_logger
from throughline.line import measures
from throughline.line.events import RegionalIncidentClosed, RegionalIncidentOpened
from throughline.line.incident import BIN_S, DAY_BINS, FRESH_S, Limits, Series
from throughline.line.intake import FOLD
from throughline.line.models import LineBin, LineIncident
from throughline.line.parameters import Floats
from throughline.line.state import Meaning

log = get_logger(__name__)

MAX_BINS = 15 * DAY_BINS  # counted in one run, and kept
LATEST = timedelta(
    seconds=20
)  # after its end a bin is counted: transactions of its last moment have committed
REGION_FROM = 100  # lines: a fifth of them failing together is then an incident
FAILING = (Meaning.ABSENT, Meaning.OFF, Meaning.NO_RESPONSE)
_BIN = timedelta(seconds=BIN_S)
_MARK = ""  # the carrier of the row that says a bin is counted
Group = tuple[str, str]


def count_bins(session: Session, *, now: datetime) -> bool:
    """Count the oldest bins that are over and not counted, at most a day of them; False if there is none.

    After a standstill of days there are hundreds: counted one by one they would hold up what is due now.
    """
    last = session.execute(
        select(LineBin.begins_at).where(LineBin.carrier == _MARK).order_by(LineBin.begins_at.desc()).limit(1)
    ).scalar_one_or_none()
    if last is None:
        first = session.execute(text("SELECT min(received_at) FROM line_signal")).scalar_one()
        begin = _begin(max(first or now, now - MAX_BINS * _BIN))
    else:
        begin = max(last + _BIN, _begin(now - MAX_BINS * _BIN))
    end = min(_begin(now - LATEST), begin + DAY_BINS * _BIN)
    if end <= begin:
        return False
    over = [begin + number * _BIN for number in range(int((end - begin) / _BIN))]
    mine = set(
        session.scalars(
            insert(LineBin)
            .values(
                [{"carrier": _MARK, "region": "", "begins_at": at, "failing": 0, "beats": 0} for at in over]
            )
            .on_conflict_do_nothing()
            .returning(LineBin.begins_at)
        )
    )
    if mine:
        regroup(session)
        session.add_all(
            LineBin(carrier=carrier, region=region, begins_at=at, failing=failing, beats=beats)
            for at, carrier, region, failing, beats in _counts(session, begin, end, _BIN)
            if at in mine
        )
        session.execute(
            text("DELETE FROM line_bin WHERE begins_at < :oldest"), {"oldest": end - (MAX_BINS + 1) * _BIN}
        )
    return True


def regroup(session: Session) -> None:
    """Regions that have come to have enough lines are looked at by themselves from now on; none goes back."""
    session.execute(_REGROUP, {"least": REGION_FROM})


_REGROUP = text(
    """
    UPDATE line_line l SET region_group = l.home_region FROM (
      SELECT carrier, home_region FROM line_line WHERE home_region <> '' GROUP BY 1, 2 HAVING count(*) >= :least) AS g
    WHERE l.carrier = g.carrier AND l.home_region = g.home_region AND l.region_group <> l.home_region
    """
)


def detect(session: Session, *, now: datetime, limits: Limits | None = None) -> None:
    """Open and close incidents by the counts, and by what the bin that is not over shows already."""
    limits = limits or Limits()
    table = _table(session)
    if table is None:
        return
    running = {
        (row.carrier, row.region): row
        for row in session.scalars(
            select(LineIncident).where(LineIncident.cleared_at.is_(None)).with_for_update()
        )
    }
    ended = _ended(session)
    partial = {
        (carrier, region): failing
        for _, carrier, region, failing, _ in _counts(session, table.end, now, max(_BIN, now - table.end))
    }
    sizes = _sizes(session)
    for group in sorted({*table.failing, *partial, *running}):
        lines = sizes.get(group, 0)
        if lines < limits.least_lines:
            continue
        failing, beats = table.of(group)
        row = running.get(group)
        if row is not None:
            raised = table.place(row.onset_at) + 1
            if raised < table.bins:
                cleared = Series(failing, beats, lines, limits).cleared(max(raised, 0))
                if cleared < table.bins:
                    _close(session, row, table.begins(cleared + 1), now=now)
            continue
        found = _raised(table, group, partial.get(group, 0), lines, ended.get(group), limits)
        if found is not None:
            _open(session, group, table.begins(max(found - 1, 0)), now=now)


@dataclass(frozen=True, slots=True)
class _Table:
    """The counted bins of all groups, from the first that is kept."""

    start: datetime
    bins: int
    failing: dict[Group, Floats]
    beats: dict[Group, Floats]

    @property
    def end(self) -> datetime:
        """Where counting has come to."""
        return self.begins(self.bins)

    def begins(self, number: int) -> datetime:
        """When a bin begins."""
        return self.start + number * _BIN

    def place(self, at: datetime) -> int:
        """The number of the bin of an instant."""
        return int((at - self.start) // _BIN)

    def of(self, group: Group) -> tuple[Floats, Floats]:
        """A group's counts by bin."""
        none = np.zeros(self.bins)
        return self.failing.get(group, none), self.beats.get(group, none)


def _table(session: Session) -> _Table | None:
    rows = session.execute(
        select(LineBin.carrier, LineBin.region, LineBin.begins_at, LineBin.failing, LineBin.beats)
    ).all()
    marks = [at for carrier, _, at, _, _ in rows if carrier == _MARK]
    if not marks:
        return None
    start, bins = min(marks), int((max(marks) - min(marks)) / _BIN) + 1
    failing: dict[Group, Floats] = defaultdict(lambda: np.zeros(bins))
    beats: dict[Group, Floats] = defaultdict(lambda: np.zeros(bins))
    for carrier, region, at, failed, beaten in rows:
        if carrier != _MARK:
            place = int((at - start) / _BIN)
            failing[carrier, region][place] = failed
            beats[carrier, region][place] = beaten
    return _Table(start, bins, dict(failing), dict(beats))


def _raised(
    table: _Table, group: Group, partial: int, lines: int, ended: datetime | None, limits: Limits
) -> int | None:
    """The bin in which an incident shows: one of the last two, or the one that is not over."""
    failing, beats = table.of(group)
    # Heartbeats of a bin that is not over can't be missed yet.
    series = Series(np.append(failing, float(partial)), np.append(beats, np.inf), lines, limits)
    first = max(table.bins - 2, 0)
    if ended is not None:
        first = max(first, table.place(ended))
    return series.raised(first)


def _counts(
    session: Session, begin: datetime, end: datetime, width: timedelta
) -> list[tuple[datetime, str, str, int, int]]:
    """By bin of that width, carrier and region: distinct lines that freshly failed, and heartbeats, between two
    instants of receipt; the first of them is the begin of a bin."""
    rows = session.execute(
        _COUNT,
        {
            "begin": begin,
            "end": end,
            "failing": [one.value for one in FAILING],
            "beat": Meaning.DATA_OK.value,
            "width": width,
            "fresh": timedelta(seconds=FRESH_S),
        },
    )
    return [(at, carrier, region, failing, beats) for at, carrier, region, failing, beats in rows]


_COUNT = text(
    """
    SELECT date_bin(:width, s.received_at, :begin), l.carrier, l.region_group,
      count(DISTINCT s.line_id) FILTER (WHERE s.meaning = ANY (:failing)), count(*) FILTER (WHERE s.meaning = :beat)
    FROM line_signal s JOIN line_line l ON l.borrower_id = s.borrower_id AND l.id = s.line_id
    WHERE s.received_at >= :begin AND s.received_at < :end AND s.received_at - s.observed_at <= :fresh
      AND (s.meaning = ANY (:failing) OR s.meaning = :beat)
    GROUP BY 1, 2, 3
    """
)


def _sizes(session: Session) -> dict[Group, int]:
    rows = session.execute(text("SELECT carrier, region_group, count(*) FROM line_line GROUP BY 1, 2"))
    return {(carrier, region): count for carrier, region, count in rows}


def _ended(session: Session) -> dict[Group, datetime]:
    """When the last incident of each group ended: before that nothing is raised again."""
    rows = session.execute(
        text(
            "SELECT carrier, region, max(cleared_at) FROM line_incident WHERE cleared_at IS NOT NULL GROUP BY 1, 2"
        )
    )
    return {(carrier, region): at for carrier, region, at in rows}


def _open(session: Session, group: Group, onset: datetime, *, now: datetime) -> None:
    carrier, region = group
    lines = session.execute(_TOUCHED, _of_group(group) | {"onset": onset, "now": now}).scalar_one()
    incident_id = session.execute(
        insert(LineIncident)
        .values(
            id=new_id(),
            carrier=carrier,
            region=region,
            onset_at=onset,
            raised_at=now,
            cleared_at=None,
            lines=lines,
        )
        .on_conflict_do_nothing()
        .returning(LineIncident.id)
    ).scalar_one_or_none()
    if incident_id is None:
        return
    log.warning("an incident was opened", carrier=carrier, region=region, lines=lines)
    measures.INCIDENTS.labels("opened").inc()
    publish(
        session,
        RegionalIncidentOpened(incident_id, carrier, region, onset, now, lines),
        aggregate_type="line_incident",
        aggregate_id=incident_id,
        borrower_id=None,
    )
    _fold_anew(session, group, onset, now=now)


def _close(session: Session, row: LineIncident, cleared: datetime, *, now: datetime) -> None:
    row.cleared_at = min(cleared, now)
    row.lines = session.execute(
        _TOUCHED, _of_group((row.carrier, row.region)) | {"onset": row.onset_at, "now": row.cleared_at}
    ).scalar_one()
    session.flush()
    log.info("an incident is over", carrier=row.carrier, region=row.region, lines=row.lines)
    measures.INCIDENTS.labels("closed").inc()
    publish(
        session,
        RegionalIncidentClosed(row.id, row.carrier, row.region, row.onset_at, row.cleared_at, row.lines),
        aggregate_type="line_incident",
        aggregate_id=row.id,
        borrower_id=None,
    )
    _fold_anew(session, (row.carrier, row.region), row.cleared_at, now=now)


def _fold_anew(session: Session, group: Group, since: datetime, *, now: datetime) -> None:
    """What was observed since then means something else now."""
    session.execute(_ANEW, _of_group(group) | {"since": since, "now": now})
    defer(session, FOLD, {})


def _of_group(group: Group) -> dict[str, str]:
    return {"carrier": group[0], "region": group[1]}


# Received not before it was observed: so the index by receipt finds all of it.
_ANEW = text(
    """
    INSERT INTO line_dirty (line_id, since, pushed, marked_at, failures)
    SELECT DISTINCT s.line_id, CAST(:since AS timestamptz), false, CAST(:now AS timestamptz), 0
    FROM line_signal s JOIN line_line l ON l.borrower_id = s.borrower_id AND l.id = s.line_id
    WHERE s.received_at >= :since AND s.observed_at >= :since AND s.meaning IS NOT NULL
      AND l.carrier = :carrier AND l.region_group = :region
    """
)
# Lines that failed in it, and lines that beat in the hours before and fell silent.
_TOUCHED = text(
    f"""
    WITH mine AS (
      SELECT s.line_id, s.meaning, s.received_at FROM line_signal s
      JOIN line_line l ON l.borrower_id = s.borrower_id AND l.id = s.line_id
      WHERE s.received_at >= CAST(:onset AS timestamptz) - interval '6 hours' AND s.received_at <= :now
        AND l.carrier = :carrier AND l.region_group = :region),
    failed AS (SELECT DISTINCT line_id FROM mine WHERE received_at >= :onset
      AND meaning IN ({", ".join(f"'{one.value}'" for one in FAILING)})),
    silent AS (SELECT DISTINCT line_id FROM mine WHERE received_at < :onset AND meaning = 'data_ok'
      AND CAST(:now AS timestamptz) - CAST(:onset AS timestamptz) >= interval '30 minutes'
      EXCEPT SELECT line_id FROM mine WHERE received_at >= CAST(:onset AS timestamptz) + interval '15 minutes'
        AND meaning = 'data_ok')
    SELECT count(*) FROM (SELECT * FROM failed UNION SELECT * FROM silent) AS touched
    """
)


def _begin(at: datetime) -> datetime:
    """When the bin of an instant begins."""
    return datetime.fromtimestamp(at.timestamp() // BIN_S * BIN_S, UTC)
