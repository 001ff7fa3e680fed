"""Messages: what we wanted to say, by which routes it went, what came of each; texts stay with the borrower."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from throughline.kernel.errors import NotFound
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.messaging import service as messaging
from throughline.messaging.steps import OUTCOMES
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("messaging:read", "parties:read"))]


@router.get("/console/messages")
def message_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    state: Annotated[str | None, Query(max_length=20)] = None,
    borrower: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """Messages, newest first; of one outcome, of one borrower, or all."""
    del caller
    if state is not None and state not in OUTCOMES:
        raise NotFound
    rows = messaging.intents(
        session, borrower_id=borrower, state=state, after=page.after, limit=page.limit + 1
    )
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "messages.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        state=state,
        states=OUTCOMES,
        borrower=borrower,
        next_cursor=found.next_cursor,
    )


@router.get("/console/messages/{intent_id}")
def message_page(request: Request, intent_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One message with its steps, attempts and receipts; addresses masked."""
    del caller
    story = messaging.intent_story(session, intent_id)
    return show(
        request,
        "message.html",
        intent=story.intent,
        read=story.read,
        steps=story.steps,
        names=masked_names(session, {story.intent.borrower_id}),
    )
