"""Signing in without a phone line, and out."""

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
from throughline.web.borrower.common import PageRoute, safe_path, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)


@router.get("/sign-in")
def sign_in_page(request: Request, back: Annotated[str | None, Query(alias="next")] = None) -> HTMLResponse:
    """Sign in: passkey first, code app and recovery code beside it. No SMS anywhere."""
    return show(request, "sign_in.html", back=safe_path(back), values={})


@router.post("/sign-in")
def sign_in(request: Request, form: Form) -> Response:
    """Sign in without a passkey: a code of the app and, on a new browser, a recovery code."""
    back = safe_path(form.get("next"))
    try:
        limit_sign_ins(request, now=clock.real_now())
        # One guess in a transaction: identity counts it in another one, which outlives a refusal.
        begun = database().run(
            lambda session: identity.sign_in_with_codes(
                session,
                form.get("identifier", "")[:254],
                form.get("totp", "")[:12],
                form.get("recovery_code", "")[:64] or None,
                browser_of(request),
                now=clock.real_now(),
            )
        )
    except Problem as problem:
        return show(request, "sign_in.html", problem=problem, back=back, values=form)
    answer = RedirectResponse(back, status_code=303)
    set_cookies(answer, begun)
    return answer


@router.post("/sign-out")
def sign_out(caller: AnyCaller) -> RedirectResponse:
    """End the session and make the browser forget it."""
    borrower_id, session_id = caller.id, caller.session_id
    if caller.kind in {"borrower", "enrolling"} and borrower_id and session_id:
        database().run(
            lambda session: identity.end_session(
                session, borrower_id, session_id, reason="signed out", now=clock.real_now()
            )
        )
    answer = RedirectResponse("/", status_code=303)
    answer.headers.append("Set-Cookie", identity.clear_session_cookie())
    return answer
