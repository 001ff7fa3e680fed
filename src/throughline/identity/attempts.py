"""Limits on guessing, counted in the database so that all processes count together.

A guess is counted before it is judged and in a transaction of its own: a wrong guess rolls its caller's
transaction back, and the count must outlive it. A right one clears the count in the caller's transaction,
so a caller judges one guess in a transaction, not more. One subject's limit never
touches another factor: whoever guesses at codes can't lock out a passkey.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.identity.models import Attempts
from throughline.kernel.crypto import pepper
from throughline.kernel.db import database
from throughline.kernel.errors import TooMany
from throughline.kernel.i18n import N_


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `in_window` within `window`; after `in_a_row` failures without a success, none at all."""

    what: str
    in_window: int
    window: timedelta
    in_a_row: int | None = None


QUARTER_HOUR = timedelta(minutes=15)
CODES = Limit("codes", 5, QUARTER_HOUR, in_a_row=100)
STAFF_PASSWORD = Limit("staff_password", 5, QUARTER_HOUR)


class TooManyAttempts(TooMany):
    """The limit is reached; waiting helps."""

    code = "too-many-attempts"
    title = N_("Too many attempts; wait a quarter of an hour, or use another way to sign in")


class FactorStopped(TooMany):
    """A hundred failures in a row: this way is closed, the others stay open."""

    code = "factor-stopped"
    title = N_("This way to sign in was stopped after too many failures; use another one")


def count(limit: Limit, subject: bytes, *, now: datetime) -> None:
    """Count one attempt, in a transaction of its own. Raises `TooManyAttempts` or `FactorStopped`."""
    in_window, in_a_row = database().run(lambda session: _count(session, limit, subject, now))
    if limit.in_a_row is not None and in_a_row > limit.in_a_row:
        raise FactorStopped
    if in_window > limit.in_window:
        raise TooManyAttempts


def _count(session: Session, limit: Limit, subject: bytes, now: datetime) -> tuple[int, int]:
    fresh = Attempts.window_ends_at <= now
    over = case((fresh, False), else_=Attempts.in_window >= limit.in_window)
    row = session.execute(
        insert(Attempts)
        .values(subject=subject, what=limit.what, window_ends_at=now + limit.window, in_window=1, in_a_row=1)
        .on_conflict_do_update(
            index_elements=[Attempts.subject, Attempts.what],
            set_={
                "window_ends_at": case((fresh, now + limit.window), else_=Attempts.window_ends_at),
                "in_window": case((fresh, 1), else_=Attempts.in_window + 1),
                # An attempt that the window refuses is not judged, so it is no failure of the factor:
                # otherwise anybody could stop somebody's factor for good within a minute.
                "in_a_row": Attempts.in_a_row + case((over, 0), else_=1),
            },
        )
        .returning(Attempts.in_window, Attempts.in_a_row)
    ).one()
    return row.in_window, row.in_a_row


def clear(session: Session, limit: Limit, subject: bytes) -> None:
    """The guess was right: forget the failures before it."""
    session.execute(
        update(Attempts)
        .where(Attempts.subject == subject, Attempts.what == limit.what)
        .values(in_window=0, in_a_row=0)
    )


def of_account(borrower_id: UUID) -> bytes:
    """The subject of a known account."""
    return borrower_id.bytes


def of_name(name: str) -> bytes:
    """The subject of an account that we do not know: so that it answers as a known one does."""
    return pepper("attempts-name", name.strip().lower().encode("utf-8"))[:16]


def of_source(address: str | None) -> bytes:
    """The subject of a source address; an IPv6 network counts as one (/64). The address is not kept."""
    try:
        ip = ipaddress.ip_address(address or "")
        network = ipaddress.ip_network((ip, 64 if ip.version == 6 else 32), strict=False)
        text = str(network)
    except ValueError:
        text = "unknown"
    return pepper("attempts-source", text.encode("ascii"))[:16]
