"""What staff read of lines: lists, one line over time, questions and what they cost, how each carrier does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_
from throughline.line import service
from throughline.line.history import beliefs
from throughline.line.models import FeedSubscription, Line, LineQuery, LineSignal
from throughline.line.service import LineView
from throughline.line.signals import Signal
from throughline.line.state import PublicState

MOST_SIGNALS = 5_000  # of one line, for its history
MOST_POINTS = 400


class LineUnknown(NotFound):
    code = "line-unknown"
    title = N_("There is no such line")


@dataclass(frozen=True, slots=True)
class History:
    """A line's belief over time: `points` with probabilities of the public states, oldest first."""

    points: list[tuple[datetime, dict[PublicState, float]]]
    signals: int


@dataclass(frozen=True, slots=True)
class CarrierStanding:
    """How one carrier's lines do now; `states` counts them by public state."""

    carrier: str
    lines: int
    alarms: int
    states: dict[str, int]
    subscriptions: int
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class Spend:
    """Questions of one day to one source; `open` ones were not answered yet. `cost_minor` is what they cost."""

    day: date
    source: str
    answered: int
    unknown: int
    refused: int
    failed: int
    open: int


def line_row(session: Session, line_id: UUID) -> Line:
    """The row of a line. Raises LineUnknown."""
    row = session.scalars(select(Line).where(Line.id == line_id)).one_or_none()
    if row is None:
        raise LineUnknown
    return row


def line(session: Session, line_id: UUID) -> LineView:
    """A line as others see it. Raises LineUnknown."""
    return service.view(session, line_row(session, line_id))


def lines(
    session: Session,
    *,
    after: UUID | None,
    limit: int,
    state: PublicState | None = None,
    alarm: bool | None = None,
) -> list[LineView]:
    """Lines, the newest first, those with a state or an alarm only if asked so."""
    query = select(Line)
    if state is not None:
        query = query.where(Line.state == state)
    if alarm is not None:
        query = query.where(Line.alarm.is_(alarm))
    if after is not None:
        query = query.where(Line.id < after)
    rows = session.scalars(query.order_by(Line.id.desc()).limit(limit))
    return [service.view(session, row) for row in rows]


def history(session: Session, line_id: UUID, *, since: datetime, until: datetime, points: int) -> History:
    """The belief of a line at so many instants (2 to 400) between two, by all that is known today.

    Raises LineUnknown.
    """
    row = line_row(session, line_id)
    wanted = min(max(points, 2), MOST_POINTS)
    said = session.execute(
        select(
            LineSignal.observed_at,
            LineSignal.source,
            LineSignal.provider,
            LineSignal.code,
            LineSignal.attributes,
        )
        .where(LineSignal.line_id == line_id, LineSignal.observed_at <= until)
        .order_by(LineSignal.observed_at.desc())
        .limit(MOST_SIGNALS)
    ).all()
    signals = [Signal(*one) for one in said]
    start = max(since, min([row.registered_at, *(one.observed_at for one in signals)]))
    step = (until - start) / (wanted - 1)
    instants = [start + step * number for number in range(wanted)] if step > timedelta() else []
    found = beliefs(signals, instants, start=row.registered_at)
    return History(list(zip(instants, found, strict=True)), len(signals))


def queries(session: Session, line_id: UUID, *, limit: int = 50) -> list[LineQuery]:
    """The questions about a line, the newest first."""
    return list(
        session.scalars(
            select(LineQuery)
            .where(LineQuery.line_id == line_id)
            .order_by(LineQuery.asked_at.desc(), LineQuery.id.desc())
            .limit(limit)
        )
    )


def carriers(session: Session) -> list[CarrierStanding]:
    """How the lines of each carrier do, by name."""
    counted = session.execute(
        select(Line.carrier, Line.state, func.count(), func.count().filter(Line.alarm))
        .group_by(Line.carrier, Line.state)
        .order_by(Line.carrier, Line.state)
        .limit(2_000)
    ).all()
    heard = {
        carrier: (count, last)
        for carrier, count, last in session.execute(
            select(Line.carrier, func.count(), func.max(FeedSubscription.last_event_at))
            .join(
                Line,
                (Line.borrower_id == FeedSubscription.borrower_id) & (Line.id == FeedSubscription.line_id),
            )
            .where(FeedSubscription.state == "active")
            .group_by(Line.carrier)
            .limit(200)
        )
    }
    states: dict[str, dict[str, int]] = {}
    alarms: dict[str, int] = {}
    for carrier, state, count, alarmed in counted:
        states.setdefault(carrier, {})[state] = count
        alarms[carrier] = alarms.get(carrier, 0) + alarmed
    return [
        CarrierStanding(name, sum(one.values()), alarms[name], one, *heard.get(name, (0, None)))
        for name, one in states.items()
    ]


def spend(session: Session, *, since: datetime, limit: int = 200) -> list[Spend]:
    """Questions by day (UTC) and source since an instant, the newest day first."""
    day = func.date(func.timezone("UTC", LineQuery.asked_at))
    outcome = LineQuery.outcome
    rows = session.execute(
        select(
            day,
            LineQuery.source,
            func.count().filter(outcome == "answered"),
            func.count().filter(outcome == "unknown"),
            func.count().filter(outcome == "refused"),
            func.count().filter(outcome == "error"),
            func.count().filter(outcome.is_(None)),
        )
        .where(LineQuery.asked_at >= since)
        .group_by(day, LineQuery.source)
        .order_by(day.desc(), LineQuery.source)
        .limit(limit)
    )
    return [Spend(*row) for row in rows]
