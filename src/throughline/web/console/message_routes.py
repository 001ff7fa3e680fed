"""Routes of messages: how each stands, and what has happened to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse

from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.messaging import service as messaging
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("messaging:read"))]


@router.get("/console/message-routes")
def route_list(request: Request, session: Reading, caller: Reader) -> HTMLResponse:
    """All routes, by channel and priority."""
    del caller
    return show(request, "message_routes.html", rows=messaging.all_routes(session))


@router.get("/console/message-routes/{name}")
def route_page(
    request: Request,
    name: Annotated[str, Path(max_length=40)],
    session: Reading,
    page: PageParams,
    caller: Reader,
) -> HTMLResponse:
    """One route with what has happened to it."""
    del caller
    one = messaging.one_route(session, name)
    rows = messaging.events_of(session, name, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(request, "message_route.html", one=one, rows=found.items, next_cursor=found.next_cursor)
