"""Messages: everything that we wrote, also what a line that is out could not receive."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.http import Reading
from throughline.messaging import service as messaging
from throughline.web.borrower.common import Borrower, PageRoute, show

router = APIRouter(route_class=PageRoute)
PAGE = 20


@router.get("/inbox")
def inbox_page(
    request: Request,
    borrower_id: Borrower,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """The messages, newest first."""
    rows = messaging.inbox(session, borrower_id, after=after, limit=PAGE + 1)
    return show(
        request,
        "inbox.html",
        messages=rows[:PAGE],
        after_id=rows[PAGE - 1].id if len(rows) > PAGE else None,
    )


@router.get("/inbox/{message_id}")
def message_page(request: Request, message_id: UUID, borrower_id: Borrower) -> HTMLResponse:
    """One message; opening it marks it as read."""
    message = database().run(
        lambda session: messaging.mark_read(session, borrower_id, message_id, now=clock.now())
    )
    return show(request, "message.html", message=message)
