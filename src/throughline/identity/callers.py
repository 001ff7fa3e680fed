"""Who sends a request, from its cookie or its key; and the guard for endpoints that need a level."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from throughline.identity import sessions, staff
from throughline.identity.api_keys import api_key_caller
from throughline.identity.levels import Level
from throughline.identity.problems import LevelTooLow
from throughline.kernel.http import PUBLIC, BorrowerCaller, Caller


def caller_from_request(
    session: Session, cookie_value: str | None, authorization_header: str | None, *, now: datetime
) -> Caller:
    """The caller behind a request. A key goes before a cookie; a cookie that has ended is nobody.

    Kinds: borrower (scopes: the levels reached, "A1" and "A2"), enrolling (registered, no factor yet: may
    only enrol), staff (scopes of the roles), service (scopes of the key), public. Raises `ApiKeyRefused`.
    """
    if authorization_header is not None:
        return api_key_caller(session, authorization_header, now=now)
    login = sessions.current_session(session, cookie_value, now=now)
    if login is None:
        return PUBLIC
    if login.kind == "staff":
        scopes = staff.staff_scopes(session, login)
        return PUBLIC if scopes is None else Caller("staff", login.subject_id, login.id, scopes)
    levels = frozenset(level.label for level in (Level.A1, Level.A2) if level <= login.level)
    return Caller(login.kind, login.subject_id, login.id, levels)


def require_level(level: Level) -> Callable[[Caller], Caller]:
    """A FastAPI dependency: a borrower whose session has at least that level (A1 or A2)."""

    def check(caller: BorrowerCaller) -> Caller:
        if level.label not in caller.scopes:
            raise LevelTooLow
        return caller

    return check
