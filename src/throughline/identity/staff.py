"""Staff accounts: name, password, roles, and a session of 8 hours."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from throughline.identity import attempts, passwords, roles, sessions
from throughline.identity.levels import Level
from throughline.identity.models import Staff
from throughline.identity.problems import SignInRefused
from throughline.identity.sessions import LoginSession
from throughline.identity.sign_in import Browser, SignedIn
from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_

_NAME = re.compile(r"^[a-z][a-z0-9._-]{1,39}$")


class InvalidStaff(Invalid):
    """Name, password or role of a staff account is not acceptable."""

    code = "invalid-staff"
    title = N_("Staff need a name, a password of 12 to 128 characters and a known role")


class StaffNameTaken(Conflict):
    """There is such an account already."""

    code = "staff-name-taken"
    title = N_("This staff name is taken")


def create_staff(
    session: Session, name: str, password: str, staff_roles: Collection[str], *, now: datetime
) -> UUID:
    """Make a staff account; returns its id. Raises `InvalidStaff`, `StaffNameTaken`."""
    if not _NAME.match(name) or not staff_roles or not set(staff_roles) <= set(roles.ROLES):
        raise InvalidStaff
    try:
        password_hash = passwords.hashed(password)
    except ValueError:
        raise InvalidStaff from None
    row = Staff(name=name, password_hash=password_hash, roles=sorted(set(staff_roles)), created_at=now)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise StaffNameTaken from None
    return row.id


def staff_sign_in(session: Session, name: str, password: str, browser: Browser, *, now: datetime) -> SignedIn:
    """Begin a staff session. Raises `SignInRefused` (same words and work for an unknown name), `TooManyAttempts`."""
    wanted = name.strip().lower()
    subject = attempts.of_name("staff:" + wanted)
    attempts.count(attempts.STAFF_PASSWORD, subject, now=now)
    row = session.scalars(
        select(Staff).where(Staff.name == wanted, Staff.disabled_at.is_(None))
    ).one_or_none()
    if not passwords.fits(row.password_hash if row else None, password) or row is None:
        raise SignInRefused(N_("Name or password did not match"))
    attempts.clear(session, attempts.STAFF_PASSWORD, subject)
    sessions.rotate_out(session, browser.session_token, now=now)
    begun, token = sessions.open_session(
        session,
        kind="staff",
        subject_id=row.id,
        level=Level.A1,
        methods=["password"],
        device=browser.label,
        now=now,
    )
    return SignedIn(begun, token, None)


def staff_session(session: Session, token: str | None, *, now: datetime) -> LoginSession | None:
    """The living staff session of a cookie; None for a borrower's, and once the account is disabled."""
    login = sessions.current_session(session, token, now=now)
    return login if login is not None and staff_scopes(session, login) is not None else None


def staff_scopes(session: Session, login: LoginSession) -> frozenset[str] | None:
    """What a staff session may do now; roles are read at each request, so a change works at once."""
    row = session.get(Staff, login.subject_id) if login.kind == "staff" else None
    return None if row is None or row.disabled_at is not None else roles.scopes_of(row.roles)


def disable_staff(session: Session, staff_id: UUID, *, now: datetime) -> None:
    """Close a staff account and end its sessions."""
    row = session.get_one(Staff, staff_id, with_for_update=True)
    row.disabled_at = row.disabled_at or now
    sessions.end_other_sessions(session, staff_id, None, reason="disabled", now=now)


def staff_name(session: Session, staff_id: UUID) -> str | None:
    """The name of a staff account, for the trail of decisions."""
    row = session.get(Staff, staff_id)
    return row.name if row else None
