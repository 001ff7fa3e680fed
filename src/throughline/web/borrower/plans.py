"""Plans with the carrier: what is offered for the line and what it means, accepting, how it stands, ending it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import joint
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading, locale_of
from throughline.kernel.i18n import N_
from throughline.line import service as line
from throughline.line.joint import orders, views
from throughline.line.joint.states import OPEN
from throughline.parties.purposes import CONSENT_TEXT_VERSION, CONSENT_TEXTS, Purpose
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
PAGE = 10

STATES = {
    "requested": N_("being ordered"),
    "granted": N_("in use"),
    "refused": N_("not granted"),
    "ended": N_("ended"),
    "unknown": N_("outcome not known"),
}
PAYERS = {
    "lender": N_("We pay for it. You pay nothing."),
    "carrier": N_("The carrier pays for it. You pay nothing."),
    "borrower": N_("You pay it back to the carrier later. It is no part of your loan with us."),
}


@router.get("/plans")
def plans_page(
    request: Request,
    borrower_id: Borrower,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """What is offered, what runs and what was. `after`: the list of grants is read on from this one."""
    return _page(request, session, borrower_id, after=after)


@router.post("/plans")
def accept(request: Request, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Accept an offer for a line."""
    evidence = {"channel": "web", "locale": locale_of(request), "text_version": CONSENT_TEXT_VERSION}

    def verb(session: Session) -> str:
        grant_id = joint.accept(
            session,
            borrower_id,
            _line_id(form.get("line_id", "")),
            form.get("offer_id", "")[:40],
            evidence if form.get("consent") == "yes" else None,
            now=clock.now(),
        )
        return f"/plans/{grant_id}"

    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return _page(request, session, borrower_id, problem=problem)


@router.get("/plans/{grant_id}")
def grant_page(request: Request, grant_id: UUID, borrower_id: Borrower, session: Reading) -> HTMLResponse:
    """How a grant stands."""
    grant = views.grant(session, grant_id, borrower_id=borrower_id)
    return show(
        request,
        "plan.html",
        grant=grant,
        states=STATES,
        payers=PAYERS,
        running=grant.state in OPEN,
        ending=grant.revoke_asked_at is not None and grant.state in OPEN,
    )


@router.post("/plans/{grant_id}/end")
def end(request: Request, grant_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """End a grant; the carrier is told afterwards."""

    def verb(session: Session) -> str:
        orders.ask_revoke(session, borrower_id, grant_id, "borrower", now=clock.now())
        return f"/plans/{grant_id}"

    return forms.once(request, caller, form, verb)


def _line_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise orders.OfferUnknown from None


def _page(
    request: Request,
    session: Session,
    borrower_id: UUID,
    *,
    after: UUID | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    offered = joint.offers_for(session, borrower_id, now=clock.now())
    rows = views.grants(session, borrower_id=borrower_id, after=after, limit=PAGE + 1)
    return show(
        request,
        "plans.html",
        problem=problem,
        errors={},
        lines=line.lines_of(session, borrower_id),
        offers=[one for one in offered if one.verdict.offerable],
        others=[(one, orders.refusal_texts(one.verdict)) for one in offered if not one.verdict.offerable],
        grants=rows[:PAGE],
        after_id=rows[PAGE - 1].id if len(rows) > PAGE else None,
        states=STATES,
        payers=PAYERS,
        consent_text=CONSENT_TEXTS[Purpose.JOINT_PLAN],
    )
