"""How carriers and the questions to them stand, for staff pages and the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from throughline.line.models import LineIncident


@dataclass(frozen=True, slots=True)
class CarrierHealth:
    """A carrier's lines as they were told last, and what was heard of them in the last hour."""

    carrier: str
    lines: int
    by_state: dict[str, int]
    alarms: int
    open_incidents: int
    signals_last_hour: int
    last_signal_at: datetime | None


@dataclass(frozen=True, slots=True)
class Spend:
    """Questions to a source on one day (UTC), by outcome; "open" has no outcome yet."""

    source: str
    day: date
    outcome: str
    questions: int
    cost_minor: int


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident. `region` is empty for a carrier as a whole; `cleared_at` empty while it goes on."""

    id: UUID
    carrier: str
    region: str
    onset_at: datetime
    raised_at: datetime
    cleared_at: datetime | None
    lines: int


def carriers(session: Session, *, now: datetime) -> list[CarrierHealth]:
    """Each carrier that has lines, by name."""
    states: dict[str, dict[str, int]] = {}
    alarms: dict[str, int] = {}
    for carrier, state, count, raised in session.execute(
        text("SELECT carrier, state, count(*), count(*) FILTER (WHERE alarm) FROM line_line GROUP BY 1, 2")
    ):
        states.setdefault(carrier, {})[state] = count
        alarms[carrier] = alarms.get(carrier, 0) + raised
    heard = {
        carrier: (count, last)
        for carrier, count, last in session.execute(
            text(
                "SELECT l.carrier, count(*), max(s.received_at) FROM line_signal s JOIN line_line l"
                " ON l.borrower_id = s.borrower_id AND l.id = s.line_id WHERE s.received_at > :since GROUP BY 1"
            ),
            {"since": now - timedelta(hours=1)},
        )
    }
    running = session.execute(
        text("SELECT carrier, count(*) FROM line_incident WHERE cleared_at IS NULL GROUP BY 1")
    )
    open_: dict[str, int] = {row[0]: row[1] for row in running}
    return [
        CarrierHealth(
            carrier,
            sum(by_state.values()),
            by_state,
            alarms[carrier],
            open_.get(carrier, 0),
            *heard.get(carrier, (0, None)),
        )
        for carrier, by_state in sorted(states.items())
    ]


def spend(session: Session, *, since: datetime, until: datetime, limit: int = 1_000) -> list[Spend]:
    """Questions by source, day and outcome, newest day first, at most `limit` rows."""
    rows = session.execute(
        text(
            "SELECT source, CAST(asked_at AT TIME ZONE 'UTC' AS date), coalesce(outcome, 'open'), count(*),"
            " CAST(sum(cost_minor) AS bigint) FROM line_query"
            " WHERE asked_at >= :since AND asked_at < :until GROUP BY 1, 2, 3 ORDER BY 2 DESC, 1, 3 LIMIT :limit"
        ),
        {"since": since, "until": until, "limit": limit},
    )
    return [Spend(*row) for row in rows]


def incidents(
    session: Session, *, open_only: bool = False, after: UUID | None = None, limit: int = 50
) -> list[IncidentView]:
    """Incidents, newest first; `after`: the id of the last one of the page before."""
    query = select(LineIncident).order_by(LineIncident.id.desc()).limit(limit)
    if open_only:
        query = query.where(LineIncident.cleared_at.is_(None))
    if after is not None:
        query = query.where(LineIncident.id < after)
    return [
        IncidentView(row.id, row.carrier, row.region, row.onset_at, row.raised_at, row.cleared_at, row.lines)
        for row in session.scalars(query)
    ]
