"""Sessions on the server: a random token in the cookie, its hash in a row that every request reads.

Ending a session is a change of that row, so it takes effect everywhere at the next request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.orm import Session

from throughline.identity.cookies import DEVICE_LIFE
from throughline.identity.levels import Level
from throughline.identity.models import Device, SessionRow
from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_

IDLE = timedelta(minutes=15)
LIFE = {"borrower": timedelta(hours=12), "enrolling": timedelta(minutes=30), "staff": timedelta(hours=8)}
MAX_SESSIONS = 20  # of one person; the oldest ends when one more begins
SEEN_EVERY = timedelta(minutes=1)  # a request writes the row at most once a minute
_MAX_TOKEN_CHARS = 100


class UnknownSession(NotFound):
    """No living session of this person has that id."""

    code = "unknown-session"
    title = N_("This session is not there, or it has ended")


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A living session. `kind`: borrower, staff, or enrolling (registered, no factor yet)."""

    id: UUID
    kind: str
    subject_id: UUID
    level: Level
    methods: tuple[str, ...]
    device: str
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    enrols_until: datetime | None


def open_session(
    session: Session,
    *,
    kind: str,
    subject_id: UUID,
    level: Level,
    methods: Sequence[str],
    device: str,
    now: datetime,
    enrols_until: datetime | None = None,
) -> tuple[LoginSession, str]:
    """Begin a session; returns it and the token for the cookie, which is kept nowhere."""
    token = secrets.token_urlsafe(32)
    row = SessionRow(
        token_hash=_hash(token),
        kind=kind,
        subject_id=subject_id,
        level=level.label,
        methods=list(methods),
        device=device,
        created_at=now,
        last_seen_at=now,
        ends_at=now + LIFE[kind],
        enrols_until=enrols_until,
    )
    session.add(row)
    session.flush()
    _end_oldest(session, subject_id, now)
    return _view(row), token


def current_session(session: Session, token: str | None, *, now: datetime) -> LoginSession | None:
    """The living session of a cookie, or None; notes that it was used."""
    if not token or len(token) > _MAX_TOKEN_CHARS:
        return None
    row = session.scalars(
        select(SessionRow).where(SessionRow.token_hash == _hash(token), *_alive(now))
    ).one_or_none()
    if row is None:
        return None
    if now - row.last_seen_at >= SEEN_EVERY:
        # Only while it is alive: a kill that commits meanwhile must not be overtaken.
        session.execute(
            update(SessionRow)
            .where(SessionRow.id == row.id, SessionRow.ended_at.is_(None))
            .values(last_seen_at=now)
            .execution_options(synchronize_session=False)
        )
    return _view(row)


def living(session: Session, session_id: UUID, *, now: datetime) -> LoginSession | None:
    """A session by id, if it is alive."""
    row = session.scalars(select(SessionRow).where(SessionRow.id == session_id, *_alive(now))).one_or_none()
    return _view(row) if row else None


def sessions_of(session: Session, subject_id: UUID, *, now: datetime) -> list[LoginSession]:
    """The living sessions of a person, newest first (at most 20)."""
    rows = session.scalars(
        select(SessionRow)
        .where(SessionRow.subject_id == subject_id, *_alive(now))
        .order_by(SessionRow.id.desc())
        .limit(MAX_SESSIONS)
    )
    return [_view(row) for row in rows]


def first_presence(session: Session, borrower_id: UUID, since: datetime, until: datetime) -> datetime | None:
    """When a borrower first used a session in a span of time, ended sessions included; None: never.

    Of a session from before the span only its last use is known, so that counts.
    """
    used = case((SessionRow.created_at >= since, SessionRow.created_at), else_=SessionRow.last_seen_at)
    first: datetime | None = session.execute(
        select(func.min(used)).where(
            SessionRow.subject_id == borrower_id,
            SessionRow.kind == "borrower",
            used >= since,
            used <= until,
        )
    ).scalar_one()
    return first


def end_session(session: Session, subject_id: UUID, session_id: UUID, *, reason: str, now: datetime) -> None:
    """End one session of a person. Raises `UnknownSession`."""
    if not _end(session, reason, now, SessionRow.subject_id == subject_id, SessionRow.id == session_id):
        raise UnknownSession


def end_other_sessions(
    session: Session, subject_id: UUID, keep: UUID | None, *, reason: str, now: datetime
) -> int:
    """End all sessions of a person but one; returns how many ended."""
    others = [] if keep is None else [SessionRow.id != keep]
    return _end(session, reason, now, SessionRow.subject_id == subject_id, *others)


def rotate_out(session: Session, token: str | None, *, now: datetime) -> None:
    """End the session of a cookie that a new one replaces: a token from before the sign-in must not live on."""
    if token and len(token) <= _MAX_TOKEN_CHARS:
        _end(session, "replaced", now, SessionRow.token_hash == _hash(token))


def bind_device(session: Session, borrower_id: UUID, label: str, *, now: datetime) -> str:
    """Make a browser known for 90 days; returns the token for its cookie."""
    token = secrets.token_urlsafe(32)
    session.add(
        Device(
            borrower_id=borrower_id,
            token_hash=_hash(token),
            label=label,
            bound_at=now,
            ends_at=now + DEVICE_LIFE,
        )
    )
    return token


def is_bound(session: Session, borrower_id: UUID, token: str | None, *, now: datetime) -> bool:
    """Whether this device token belongs to this person and still counts."""
    if not token or len(token) > _MAX_TOKEN_CHARS:
        return False
    found = select(Device.id).where(
        Device.token_hash == _hash(token), Device.borrower_id == borrower_id, Device.ends_at > now
    )
    return session.execute(found).first() is not None


def _hash(token: str) -> bytes:
    # 256 random bits: a plain hash is enough, there is nothing to guess.
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _alive(now: datetime) -> tuple[Any, ...]:
    idle = or_(SessionRow.kind == "enrolling", SessionRow.last_seen_at > now - IDLE)
    return SessionRow.ended_at.is_(None), SessionRow.ends_at > now, idle


def _end(session: Session, reason: str, now: datetime, *which: Any) -> int:
    ended = session.execute(
        update(SessionRow)
        .where(SessionRow.ended_at.is_(None), *which)
        .values(ended_at=now, end_reason=reason)
        .returning(SessionRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


def _end_oldest(session: Session, subject_id: UUID, now: datetime) -> None:
    newest = (
        select(SessionRow.id)
        .where(SessionRow.subject_id == subject_id, SessionRow.ended_at.is_(None))
        .order_by(SessionRow.id.desc())
        .limit(MAX_SESSIONS)
    )
    _end(session, "too many", now, SessionRow.subject_id == subject_id, SessionRow.id.not_in(newest))


def _view(row: SessionRow) -> LoginSession:
    return LoginSession(
        row.id, row.kind, row.subject_id, Level.of(row.level), tuple(row.methods), row.device, row.created_at,
        row.last_seen_at, row.ends_at, row.enrols_until,
    )  # fmt: skip
