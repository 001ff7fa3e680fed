"""Permitting questions about a line at its carrier: how it stands there, the way to its page, and the way back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.continuity import numbers, permission
from throughline.continuity.permission import Begun
from throughline.identity.browsers import login_of
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.borrower.numbers import PAGE, show_number
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)


@router.post(PAGE + "/{contact_point_id}/permission")
def ask(
    request: Request, contact_point_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Ask the carrier how it stands; where the person can permit it there, go to its page."""
    del borrower_id

    def verb(session: Session) -> list[str]:
        login = login_of(session, caller, now=clock.real_now())
        begun = permission.begin(session, login, contact_point_id)
        return [str(begun.id), begun.state]

    try:
        visit_id, state = forms.run_once(request, caller, form, verb)
        login = database().run(lambda session: login_of(session, caller, now=clock.real_now()))
        page = permission.page_of(login, Begun(UUID(visit_id), contact_point_id, state))
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return show_number(request, session, caller, contact_point_id, problem)
    if page is None:
        return RedirectResponse(f"{permission.RETURN_PATH}/{visit_id}", status_code=303)
    return show(
        request,
        "line_permission_ask.html",
        url=page,
        host=urlsplit(page).hostname,
        contact_point_id=contact_point_id,
    )


@router.get(permission.RETURN_PATH)
def come_back(
    borrower_id: Borrower,
    caller: AnyCaller,
    state: Annotated[str, Query()] = "",
) -> Response:
    """The carrier sent the browser back. What its page says came of it is not asked: the ledger is."""
    del borrower_id
    login = database().run(lambda session: login_of(session, caller, now=clock.real_now()))
    visit_id = permission.finish(login, state)
    return RedirectResponse(f"{permission.RETURN_PATH}/{visit_id}", status_code=303)


@router.get(permission.RETURN_PATH + "/{visit_id}")
def stands(
    request: Request, visit_id: UUID, borrower_id: Borrower, caller: AnyCaller, session: Reading
) -> HTMLResponse:
    """How it stands."""
    del borrower_id
    now = clock.real_now()
    login = login_of(session, caller, now=now)
    standing = permission.standing(session, login, visit_id)
    number = numbers.number(session, login, standing.contact_point_id, real_now=now)
    return show(request, "line_permission.html", standing=standing, one=number)
