"""HTTP of routes: how they stand, and what has happened to each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from throughline.kernel import http
from throughline.kernel.http import Paged, PageParams, Reading, problems
from throughline.messaging.routes import views

router = APIRouter(prefix="/api/v1", tags=["messaging"])
READER = [Depends(http.require_scope("messaging:read"))]
Name = Annotated[str, Path(max_length=40)]


class RouteOut(BaseModel):
    """A route: one of our own connections to a provider.

    `phase`: healthy; resting (it has failed and gets nothing); probing (one message tries it); waiting (that arrived,
    the climb begins at `until`); climbing. `share_percent`: how much of the traffic that its priority gives it reaches
    it. `why`: link, no-answers, failures-in-a-row, share-of-failures, receipts,
    probe. `missing`: what keeps it from being used.
    """

    name: str
    channel: str
    adapter: str
    priority: int = Field(description="The lowest is taken first")
    window: int = Field(description="Messages that may wait for their answers at once")
    rate_per_s: float | None
    classes: list[str] | None = Field(description="Of messages that it may carry; null: all")
    ready: bool
    missing: str
    phase: str
    share_percent: int
    until: datetime | None
    why: str
    falls: int = Field(description="In the last quarter of an hour, as the newest fall counted them")


class RouteEventOut(BaseModel):
    """A change of a route's traffic or phase."""

    id: UUID
    at: datetime
    phase: str
    share_percent: int
    why: str


class RoutesOut(BaseModel):
    """All routes, by channel and priority."""

    items: list[RouteOut]


@router.get("/message-routes", responses=problems(401, 403), dependencies=READER)
def list_routes(session: Reading) -> RoutesOut:
    """All routes that are set up (at most 50)."""
    rows = views.all_routes(session)
    return RoutesOut(items=[RouteOut.model_validate(row, from_attributes=True) for row in rows])


@router.get("/message-routes/{name}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_route(name: Name, session: Reading) -> RouteOut:
    """One route."""
    return RouteOut.model_validate(views.one_route(session, name), from_attributes=True)


@router.get("/message-routes/{name}/events", responses=problems(401, 403, 404, 422), dependencies=READER)
def list_route_events(name: Name, session: Reading, page: PageParams) -> Paged[RouteEventOut]:
    """What has happened to a route, the newest first."""
    rows = views.events_of(session, name, after=page.after, limit=page.limit + 1)
    found = [RouteEventOut.model_validate(row, from_attributes=True) for row in rows]
    return http.paged(found, page, lambda item: item.id)
