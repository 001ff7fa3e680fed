"""The books: the trial balance, whose two sides are equal, and the entries behind it."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from throughline.kernel.http import PageParams, Reading, paged
from throughline.ledger import service as ledger
from throughline.web.console import figures
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute, dependencies=[Depends(staff_with("ledger:read"))])


@router.get("/console/ledger")
def trial_balance(
    request: Request, session: Reading, on: Annotated[date | None, Query()] = None
) -> HTMLResponse:
    """Every account, up to a posting date."""
    rows = ledger.trial_balance(session, on=on)
    return show(request, "ledger.html", rows=rows, sums=figures.sums_of(rows), on=on)


@router.get("/console/ledger/entries")
def entry_list(
    request: Request,
    session: Reading,
    page: PageParams,
    source: Annotated[str | None, Query(max_length=100)] = None,
) -> HTMLResponse:
    """Entries in the order of posting; of a source such as "loan:<id>", or all."""
    rows = ledger.entries(session, source=source, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(request, "entries.html", rows=found.items, source=source, next_cursor=found.next_cursor)


@router.get("/console/ledger/entries/{entry_id}")
def entry_page(request: Request, entry_id: UUID, session: Reading) -> HTMLResponse:
    """One entry."""
    return show(request, "entry.html", entry=figures.entry(session, entry_id))
