"""HTTP of line for staff: lists of lines, one line over time, questions, how the carriers do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from throughline.kernel import clock, http
from throughline.kernel.http import Paged, PageParams, Reading, problems
from throughline.kernel.i18n import Text
from throughline.line import reading
from throughline.line.state import PublicState

router = APIRouter(prefix="/lines")
READER = [Depends(http.require_scope("line:read"))]


class LineOut(BaseModel):
    """A line and the belief about it; `probability` is of `state`. `stale`: its carrier is not heard any more."""

    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    carrier: str
    state: str
    probability: str
    since: datetime
    alarm: bool
    reason: Text
    stale: bool


class PointOut(BaseModel):
    """Probabilities of the public states at an instant; they sum to 1."""

    at: datetime
    states: dict[PublicState, float]


class QueryOut(BaseModel):
    """A question about a line. `outcome` is answered, unknown, refused or error; null while it is open."""

    id: UUID
    source: str
    purpose: str
    reason: str
    asked_at: datetime
    answered_at: datetime | None
    outcome: str | None


class CarrierOut(BaseModel):
    """How a carrier's lines do. `subscriptions` are those that live, `last_event_at` their newest notice."""

    carrier: str
    lines: int
    alarms: int
    states: dict[str, int]
    subscriptions: int
    last_event_at: datetime | None


class SpendOut(BaseModel):
    """Questions of one day (UTC) to one source, by outcome; `open` ones have no answer yet."""

    day: date
    source: str
    answered: int
    unknown: int
    refused: int
    failed: int
    open: int


@router.get("/all", responses=problems(401, 403, 422), dependencies=READER)
def list_all_lines(
    session: Reading,
    page: PageParams,
    state: Annotated[PublicState | None, Query()] = None,
    alarm: Annotated[bool | None, Query()] = None,
) -> Paged[LineOut]:
    """All lines that are watched, the newest first."""
    rows = reading.lines(session, state=state, alarm=alarm, after=page.after, limit=page.limit + 1)
    shown = [LineOut.model_validate(row, from_attributes=True) for row in rows]
    return http.paged(shown, page, lambda row: row.line_id)


@router.get("/carriers", responses=problems(401, 403), dependencies=READER)
def read_carriers(session: Reading) -> list[CarrierOut]:
    """How the lines and subscriptions of each carrier do."""
    return [CarrierOut.model_validate(one, from_attributes=True) for one in reading.carriers(session)]


@router.get("/spend", responses=problems(401, 403, 422), dependencies=READER)
def read_spend(session: Reading, days: Annotated[int, Query(ge=1, le=90)] = 14) -> list[SpendOut]:
    """Questions by day and source, the newest day first (at most 200 rows)."""
    since = clock.now() - timedelta(days=days)
    return [SpendOut.model_validate(one, from_attributes=True) for one in reading.spend(session, since=since)]


@router.get("/{line_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_line(session: Reading, line_id: UUID) -> LineOut:
    """One line."""
    return LineOut.model_validate(reading.line(session, line_id), from_attributes=True)


@router.get("/{line_id}/history", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_history(
    session: Reading,
    line_id: UUID,
    since: Annotated[datetime | None, Query(description="Default: 30 days ago")] = None,
    until: Annotated[datetime | None, Query(description="Default: now")] = None,
    points: Annotated[int, Query(ge=2, le=reading.MOST_POINTS)] = 160,
) -> list[PointOut]:
    """The belief of a line over time, by all that is known today; empty for a line just registered."""
    end = _aware(until) or clock.now()
    start = _aware(since) or end - timedelta(days=30)
    found = reading.history(session, line_id, since=start, until=end, points=points)
    return [PointOut(at=at, states=states) for at, states in found.points]


@router.get("/{line_id}/queries", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_queries(
    session: Reading, line_id: UUID, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[QueryOut]:
    """The questions about a line, the newest first."""
    reading.line_row(session, line_id)
    rows = reading.queries(session, line_id, limit=limit)
    return [QueryOut.model_validate(row, from_attributes=True) for row in rows]


def _aware(at: datetime | None) -> datetime | None:
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)
