"""JSON API of line: lines, their timelines and all that is known of them; feeds; the carrier's callback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.http import BorrowerCaller, Caller, Reading, problems, require_scope
from throughline.line import reading, service
from throughline.line.api_evidence import router as evidence_router
from throughline.line.api_staff import LineOut
from throughline.line.api_staff import router as staff_router
from throughline.line.feed import callbacks, health
from throughline.line.feed.export import export
from throughline.line.joint import hooks as joint_hooks

router = APIRouter(prefix="/api/v1", tags=["line"])
hooks_router = APIRouter(prefix="/hooks/line", tags=["hooks"])
hooks_router.include_router(joint_hooks.router)
Reader = Annotated[Caller, Depends(require_scope("line:read"))]


class LineTimelineOut(BaseModel):
    """A signal or a transition."""

    id: UUID
    at: datetime
    kind: str
    details: dict[str, Any]


@router.get("/lines", responses=problems(401, 403))
def list_lines(caller: Reader, session: Reading, borrower_id: Annotated[UUID, Query()]) -> list[LineOut]:
    """The lines of a borrower (at most 20)."""
    del caller
    return [
        LineOut.model_validate(row, from_attributes=True) for row in service.lines_of(session, borrower_id)
    ]


@router.get("/lines/{line_id}/timeline", responses=problems(401, 403))
def read_timeline(
    caller: Reader,
    session: Reading,
    line_id: UUID,
    since: Annotated[datetime | None, Query(description="Default: 30 days ago")] = None,
    until: Annotated[datetime | None, Query(description="Default: now")] = None,
) -> list[LineTimelineOut]:
    """Signals and transitions of a line, oldest first, at most 200 of each."""
    del caller
    end = _aware(until) or clock.now() + timedelta(days=1)
    start = _aware(since) or end - timedelta(days=31)
    rows = service.timeline(session, line_id, since=start, until=end)
    return [LineTimelineOut.model_validate(row, from_attributes=True) for row in rows]


@router.get("/me/lines", responses=problems(401, 403))
def my_lines(caller: BorrowerCaller, session: Reading) -> list[LineOut]:
    """The caller's own lines, as we believe them to be, and why."""
    if caller.id is None:
        return []
    return [LineOut.model_validate(row, from_attributes=True) for row in service.lines_of(session, caller.id)]


class FeedOut(BaseModel):
    """What comes in from a provider: `fresh`, or `stale` since when."""

    name: str
    provider: str
    state: str
    since: datetime
    last_event_at: datetime | None


@router.get("/line-feeds", responses=problems(401, 403))
def list_feeds(caller: Reader, session: Reading) -> list[FeedOut]:
    """How the notices and answers of carriers and vendors come in."""
    del caller
    return [FeedOut.model_validate(row, from_attributes=True) for row in health.feeds(session)]


@router.get("/lines/{line_id}/export", responses=problems(401, 403, 404))
def export_line(caller: Reader, session: Reading, line_id: UUID) -> dict[str, Any]:
    """All that is known of a line and of the consents behind it, to answer its owner's request."""
    del caller
    borrower_id = reading.line_row(session, line_id).borrower_id
    return export(session, borrower_id, line_id)


@router.get("/me/lines/export", responses=problems(401, 403))
def export_my_lines(caller: BorrowerCaller, session: Reading) -> dict[str, Any]:
    """All that is known of the caller's lines."""
    return export(session, caller.id) if caller.id is not None else {}


@hooks_router.post(
    "/camara",
    status_code=204,
    responses=problems(400, 401),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/cloudevents+json": {"schema": {"type": "object"}}},
        }
    },
)
async def carrier_callback(
    request: Request, authorization: Annotated[str | None, Header(max_length=2000)] = None
) -> Response:
    """A carrier's CloudEvent. Answered after it is stored; a repeat is answered alike."""
    body = await request.body()
    await run_in_threadpool(
        lambda: database().run(
            lambda session: callbacks.hear(session, body, authorization, now=clock.now()), retry_s=10
        )
    )
    return Response(status_code=204)


def _aware(at: datetime | None) -> datetime | None:
    if at is None or at.tzinfo is not None:
        return at
    return at.replace(tzinfo=UTC)


router.include_router(evidence_router)
router.include_router(staff_router)
