"""Landing, help, language, registration: what anybody may open."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.continuity import incidents
from throughline.identity import service as identity
from throughline.identity.browsers import browser_of, limit_registrations
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Problem
from throughline.kernel.http import PUBLIC, AnyCaller, Reading, locale_of
from throughline.kernel.i18n import LOCALES
from throughline.kernel.settings import settings
from throughline.parties.purposes import CONSENT_TEXT_VERSION, CONSENT_TEXTS, Purpose
from throughline.parties.records import NewPerson
from throughline.web import forms
from throughline.web.borrower.common import PageRoute, safe_path, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
A_YEAR_S = 365 * 24 * 3600

# Asked for at registration; the first three are needed for a loan.
CONSENTS = (Purpose.IDENTITY, Purpose.CREDIT, Purpose.CONTACT, Purpose.CONTINUITY)
NEEDED = CONSENTS[:3]


@router.get("/")
def landing(request: Request, caller: AnyCaller, session: Reading) -> Response:
    """What this lender offers, and the way in."""
    if caller.kind == "borrower":
        return RedirectResponse("/home", status_code=303)
    return show(request, "landing.html", going_on=incidents.running(session))


@router.get("/help")
def help_page(request: Request) -> HTMLResponse:
    """What still works without a phone line."""
    return show(request, "help.html")


@router.post("/language")
def language(form: Form) -> RedirectResponse:
    """Keep the chosen language in a cookie."""
    answer = RedirectResponse(safe_path(form.get("back"), "/"), status_code=303)
    if form.get("lang") in LOCALES:
        answer.set_cookie("lang", form["lang"], max_age=A_YEAR_S, httponly=True, samesite="lax")
    return answer


@router.get("/register")
def register_page(request: Request) -> HTMLResponse:
    """The registration form."""
    return _form(request, {})


@router.post("/register")
def register(request: Request, form: Form) -> Response:
    """Register, give consents, and open the short session in which the first factor is enrolled."""
    given = [purpose for purpose in CONSENTS if form.get(f"consent_{purpose.value}") == "yes"]
    locale = locale_of(request)
    new = NewPerson(
        name=form.get("name", ""),
        id_number=form.get("id_number", ""),
        phone=form.get("phone", ""),
        email=form.get("email", ""),
        locale=locale,
        zone=settings().zone,
    )
    evidence = {"channel": "registration", "locale": locale, "text_version": CONSENT_TEXT_VERSION}

    def verb(session: Session) -> str:
        return str(
            identity.register(session, new, given, evidence, now=clock.now(), real_now=clock.real_now())
        )

    try:
        limit_registrations(request, now=clock.real_now())
        # As nobody in particular: a repeat may already carry the cookie of the first answer.
        borrower_id = UUID(forms.run_once(request, PUBLIC, form, verb))
    except Problem as problem:
        return _form(request, form, problem)
    return _to_enrolment(request, borrower_id)


def _to_enrolment(request: Request, borrower_id: UUID) -> RedirectResponse:
    # Also for a repeated form, whose first answer was lost with its cookie.
    label = browser_of(request).label
    try:
        _, token = database().run(
            lambda session: identity.begin_enrolment(session, borrower_id, device=label, now=clock.real_now())
        )
    except identity.EnrolmentClosed:
        return RedirectResponse("/sign-in", status_code=303)
    answer = RedirectResponse("/enrol", status_code=303)
    answer.headers.append("Set-Cookie", identity.session_cookie(token))
    return answer


def _form(request: Request, values: dict[str, str], problem: Problem | None = None) -> HTMLResponse:
    return show(
        request,
        "register.html",
        problem=problem,
        values=values,
        consents=[(purpose.value, CONSENT_TEXTS[purpose], purpose in NEEDED) for purpose in CONSENTS],
    )
