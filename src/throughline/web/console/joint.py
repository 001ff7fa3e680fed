"""Joint plans: the offers, the grants, and what they cost and what came after."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import joint_report
from throughline.continuity.joint_api import EFFECT_DAYS
from throughline.kernel import clock
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.kernel.settings import settings
from throughline.line.joint import orders, views
from throughline.line.joint.offers import offers
from throughline.line.joint.states import OPEN
from throughline.web import forms
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
READ = staff_with("continuity:read", "line:read", "parties:read")
STATES = ("requested", "granted", "refused", "ended", "unknown")
MONTHS = 12


@router.get("/console/joint", dependencies=[Depends(READ)])
def joint_page(
    request: Request,
    session: Reading,
    page: PageParams,
    state: Annotated[str | None, Query(pattern="^(requested|granted|refused|ended|unknown)$")] = None,
) -> HTMLResponse:
    """Offers, report, and a page of grants, newest first."""
    now = clock.now()
    today = clock.local_date(now, settings().zone)
    first, last = joint_report.months_back(today, MONTHS)
    rows = views.grants(session, state=state, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "joint.html",
        offers=[(one, one.in_force(today)) for one in offers()],
        cost=joint_report.cost(session, first=first, last=last),
        effect=joint_report.effect(
            session, first=first, last=last, days=EFFECT_DAYS, zone=settings().zone, now=now
        ),
        days=EFFECT_DAYS,
        months=MONTHS,
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        state=state,
        states=STATES,
        next_cursor=found.next_cursor,
    )


@router.get("/console/joint/{grant_id}")
def grant_page(
    request: Request,
    grant_id: UUID,
    session: Reading,
    caller: Annotated[Caller, Depends(READ)],
) -> HTMLResponse:
    """One grant with what it was decided on."""
    grant = views.grant(session, grant_id)
    return show(
        request,
        "joint_grant.html",
        grant=grant,
        names=masked_names(session, {grant.borrower_id}),
        may_ask=grant.state in OPEN and "continuity:write" in caller.scopes,
    )


@router.post("/console/joint/{grant_id}/ask")
def ask(
    request: Request,
    grant_id: UUID,
    form: Form,
    caller: Annotated[Caller, Depends(staff_with("continuity:write"))],
) -> Response:
    """Ask the carrier again."""

    def verb(session: Session) -> str:
        orders.ask_again(session, grant_id)
        return f"/console/joint/{grant_id}"

    return forms.once(request, caller, form, verb)
