"""Borrowers, masked: their lines, loans, applications, outages and consents."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity import service as continuity
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.lending import service as lending
from throughline.line import service as line
from throughline.origination import service as origination
from throughline.parties import service as parties
from throughline.parties.models import Person
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute, dependencies=[Depends(staff_with("parties:read"))])

NEWEST = 20


@router.get("/console/borrowers")
def borrower_list(request: Request, session: Reading, page: PageParams) -> HTMLResponse:
    """All borrowers, newest first."""
    query = select(Person.borrower_id).where(Person.discarded_at.is_(None))
    if page.after is not None:
        query = query.where(Person.borrower_id < page.after)
    ids = list(session.scalars(query.order_by(Person.borrower_id.desc()).limit(page.limit + 1)))
    found = paged(ids, page, lambda borrower_id: borrower_id)
    return show(
        request,
        "borrowers.html",
        rows=[(parties.profile(session, one), line.lines_of(session, one)) for one in found.items],
        next_cursor=found.next_cursor,
    )


@router.get("/console/borrowers/{borrower_id}")
def borrower(
    request: Request,
    borrower_id: UUID,
    session: Reading,
    caller: Annotated[
        Caller,
        Depends(staff_with("line:read", "lending:read", "origination:read", "continuity:read")),
    ],
) -> HTMLResponse:
    """One borrower: everything that hangs on them, newest first."""
    del caller
    return show(
        request,
        "borrower.html",
        profile=parties.profile(session, borrower_id),
        points=parties.contact_points(session, borrower_id),
        lines={one.contact_point_id: one for one in line.lines_of(session, borrower_id)},
        loans=lending.loans_of(session, borrower_id, limit=NEWEST),
        applications=origination.applications(session, borrower_id=borrower_id, after=None, limit=NEWEST),
        episodes=continuity.episodes_page(session, borrower_id=borrower_id, after=None, limit=NEWEST),
        consents=parties.consents(session, borrower_id, limit=NEWEST),
    )


def masked_names(session: Session, borrower_ids: set[UUID]) -> dict[UUID, str]:
    """Masked names for the rows of a list; a person who is gone has none."""
    names = {}
    for borrower_id in borrower_ids:
        try:
            names[borrower_id] = parties.profile(session, borrower_id).name
        except parties.UnknownPerson:
            names[borrower_id] = "–"
    return names
