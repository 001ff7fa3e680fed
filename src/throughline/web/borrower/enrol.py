"""Getting a way in that needs no phone line: passkey, code app, recovery codes; and what they are worth."""

from __future__ import annotations

import json
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.identity import service as identity
from throughline.identity.browsers import Enroller, login_of, set_cookies
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound
from throughline.kernel.http import AnyCaller, Reading
from throughline.web.borrower.common import PageRoute, SeeOther, show
from throughline.web.borrower.qr import qr_image
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
FAMILIES = ("passkey", "totp", "recovery_codes")


@router.get("/enrol")
def enrol_page(request: Request, caller: AnyCaller, session: Reading) -> HTMLResponse:
    """The ways in that are there and could be added: could you still get in if your line stopped?"""
    if caller.kind not in {"borrower", "enrolling"} or caller.id is None or caller.session_id is None:
        raise SeeOther("/sign-in?next=/enrol")
    login = identity.living(session, caller.session_id, now=clock.real_now())
    onboarding = bool(login and login.enrols_until and login.enrols_until > clock.real_now())
    recovered = bool(login and set(login.methods) == {"totp", "recovery_code"})
    return show(
        request,
        "enrol.html",
        summary=identity.factors(session, caller.id),
        direct=onboarding or recovered,
        onboarding=onboarding,
        approvals={
            family: json.dumps({"action": identity.add_authenticator_action(family)}) for family in FAMILIES
        },
    )


@router.post("/enrol/totp")
def begin_totp(request: Request, caller: Enroller, form: Form) -> HTMLResponse:
    """A seed for a code app: as QR code and as text, shown this once."""

    def verb(session: Session) -> identity.NewCodeApp:
        now = clock.real_now()
        return identity.begin_totp(
            session, login_of(session, caller, now=now), now=now, proof_id=_proof(form)
        )

    app = database().run(verb)
    return show(
        request,
        "enrol_totp.html",
        authenticator_id=app.authenticator_id,
        seed=" ".join(app.seed[at : at + 4] for at in range(0, len(app.seed), 4)),
        uri=app.otpauth_uri,
        qr=qr_image(app.otpauth_uri),
    )


@router.post("/enrol/totp/confirm")
def confirm_totp(request: Request, caller: Enroller, form: Form) -> Response:
    """The app's first code. A wrong one asks again: the app holds the seed already."""
    authenticator_id = _id(form.get("authenticator_id"))

    def verb(session: Session) -> identity.Enrolled:
        now = clock.real_now()
        login = login_of(session, caller, now=now)
        return identity.confirm_totp(session, login, authenticator_id, form.get("code", "")[:12], now=now)

    try:
        done = database().run(verb)
    except (identity.WrongCode, identity.TooManyAttempts) as problem:
        return show(
            request,
            "enrol_totp.html",
            problem=problem,
            authenticator_id=authenticator_id,
            seed="",
            uri="",
            qr="",
        )
    answer = RedirectResponse("/enrol", status_code=303)
    if done.signed_in:
        set_cookies(answer, done.signed_in)
    return answer


@router.post("/enrol/recovery-codes")
def recovery_codes(request: Request, caller: Enroller, form: Form) -> HTMLResponse:
    """Ten fresh codes, shown this once, to print or write down."""

    def verb(session: Session) -> list[str]:
        now = clock.real_now()
        return identity.create_recovery_codes(
            session, login_of(session, caller, now=now), now=now, proof_id=_proof(form)
        )

    return show(request, "enrol_codes.html", codes=database().run(verb))


@router.post("/enrol/passkey")
def another_passkey(request: Request, caller: Enroller, form: Form) -> HTMLResponse:
    """After an old passkey approved it: the form that makes the new one."""
    return show(request, "enrol_passkey.html", body=json.dumps({"proof_id": str(_proof(form))}))


def _proof(form: dict[str, str]) -> UUID | None:
    return _id(form["proof_id"]) if form.get("proof_id") else None


def _id(text: str | None) -> UUID:
    try:
        return UUID(text or "")
    except ValueError:
        raise NotFound from None
