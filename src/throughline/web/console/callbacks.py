"""Borrowers who wait for a call: the queue, one with the number, and what came of the call."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import callbacks
from throughline.kernel import clock
from throughline.kernel.errors import NotFound
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.web import forms
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("continuity:read", "parties:read"))]
Writer = Annotated[Caller, Depends(staff_with("continuity:write", "parties:read"))]


@router.get("/console/callbacks")
def callback_list(request: Request, session: Reading, page: PageParams, caller: Reader) -> HTMLResponse:
    """Who waits for a call, oldest first."""
    rows = callbacks.queue(session, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "callbacks.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        now=clock.now(),
        may="continuity:write" in caller.scopes,
        next_cursor=found.next_cursor,
    )


@router.get("/console/callbacks/{callback_id}")
def callback_page(request: Request, callback_id: UUID, session: Reading, caller: Writer) -> HTMLResponse:
    """One request with its number, for the person who calls."""
    del caller
    one = callbacks.view(session, callback_id)
    return show(request, "callback.html", one=one, names=masked_names(session, {one.borrower_id}))


@router.post("/console/callbacks/{callback_id}/{outcome}")
def called(request: Request, callback_id: UUID, outcome: str, caller: Writer, form: Form) -> Response:
    """Say what came of the call; once for the form."""
    if outcome not in ("reached", "not-reached") or caller.id is None:
        raise NotFound
    by = caller.id

    def verb(session: Session) -> str:
        callbacks.called(session, callback_id, reached=outcome == "reached", by=by, now=clock.now())
        return "/console/callbacks"

    return forms.once(request, caller, form, verb)
