"""What identity's endpoints share: the browser behind a request, its limits, and answers that set cookies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from throughline.identity import attempts, cookies, sessions
from throughline.identity.attempts import Limit
from throughline.identity.sessions import LoginSession
from throughline.identity.settings import IdentitySettings
from throughline.identity.sign_in import Browser, SignedIn
from throughline.kernel.errors import Forbidden, Unauthenticated
from throughline.kernel.http import SAFE_METHODS, AnyCaller, Caller, Write, refuse_other_sites
from throughline.kernel.i18n import N_
from throughline.kernel.settings import load


class SessionView(BaseModel):
    """A session, as its owner sees it. `level`: A1 one factor, A2 two factors or a passkey."""

    id: UUID
    kind: str
    level: str
    methods: list[str]
    device: str
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    current: bool


def session_view(login: LoginSession, current_id: UUID | None) -> SessionView:
    """One session for its owner's list."""
    return SessionView(
        id=login.id, kind=login.kind, level=login.level.label, methods=list(login.methods), device=login.device,
        created_at=login.created_at, last_seen_at=login.last_seen_at, ends_at=login.ends_at,
        current=login.id == current_id,
    )  # fmt: skip


def only_our_pages(request: Request) -> None:
    """Refuse unsafe requests from another site's page, also without a cookie: nobody may sign a person in
    to an account that is not theirs."""
    if request.method not in SAFE_METHODS:
        refuse_other_sites(request)


def _enroller(caller: AnyCaller) -> Caller:
    if caller.kind == "public":
        raise Unauthenticated
    if caller.kind not in {"borrower", "enrolling"} or caller.id is None:
        raise Forbidden(N_("This is for borrowers only"))
    return caller


Enroller = Annotated[
    Caller, Depends(_enroller)
]  # a borrower, or a person between registration and first factor


def login_of(session: Session, caller: Caller, *, now: datetime) -> LoginSession:
    """The caller's session, still alive in this transaction. Raises `Unauthenticated`."""
    login = sessions.living(session, caller.session_id, now=now) if caller.session_id else None
    if login is None:
        raise Unauthenticated
    return login


def browser_of(request: Request) -> Browser:
    """The browser behind a request."""
    return Browser(
        cookies.device_label(request.headers.get("user-agent")),
        request.cookies.get(cookies.SESSION_COOKIE),
        request.cookies.get(cookies.DEVICE_COOKIE),
    )


def limit_registrations(request: Request, *, now: datetime) -> None:
    """Count a registration of this source address. Raises `TooManyAttempts`."""
    limit = Limit("registrations", load(IdentitySettings).registrations_per_hour, timedelta(hours=1))
    attempts.count(limit, attempts.of_source(_address(request)), now=now)


def limit_sign_ins(request: Request, *, now: datetime) -> None:
    """Count a sign-in of this source address. Raises `TooManyAttempts`."""
    limit = Limit("sign_ins", load(IdentitySettings).sign_ins_per_quarter_hour, attempts.QUARTER_HOUR)
    attempts.count(limit, attempts.of_source(_address(request)), now=now)


def answer(
    write: Write, verb: Callable[[Session], tuple[BaseModel, SignedIn | None]], *, status: int = 200
) -> Response:
    """Run a verb once; if it began a session, set its cookies.

    Tokens are never part of the stored answer: a repeated request gets the body again and no cookie.
    """
    begun: list[SignedIn] = []

    def run(session: Session) -> BaseModel:
        body, signed_in = verb(session)
        begun[:] = [signed_in] if signed_in else []
        return body

    response = write.once(run, status=status)
    for signed_in in begun:
        set_cookies(response, signed_in)
    return response


def set_cookies(response: Response, signed_in: SignedIn) -> None:
    """Give the browser its session, and make it known if it was not."""
    response.headers.append("Set-Cookie", cookies.session_cookie(signed_in.session_token))
    if signed_in.device_token:
        response.headers.append("Set-Cookie", cookies.device_cookie(signed_in.device_token))


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None
