"""Proving a number over the carrier's network: the way there, the way back, and a page that says how it ended.

The way there is a page that goes on by itself, not a redirect of the form: a form may only lead to this site
(`form-action`), and carriers lead a browser over several hosts to see its line.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.continuity import network, numbers
from throughline.continuity.network import Returned
from throughline.continuity.numbers import NumberState
from throughline.identity.browsers import login_of
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.borrower.numbers import PAGE, proof_of, show_number
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
Brought = Annotated[str | None, Query()]  # judged with the visit, so that a person reads why it is none


@router.post(PAGE + "/{contact_point_id}/network")
def go(
    request: Request, contact_point_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Send the browser to the carrier of the number."""
    del borrower_id

    def verb(session: Session) -> str:
        now = clock.real_now()
        login = login_of(session, caller, now=now)
        going = network.begin(
            session, login, contact_point_id, proof_id=proof_of(form), now=clock.now(), real_now=now
        )
        return going.url

    try:
        url = forms.run_once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return show_number(request, session, caller, contact_point_id, problem)
    return show(request, "number_network.html", url=url, contact_point_id=contact_point_id)


@router.get(network.RETURN_PATH)
def come_back(
    request: Request,
    borrower_id: Borrower,
    caller: AnyCaller,
    state: Brought = None,
    code: Brought = None,
    error: Brought = None,
    iss: Brought = None,
) -> Response:
    """The carrier sent the browser back. What it brought leaves the address at once."""
    del request, borrower_id
    login = database().run(lambda session: login_of(session, caller, now=clock.real_now()))
    check_id = network.finish(login, Returned(state or "", code, error, iss))
    return RedirectResponse(f"{network.RETURN_PATH}/{check_id}", status_code=303)


@router.get(network.RETURN_PATH + "/{check_id}")
def ended(
    request: Request, check_id: UUID, borrower_id: Borrower, caller: AnyCaller, session: Reading
) -> HTMLResponse:
    """How it ended, and what to do next."""
    del borrower_id
    now = clock.real_now()
    login = login_of(session, caller, now=now)
    check = network.checked(session, login, check_id)
    number = numbers.number(session, login, check.contact_point_id, real_now=now)
    return show(
        request,
        "number_checked.html",
        check=check,
        one=number,
        # Proved in any way since: there is nothing left to do.
        settled=number.state is NumberState.PROVED,
    )
