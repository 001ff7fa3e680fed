"""Visits of the person's browser at their carrier: begun here, bound to a session, and ended once when it comes back.

The carrier's network sees which line a browser comes over; what it says returns through the browser (OpenID Connect,
authorization code with PKCE). The `state` is known to that browser alone: here is its SHA-256. The PKCE verifier and
the nonce are made from it under a key outside the database, so that neither is kept, and whoever reads the state in
an address can make neither.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from throughline.identity import accounts, attempts, events, step_up
from throughline.identity.attempts import Limit
from throughline.identity.levels import Level
from throughline.identity.models import Challenge
from throughline.identity.number_codes import prove_number_action
from throughline.identity.problems import LevelTooLow, StepUpNeeded
from throughline.identity.sessions import LoginSession
from throughline.kernel.crypto import pepper
from throughline.kernel.errors import Invalid, TooMany
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id

LIFE = timedelta(minutes=5)
PURPOSE = "carrier_visit"
METHOD = "mobile_network"
MAX_STATE = 100
_OF_PERSON = Limit("carrier_visit_person", 12, timedelta(hours=24))
_OF_NUMBER = Limit("carrier_visit_number", 12, timedelta(hours=24))  # whoever asks


class VisitGone(Invalid):
    """Never begun, begun in another session, or too old: it must not tell which."""

    code = "carrier-visit-gone"
    title = N_(
        "This answer of your carrier does not belong to this sign-in, or its time is over. Nothing was changed; "
        "begin anew from the page of your number"
    )


class TooManyVisits(TooMany):
    """The limit of a day, of a person or of a number."""

    code = "too-many-carrier-visits"
    title = N_("Your carrier was asked so often that it is not asked again today; prove the number by a code")


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit. `verifier` is the secret of PKCE, `nonce` what the carrier's ID token must repeat.

    `state` is empty in one that has come back; `again`: it came back before, and all that follows was done then.
    """

    id: UUID
    contact_point_id: UUID
    carrier: str
    aim: str
    expires_at: datetime
    again: bool = False
    state: str = field(default="", repr=False)
    verifier: str = field(default="", repr=False)
    nonce: str = field(default="", repr=False)


def begin_carrier_visit(
    session: Session,
    login: LoginSession,
    contact_point_id: UUID,
    number_index: bytes,
    *,
    carrier: str,
    aim: str,
    new_number: bool = False,
    proof_id: UUID | None = None,
    life: timedelta = LIFE,
    now: datetime,
) -> Visit:
    """A visit about one of the person's numbers, good for `life`; those before it end. `number_index` names the
    number for counting. A number that was never proved asks for an approval with a passkey (`proof_id`) as well.

    Raises `LevelTooLow`, `StepUpNeeded`, `ProofRefused`, `TooManyVisits`.
    """
    _known_well(login)
    if new_number:
        if proof_id is None:
            raise StepUpNeeded
        action = step_up.action_hash(prove_number_action(contact_point_id))
        step_up.require_proof(session, proof_id, login.subject_id, action, now=now)
    try:
        attempts.count(_OF_PERSON, attempts.of_account(login.subject_id), now=now)
        attempts.count(_OF_NUMBER, number_index[:16], now=now)
    except attempts.TooManyAttempts:
        raise TooManyVisits from None
    accounts.locked_account(session, login.subject_id, now=now)
    session.execute(
        update(Challenge)
        .where(
            Challenge.purpose == PURPOSE,
            Challenge.borrower_id == login.subject_id,
            Challenge.consumed_at.is_(None),
            Challenge.expires_at > now,
        )
        .values(expires_at=now)
    )
    visit_id = new_id()
    state = visit_id.hex + secrets.token_urlsafe(32)
    row = Challenge(
        id=visit_id,
        purpose=PURPOSE,
        challenge=_hash(state),
        borrower_id=login.subject_id,
        session_id=login.id,
        action={"contact_point_id": str(contact_point_id), "carrier": carrier, "aim": aim},
        created_at=now,
        expires_at=now + life,
    )
    session.add(row)
    session.flush()
    return _visit(row, state, again=False)


def end_carrier_visit(session: Session, login: LoginSession, state: str, *, aim: str, now: datetime) -> Visit:
    """The browser came back: its visit ends, and of two that come at once one finds it ended (`again`).

    Raises `LevelTooLow`, `VisitGone`.
    """
    _known_well(login)
    visit_id = _named(state)
    row = session.scalars(
        select(Challenge)
        .where(
            Challenge.id == visit_id,
            Challenge.purpose == PURPOSE,
            Challenge.challenge == _hash(state),
            Challenge.borrower_id == login.subject_id,
            Challenge.session_id == login.id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or (row.consumed_at is None and row.expires_at <= now):
        raise VisitGone
    if (row.action or {}).get("aim") != aim:
        raise VisitGone
    again = row.consumed_at is not None
    if not again:
        row.consumed_at = now
        session.flush()
    return _visit(row, state, again=again)


def number_proved(session: Session, login: LoginSession, contact_point_id: UUID) -> None:
    """The carrier's network knew the browser by this number: say so."""
    publish(
        session,
        events.NumberProved(login.subject_id, contact_point_id, login.id, METHOD),
        aggregate_type="account",
        aggregate_id=login.subject_id,
        borrower_id=login.subject_id,
    )


def challenge_of(verifier: str) -> str:
    """The PKCE challenge of a verifier, by S256 (RFC 7636)."""
    return _text(hashlib.sha256(verifier.encode("ascii")).digest())


def _visit(row: Challenge, state: str, *, again: bool) -> Visit:
    action = row.action or {}
    secret = b"" if again else state.encode()
    return Visit(
        id=row.id,
        contact_point_id=UUID(action["contact_point_id"]),
        carrier=action["carrier"],
        aim=action["aim"],
        expires_at=row.expires_at,
        again=again,
        state="" if row.consumed_at is not None else state,
        verifier=_text(pepper("carrier-visit-verifier", secret)) if secret else "",
        nonce=_text(pepper("carrier-visit-nonce", secret)) if secret else "",
    )


def _known_well(login: LoginSession) -> None:
    # Whoever holds the phone for a moment would prove the number else.
    if login.kind != "borrower" or login.level < Level.A2:
        raise LevelTooLow


def _named(state: str) -> UUID:
    """The visit that a state names; the secret behind the name is compared as a hash. Raises `VisitGone`."""
    try:
        if len(state) > MAX_STATE:
            raise VisitGone
        return UUID(hex=state[:32])
    except ValueError:
        raise VisitGone from None


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode("utf-8", "replace")).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
