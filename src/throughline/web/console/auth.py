"""Signing staff in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from throughline.identity import service as identity
from throughline.identity.browsers import browser_of, limit_sign_ins, set_cookies
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Problem
from throughline.kernel.http import AnyCaller
from throughline.web import forms
from throughline.web.console.common import ConsoleRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)


def _back(path: str | None) -> str:
    """Only a page of the console is gone back to."""
    plain = path is not None and all(33 <= ord(char) < 127 for char in path)
    return path if path and plain and path.startswith("/console/") else "/console"


@router.get("/console/sign-in")
def sign_in_page(request: Request, back: Annotated[str | None, Query(alias="next")] = None) -> HTMLResponse:
    """Name and password."""
    return show(request, "sign_in.html", back=_back(back), name="", problem="")


@router.post("/console/sign-in")
def sign_in(request: Request, form: Form) -> Response:
    """Begin a staff session."""
    back, name = _back(form.get("next")), form.get("name", "")[:64]
    try:
        limit_sign_ins(request, now=clock.real_now())
        # One guess in a transaction: identity counts it in another one, which outlives a refusal.
        begun = database().run(
            lambda session: identity.staff_sign_in(
                session, name, form.get("password", "")[:128], browser_of(request), now=clock.real_now()
            )
        )
    except Problem as problem:
        said = forms.explain(request, problem)
        return show(request, "sign_in.html", status=problem.status, back=back, name=name, problem=said)
    answer = RedirectResponse(back, status_code=303)
    set_cookies(answer, begun)
    return answer


@router.post("/console/sign-out")
def sign_out(caller: AnyCaller) -> RedirectResponse:
    """End the staff session and make the browser forget it."""
    staff_id, session_id = caller.id, caller.session_id
    if caller.kind == "staff" and staff_id and session_id:
        database().run(
            lambda session: identity.end_session(
                session, staff_id, session_id, reason="signed out", now=clock.real_now()
            )
        )
    answer = RedirectResponse("/console/sign-in", status_code=303)
    answer.headers.append("Set-Cookie", identity.clear_session_cookie())
    return answer
