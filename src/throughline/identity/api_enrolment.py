"""HTTP of identity: registering, and adding factors. Included by `api`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.identity import cookies, service
from throughline.identity.browsers import (
    Enroller,
    SessionView,
    answer,
    browser_of,
    limit_registrations,
    login_of,
    session_view,
)
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.http import BorrowerCaller, Reading, Writing, problems
from throughline.kernel.i18n import Text
from throughline.kernel.settings import settings
from throughline.parties.purposes import CONSENT_TEXT_VERSION, Purpose
from throughline.parties.records import NewPerson

router = APIRouter()
Label = Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRegistration(_Body):
    """Who I am, how I can be reached, and what I agree to."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    id_number: Annotated[str, Field(min_length=18, max_length=24)]
    phone: Annotated[str, Field(min_length=5, max_length=40)]
    email: Annotated[str, Field(min_length=3, max_length=254)]
    locale: Literal["zh-CN", "en"] = "zh-CN"
    zone: Annotated[str | None, Field(max_length=64, description="IANA zone; the lender's if not given")] = (
        None
    )
    consents: Annotated[list[Purpose], Field(min_length=1, max_length=len(Purpose))]


class Registered(BaseModel):
    """The account is there; for 30 minutes this browser may enrol the first factor."""

    borrower_id: UUID


class WithProof(_Body):
    """`proof_id`: an old factor's approval of {"kind": "add_authenticator", "family": ...}; not needed within
    30 minutes of registration."""

    proof_id: UUID | None = None


class PasskeyCeremony(BaseModel):
    """Options for navigator.credentials.create(), in the JSON form of WebAuthn Level 3."""

    challenge_id: UUID
    options: dict[str, Any]


class NewPasskey(_Body):
    """What navigator.credentials.create() gave: `credential.toJSON()`, and a name for the list."""

    challenge_id: UUID
    response: dict[str, Any]
    label: Label = ""


class EnrolledView(BaseModel):
    """A factor was added. `session`: it was the first one, and the real session has begun."""

    authenticator_id: UUID
    session: SessionView | None


class CodeAppView(BaseModel):
    """A seed for an authenticator app, shown this once."""

    authenticator_id: UUID
    seed: str
    otpauth_uri: str


class ConfirmCodeApp(_Body):
    """The first code that the app shows."""

    authenticator_id: UUID
    code: Annotated[str, Field(min_length=1, max_length=12)]


class RecoveryCodesView(BaseModel):
    """Ten codes, shown this once; each works once."""

    codes: list[str]


class FactorView(BaseModel):
    """One enrolled factor. On probation (until then) it counts less."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    family: str
    label: str
    created_at: datetime
    last_used_at: datetime | None
    probation_until: datetime | None
    synced: bool


class FactorsView(BaseModel):
    """What I could sign in with, and whether it would work without my line and without my phone."""

    model_config = ConfigDict(from_attributes=True)
    kinds: list[str]
    factors: list[FactorView]
    recovery_codes_left: int
    survives_line_loss: bool
    survives_phone_loss: bool
    payout_ready: bool
    advice: list[Text]


@router.post(
    "/registrations", response_model=Registered, status_code=201, responses=problems(400, 403, 409, 429)
)
def register(body: NewRegistration, request: Request, write: Writing) -> Response:
    """Open an account. Sets the cookie of a short session in which the first factor is enrolled."""
    limit_registrations(request, now=clock.real_now())
    new = NewPerson(
        name=body.name, id_number=body.id_number, phone=body.phone, email=body.email, locale=body.locale,
        zone=body.zone or settings().zone,
    )  # fmt: skip
    evidence = {"channel": "registration", "locale": body.locale, "text_version": CONSENT_TEXT_VERSION}

    def verb(session: Session) -> BaseModel:
        borrower_id = service.register(
            session, new, body.consents, evidence, now=clock.now(), real_now=clock.real_now()
        )
        return Registered(borrower_id=borrower_id)

    response = write.once(verb, status=201)
    _open_door(response, request)
    return response


def _open_door(response: Response, request: Request) -> None:
    # Also for a repeated request: whose first answer was lost could not go on otherwise. It is closed as
    # soon as there is a factor.
    borrower_id = UUID(json.loads(bytes(response.body))["borrower_id"])
    label = browser_of(request).label
    try:
        _, token = database().run(
            lambda session: service.begin_enrolment(session, borrower_id, device=label, now=clock.real_now())
        )
    except service.EnrolmentClosed:
        return
    response.headers.append("Set-Cookie", cookies.session_cookie(token))


@router.post(
    "/me/passkeys/begin", response_model=PasskeyCeremony, responses=problems(400, 401, 403, 404, 409)
)
def begin_passkey(caller: Enroller, write: Writing, body: WithProof | None = None) -> Response:
    """Options for a new passkey."""

    def verb(session: Session) -> BaseModel:
        now = clock.real_now()
        proof_id = body.proof_id if body else None
        begun = service.begin_passkey(session, login_of(session, caller, now=now), now=now, proof_id=proof_id)
        return PasskeyCeremony(challenge_id=begun.challenge_id, options=begun.options)

    return write.once(verb)


@router.post(
    "/me/passkeys/finish",
    response_model=EnrolledView,
    status_code=201,
    responses=problems(400, 401, 403, 409),
)
def finish_passkey(body: NewPasskey, caller: Enroller, request: Request, write: Writing) -> Response:
    """Keep the new passkey. The first factor turns the short session into a real one (new cookie)."""

    def verb(session: Session) -> tuple[BaseModel, service.SignedIn | None]:
        now = clock.real_now()
        done = service.finish_passkey(
            session,
            login_of(session, caller, now=now),
            body.challenge_id,
            body.response,
            label=body.label or browser_of(request).label,
            now=now,
        )
        return _enrolled(done), done.signed_in

    return answer(write, verb, status=201)


@router.post("/me/totp/begin", response_model=CodeAppView, responses=problems(400, 401, 403, 404, 409))
def begin_totp(caller: Enroller, write: Writing, body: WithProof | None = None) -> Response:
    """A seed for an authenticator app, shown this once."""

    def verb(session: Session) -> BaseModel:
        now = clock.real_now()
        proof_id = body.proof_id if body else None
        app = service.begin_totp(session, login_of(session, caller, now=now), now=now, proof_id=proof_id)
        return CodeAppView(authenticator_id=app.authenticator_id, seed=app.seed, otpauth_uri=app.otpauth_uri)

    return write.once(verb)


@router.post(
    "/me/totp/confirm",
    response_model=EnrolledView,
    status_code=201,
    responses=problems(400, 401, 403, 409, 429),
)
def confirm_totp(body: ConfirmCodeApp, caller: Enroller, write: Writing) -> Response:
    """The app's first code: from now on the app counts."""

    def verb(session: Session) -> tuple[BaseModel, service.SignedIn | None]:
        now = clock.real_now()
        login = login_of(session, caller, now=now)
        done = service.confirm_totp(session, login, body.authenticator_id, body.code, now=now)
        return _enrolled(done), done.signed_in

    return answer(write, verb, status=201)


@router.post(
    "/me/recovery-codes",
    response_model=RecoveryCodesView,
    status_code=201,
    responses=problems(400, 401, 403, 409),
)
def create_recovery_codes(caller: BorrowerCaller, write: Writing, body: WithProof | None = None) -> Response:
    """Ten fresh codes, shown this once; the set before ends."""

    def verb(session: Session) -> BaseModel:
        now = clock.real_now()
        proof_id = body.proof_id if body else None
        login = login_of(session, caller, now=now)
        return RecoveryCodesView(
            codes=service.create_recovery_codes(session, login, now=now, proof_id=proof_id)
        )

    return write.once(verb, status=201)


@router.get("/me/factors", responses=problems(401, 403))
def my_factors(caller: BorrowerCaller, session: Reading) -> FactorsView:
    """My factors, and whether I could still sign in without my line or my phone."""
    if caller.id is None:
        raise AssertionError("a borrower has an id")
    return FactorsView.model_validate(service.factors(session, caller.id))


def _enrolled(done: service.Enrolled) -> EnrolledView:
    begun = done.signed_in
    return EnrolledView(
        authenticator_id=done.authenticator_id,
        session=session_view(begun.session, begun.session.id) if begun else None,
    )
