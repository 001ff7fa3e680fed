"""The borrower's phone numbers: how each stands and why, proving one by a code, adding one, giving one up."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import numbers, permission
from throughline.identity import service as identity
from throughline.identity.browsers import login_of
from throughline.identity.service import LoginSession
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Caller, Reading
from throughline.kernel.i18n import N_
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
PAGE = "/account/numbers"
STATES = {
    "proved": N_("proved"),
    "unproved": N_("not proved yet"),
    "claimed": N_("waits for its proof"),
    "frozen": N_("stopped until you prove it"),
    "given_up": N_("given up"),
    "barred": N_("not used any more"),
}


@router.get(PAGE)
def numbers_page(
    request: Request, borrower_id: Borrower, caller: AnyCaller, session: Reading
) -> HTMLResponse:
    """All numbers of the borrower."""
    del borrower_id
    return _list(request, session, caller)


@router.post(PAGE)
def add_number(request: Request, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Add a number; it carries nothing until a code came back from it."""
    del borrower_id

    def verb(session: Session) -> str:
        login = login_of(session, caller, now=clock.real_now())
        return f"{PAGE}/{numbers.add(session, login, form.get('phone', '')[:60], now=clock.now())}"

    return _tried(
        request, caller, form, verb, lambda session, problem: _list(request, session, caller, problem)
    )


@router.get(PAGE + "/{contact_point_id}")
def number_page(
    request: Request, contact_point_id: UUID, borrower_id: Borrower, caller: AnyCaller, session: Reading
) -> HTMLResponse:
    """One number: why it is stopped, a code to it, the code typed back, giving it up."""
    del borrower_id
    return show_number(request, session, caller, contact_point_id)


@router.post(PAGE + "/{contact_point_id}/code")
def send_code(
    request: Request, contact_point_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Send a code to it."""
    del borrower_id

    def verb(session: Session, login: LoginSession) -> None:
        numbers.send_code(
            session,
            login,
            contact_point_id,
            proof_id=proof_of(form),
            now=clock.now(),
            real_now=clock.real_now(),
        )

    return _acted(request, caller, form, contact_point_id, verb)


@router.post(PAGE + "/{contact_point_id}/confirm")
def confirm(
    request: Request, contact_point_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Take the code that was typed."""
    del borrower_id

    def verb(session: Session, login: LoginSession) -> None:
        numbers.confirm(
            session,
            login,
            contact_point_id,
            form.get("code", "")[:40],
            now=clock.now(),
            real_now=clock.real_now(),
        )

    return _acted(request, caller, form, contact_point_id, verb)


@router.post(PAGE + "/{contact_point_id}/give-up")
def give_up(
    request: Request, contact_point_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """The number is no longer theirs."""
    del borrower_id

    def verb(session: Session, login: LoginSession) -> None:
        numbers.give_up(session, login, contact_point_id, now=clock.now())

    return _acted(request, caller, form, contact_point_id, verb)


def _acted(
    request: Request,
    caller: Caller,
    form: Form,
    contact_point_id: UUID,
    verb: Callable[[Session, LoginSession], None],
) -> Response:
    def run(session: Session) -> str:
        verb(session, login_of(session, caller, now=clock.real_now()))
        return f"{PAGE}/{contact_point_id}"

    return _tried(
        request,
        caller,
        form,
        run,
        lambda session, problem: show_number(request, session, caller, contact_point_id, problem),
    )


def _tried(
    request: Request,
    caller: Caller,
    form: Form,
    verb: Callable[[Session], str],
    again: Callable[[Session, Problem], Response],
) -> Response:
    """Run a form's verb; what stands in its way is said on the page that has the form."""
    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return again(session, problem)


def _list(request: Request, session: Session, caller: Caller, problem: Problem | None = None) -> HTMLResponse:
    now = clock.real_now()
    found = numbers.numbers(session, login_of(session, caller, now=now), real_now=now)
    return show(
        request,
        "numbers.html",
        problem=problem,
        errors={"phone": forms.explain(request, problem)} if problem else {},
        numbers=found,
        states=STATES,
        well_known="A2" in caller.scopes,
    )


def show_number(
    request: Request,
    session: Session,
    caller: Caller,
    contact_point_id: UUID,
    problem: Problem | None = None,
) -> HTMLResponse:
    """The page of one number; with a problem, what stands in the way of what was asked for."""
    now = clock.real_now()
    login = login_of(session, caller, now=now)
    one = numbers.number(session, login, contact_point_id, real_now=now)
    return show(
        request,
        "number.html",
        problem=problem,
        errors={},
        one=one,
        states=STATES,
        well_known="A2" in caller.scopes,
        can_prove=one.state not in {"barred"},
        permission_offered=permission.offered(session, login, contact_point_id),
        approval_json=json.dumps({"action": identity.prove_number_action(contact_point_id)}),
    )


def proof_of(form: dict[str, str]) -> UUID | None:
    """The approval that passkey.js put into a form; None without one."""
    try:
        return UUID(form.get("proof_id", ""))
    except ValueError:
        return None
