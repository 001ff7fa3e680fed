"""The account: ways in, sessions, consents, contact points, and who read clear data."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity.evidence import looking
from throughline.identity import service as identity
from throughline.kernel import clock
from throughline.kernel.errors import NotFound
from throughline.kernel.http import AnyCaller, Reading, locale_of
from throughline.kernel.i18n import N_
from throughline.parties import service as parties
from throughline.parties.purposes import CONSENT_TEXT_VERSION, CONSENT_TEXTS, Purpose
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
READS = 20

FAMILIES = {"passkey": N_("Passkey"), "totp": N_("Code app")}
FIELDS = {
    "name": N_("name"),
    "id_number": N_("ID card number"),
    "phone": N_("mobile number"),
    "email": N_("e-mail"),
    "web_push": N_("browser notices"),
    looking.READ_AS: N_("evidence of an outage"),
}
# Which part of the platform read something, in words for the person it belongs to.
READERS = {
    "platform": N_("registration"),
    "line": N_("outage protection"),
    "messaging": N_("sending messages"),
    "origination": N_("credit decision"),
    "contracts": N_("contract"),
    "payments": N_("payments"),
}
PURPOSES = {
    Purpose.IDENTITY: N_("identity check"),
    Purpose.CREDIT: N_("credit decision"),
    Purpose.CONTINUITY: N_("outage protection"),
    Purpose.CONTACT: N_("messages about your loan"),
    Purpose.MARKETING: N_("offers"),
    Purpose.JOINT_PLAN: N_("plans with your carrier"),
}


@router.get("/account")
def account_page(
    request: Request,
    borrower_id: Borrower,
    caller: AnyCaller,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """Everything about the account. `after`: the access log is read on from this row."""
    reads = parties.access_log(session, borrower_id, limit=READS + 1, after=after)
    return show(
        request,
        "account.html",
        profile=parties.profile(session, borrower_id),
        summary=identity.factors(session, borrower_id),
        families=FAMILIES,
        sessions=identity.sessions_of(session, borrower_id, now=clock.real_now()),
        current=caller.session_id,
        consents=[
            (purpose.value, CONSENT_TEXTS[purpose], parties.has_consent(session, borrower_id, purpose))
            for purpose in Purpose
        ],
        contact_points=parties.contact_points(session, borrower_id),
        reads=reads[:READS],
        fields=FIELDS,
        readers=READERS,
        purposes={purpose.value: text for purpose, text in PURPOSES.items()},
        after_id=reads[READS - 1].id if len(reads) > READS else None,
    )


@router.post("/account/sessions/{session_id}/end")
def end_session(
    request: Request, session_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """End one session; it is refused everywhere at its next request."""

    def verb(session: Session) -> str:
        identity.end_session(session, borrower_id, session_id, reason="ended by owner", now=clock.real_now())
        return "/account#sessions"

    return forms.once(request, caller, form, verb)


@router.post("/account/sessions/end-others")
def end_other_sessions(request: Request, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """End all sessions but this one."""

    def verb(session: Session) -> str:
        identity.end_other_sessions(
            session, borrower_id, caller.session_id, reason="ended by owner", now=clock.real_now()
        )
        return "/account#sessions"

    return forms.once(request, caller, form, verb)


@router.post("/account/consents/{purpose}")
def change_consent(
    request: Request, purpose: str, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Give or withdraw one consent."""
    if purpose not in set(Purpose):
        raise NotFound
    evidence = {"channel": "web", "locale": locale_of(request), "text_version": CONSENT_TEXT_VERSION}

    def verb(session: Session) -> str:
        if form.get("give") == "yes":
            parties.give_consents(session, borrower_id, [Purpose(purpose)], evidence, now=clock.now())
        else:
            parties.withdraw_consent(session, borrower_id, Purpose(purpose), evidence, now=clock.now())
        return "/account#consents"

    return forms.once(request, caller, form, verb)
