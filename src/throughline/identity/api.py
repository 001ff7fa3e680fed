"""HTTP of identity: signing in and out, sessions, approving an action. (Adding factors: `api_enrolment`.)"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.identity import api_enrolment, cookies, policy, service
from throughline.identity.browsers import (
    Enroller,
    SessionView,
    answer,
    browser_of,
    limit_sign_ins,
    only_our_pages,
    session_view,
)
from throughline.kernel import clock
from throughline.kernel.http import BorrowerCaller, Paged, Reading, Writing, problems

router = APIRouter(prefix="/api/v1", tags=["identity"], dependencies=[Depends(only_our_pages)])
router.include_router(api_enrolment.router)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CeremonyOptions(BaseModel):
    """Options for navigator.credentials, in the JSON form of WebAuthn Level 3."""

    challenge_id: UUID
    options: dict[str, Any]


class CeremonyAnswer(_Body):
    """What navigator.credentials gave: `credential.toJSON()`."""

    challenge_id: UUID
    response: dict[str, Any]


class Codes(_Body):
    """An app's code and, on a browser that is new, a saved recovery code."""

    identifier: Annotated[str, Field(min_length=1, max_length=254, description="Phone, e-mail or ID number")]
    app_code: Annotated[str, Field(min_length=1, max_length=12)]
    recovery_code: Annotated[str | None, Field(max_length=64)] = None


class BeginStepUp(_Body):
    """The action to approve: a JSON object with a `kind`, amounts as integers in minor units."""

    action: dict[str, Any]


class StepUpOptions(CeremonyOptions):
    """Options whose challenge is bound to the action with this hash."""

    action_hash: str


class ProofView(BaseModel):
    """An approval: give its id to the endpoint that carries the action out, within 5 minutes, once."""

    id: UUID
    action_hash: str
    method: str
    level: str


@router.post("/sign-in/passkey/begin", response_model=CeremonyOptions, responses=problems(403, 409, 429))
def begin_sign_in(request: Request, write: Writing) -> Response:
    """Options for any passkey of this site."""
    limit_sign_ins(request, now=clock.real_now())

    def verb(session: Session) -> BaseModel:
        begun = service.begin_sign_in(session, now=clock.real_now())
        return CeremonyOptions(challenge_id=begun.challenge_id, options=begun.options)

    return write.once(verb)


@router.post(
    "/sign-in/passkey/finish", response_model=SessionView, responses=problems(400, 401, 403, 409, 429)
)
def finish_sign_in(body: CeremonyAnswer, request: Request, write: Writing) -> Response:
    """Sign in with a passkey; sets the session cookie."""
    limit_sign_ins(request, now=clock.real_now())

    def verb(session: Session) -> tuple[BaseModel, service.SignedIn]:
        done = service.finish_sign_in(
            session, body.challenge_id, body.response, browser_of(request), now=clock.real_now()
        )
        return session_view(done.session, done.session.id), done

    return answer(write, verb)


@router.post("/sign-in/codes", response_model=SessionView, responses=problems(401, 403, 409, 429))
def sign_in_with_codes(body: Codes, request: Request, write: Writing) -> Response:
    """Sign in with codes; sets the session cookie. The answer never tells whether an account exists."""
    limit_sign_ins(request, now=clock.real_now())

    def verb(session: Session) -> tuple[BaseModel, service.SignedIn]:
        done = service.sign_in_with_codes(
            session,
            body.identifier,
            body.app_code,
            body.recovery_code,
            browser_of(request),
            now=clock.real_now(),
        )
        return session_view(done.session, done.session.id), done

    return answer(write, verb)


@router.post("/sign-out", status_code=204, response_class=Response, responses=problems(401, 403, 409))
def sign_out(caller: Enroller, write: Writing) -> Response:
    """End this session and make the browser forget it."""

    def verb(session: Session) -> None:
        if caller.id is not None and caller.session_id is not None:
            service.end_session(
                session, caller.id, caller.session_id, reason="signed out", now=clock.real_now()
            )

    response = write.once(verb, status=204)
    response.headers.append("Set-Cookie", cookies.clear_session_cookie())
    return response


@router.get("/me/sessions", responses=problems(401, 403))
def my_sessions(caller: BorrowerCaller, session: Reading) -> Paged[SessionView]:
    """Where I am signed in (at most 20, one page), newest first."""
    living = service.sessions_of(session, caller.id, now=clock.real_now()) if caller.id else []
    return Paged(items=[session_view(login, caller.session_id) for login in living], next_cursor=None)


@router.delete(
    "/me/sessions/{session_id}",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409),
)
def end_my_session(session_id: UUID, caller: BorrowerCaller, write: Writing) -> Response:
    """End one of my sessions; it is refused everywhere at its next request."""

    def verb(session: Session) -> None:
        if caller.id is not None:
            service.end_session(session, caller.id, session_id, reason="ended by owner", now=clock.real_now())

    return write.once(verb, status=204)


@router.delete("/me/sessions", status_code=204, response_class=Response, responses=problems(401, 403, 409))
def end_my_other_sessions(caller: BorrowerCaller, write: Writing) -> Response:
    """End all my sessions but this one."""

    def verb(session: Session) -> None:
        if caller.id is not None:
            service.end_other_sessions(
                session, caller.id, caller.session_id, reason="ended by owner", now=clock.real_now()
            )

    return write.once(verb, status=204)


@router.post("/me/step-up/begin", response_model=StepUpOptions, responses=problems(401, 403, 409))
def begin_step_up(body: BeginStepUp, caller: BorrowerCaller, write: Writing) -> Response:
    """Options for approving one action with a passkey; the challenge is bound to the action's hash."""

    def verb(session: Session) -> BaseModel:
        if caller.session_id is None:
            raise service.StepUpNeeded
        begun = service.begin_step_up(session, caller.session_id, body.action, now=clock.real_now())
        return StepUpOptions(challenge_id=begun.id, options=begun.options, action_hash=begun.action_hash)

    return write.once(verb)


@router.post("/me/step-up/finish", response_model=ProofView, responses=problems(400, 401, 403, 409))
def finish_step_up(body: CeremonyAnswer, caller: BorrowerCaller, write: Writing) -> Response:
    """Approve the action: gives a proof that can be used once, for this action, within 5 minutes."""

    def verb(session: Session) -> BaseModel:
        proof = service.finish_step_up(session, body.challenge_id, body.response, now=clock.real_now())
        return ProofView(id=proof.id, action_hash=proof.action_hash, method=proof.method, level=proof.level)

    return write.once(verb)


@router.get("/assurance-policy")
def assurance_policy() -> dict[str, Any]:
    """What each action needs in each state of the line: the table itself."""
    return policy.exported()
