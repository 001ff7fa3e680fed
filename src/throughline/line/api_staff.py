"""HTTP of line for staff: lists of lines, one line over time, questions, how the carriers do."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from throughline.kernel import clock, http
from throughline.kernel.http import Paged, PageParams, Reading, problems
from throughline.kernel.i18n import Text
from throughline.line import reading, service
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


class QueryOut(BaseModel):
    """A question about a line. `outcome` is answered, unknown, refused or error; null while it is open.

    `cost_minor` is what the provider bills for it.
    """

    id: UUID
    source: str
    provider: str | None
    purpose: str
    reason: str
    asked_at: datetime
    answered_at: datetime | None
    outcome: str | None
    cost_minor: int


class CarrierOut(BaseModel):
    """How a carrier's lines do; `by_state` counts them by public state."""

    carrier: str
    lines: int
    by_state: dict[str, int]
    alarms: int
    open_incidents: int
    signals_last_hour: int
    last_signal_at: datetime | None


class SpendOut(BaseModel):
    """Questions to a source on one day (UTC) by outcome ("open": not answered yet), and what they cost."""

    source: str
    day: date
    outcome: str
    questions: int
    cost_minor: int


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
    """How the lines of each carrier do, by name."""
    now = clock.now()
    return [
        CarrierOut.model_validate(one, from_attributes=True) for one in service.carriers(session, now=now)
    ]


@router.get("/spend", responses=problems(401, 403, 422), dependencies=READER)
def read_spend(session: Reading, days: Annotated[int, Query(ge=1, le=90)] = 14) -> list[SpendOut]:
    """Questions by day, source and outcome, the newest day first (at most 1,000 rows)."""
    now = clock.now()
    rows = service.spend(session, since=now - timedelta(days=days), until=now)
    return [SpendOut.model_validate(one, from_attributes=True) for one in rows]


@router.get("/{line_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_line(session: Reading, line_id: UUID) -> LineOut:
    """One line."""
    return LineOut.model_validate(reading.line(session, line_id), from_attributes=True)


@router.get("/{line_id}/queries", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_queries(
    session: Reading, line_id: UUID, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[QueryOut]:
    """The questions about a line, the newest first."""
    reading.line_row(session, line_id)
    rows = reading.queries(session, line_id, limit=limit)
    return [QueryOut.model_validate(row, from_attributes=True) for row in rows]
