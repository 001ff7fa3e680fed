"""Codes that show that a number is still the person's: made, kept as a hash, and taken back.

A code is bound to the session that asked for it. Whoever else reads it can do nothing with it, and the session's
level stays what it was: a code over the telephone network proves a number, never a person.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from throughline.identity import accounts, attempts, events, step_up
from throughline.identity.attempts import Limit
from throughline.identity.levels import Level
from throughline.identity.models import Challenge
from throughline.identity.problems import LevelTooLow, StepUpNeeded
from throughline.identity.sessions import LoginSession
from throughline.kernel.crypto import pepper
from throughline.kernel.errors import Invalid, TooMany
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id

DIGITS = 6
LIFE = timedelta(minutes=10)
TRIES = 5  # of one code
PURPOSE = "number_code"
_TRY = Limit("number_code_try", TRIES, LIFE)
_OF_PERSON = Limit("number_code_person", 6, timedelta(hours=24))
_TO_NUMBER = Limit("number_code_number", 4, timedelta(hours=24))  # whoever asks


class WrongNumberCode(Invalid):
    """Wrong, too old, used, asked for in another session, or never asked for: it must not tell which."""

    code = "wrong-number-code"
    title = N_("The code does not fit, or its time is over; ask for a new one")


class TooManyNumberCodes(TooMany):
    """The limit of codes for a day, of a person or of a number."""

    code = "too-many-number-codes"
    title = N_("So many codes were sent that no more are sent today; try again tomorrow")


class TooManyCodeTries(TooMany):
    """The tries of this code are used up."""

    code = "too-many-code-tries"
    title = N_("This code was mistyped too often; ask for a new one")


@dataclass(frozen=True, slots=True)
class NumberCode:
    """A code for one number. It exists in the clear here and in the message alone."""

    id: UUID
    code: str = field(repr=False)
    expires_at: datetime


def prove_number_action(contact_point_id: UUID) -> dict[str, str]:
    """The action that a passkey approves before a code goes to a number that was never proved."""
    return {"kind": "prove_number", "contact_point_id": str(contact_point_id)}


def begin_number_code(
    session: Session,
    login: LoginSession,
    contact_point_id: UUID,
    number_index: bytes,
    *,
    new_number: bool,
    proof_id: UUID | None,
    now: datetime,
) -> NumberCode:
    """A fresh code for one of the person's numbers; those before it end. `number_index` names the number for
    counting. A number that was never proved asks for an approval with a passkey (`proof_id`) as well.

    Raises `LevelTooLow`, `StepUpNeeded`, `ProofRefused`, `TooManyNumberCodes`.
    """
    _known_well(login)
    if new_number:
        if proof_id is None:
            raise StepUpNeeded
        action = step_up.action_hash(prove_number_action(contact_point_id))
        step_up.require_proof(session, proof_id, login.subject_id, action, now=now)
    try:
        attempts.count(_OF_PERSON, attempts.of_account(login.subject_id), now=now)
        attempts.count(_TO_NUMBER, number_index[:16], now=now)
    except attempts.TooManyAttempts:
        raise TooManyNumberCodes from None
    accounts.locked_account(session, login.subject_id, now=now)
    session.execute(
        update(Challenge)
        .where(
            Challenge.purpose == PURPOSE,
            Challenge.borrower_id == login.subject_id,
            Challenge.consumed_at.is_(None),
            Challenge.expires_at > now,
        )
        .values(consumed_at=now)
    )
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    nonce = secrets.token_bytes(32)
    row = Challenge(
        id=new_id(),
        purpose=PURPOSE,
        challenge=_hash(nonce, contact_point_id, code),
        borrower_id=login.subject_id,
        session_id=login.id,
        nonce=nonce,
        action=prove_number_action(contact_point_id),
        created_at=now,
        expires_at=now + LIFE,
    )
    session.add(row)
    session.flush()
    return NumberCode(row.id, code, row.expires_at)


def finish_number_code(
    session: Session, login: LoginSession, contact_point_id: UUID, typed: str, *, now: datetime
) -> None:
    """The person typed the code back: it is used up. Raises `LevelTooLow`, `WrongNumberCode`, `TooManyCodeTries`."""
    _known_well(login)
    row = _waiting(session, login, contact_point_id, now=now)
    if row is None:
        raise WrongNumberCode
    try:
        attempts.count(_TRY, row.id.bytes, now=now)
    except attempts.TooManyAttempts:
        raise TooManyCodeTries from None
    digits = "".join(unicodedata.normalize("NFKC", typed[:40]).split())
    if not hmac.compare_digest(_hash(row.nonce or b"", contact_point_id, digits), row.challenge):
        raise WrongNumberCode
    row.consumed_at = now
    session.flush()
    publish(
        session,
        events.NumberProved(login.subject_id, contact_point_id, login.id, "sms_code"),
        aggregate_type="account",
        aggregate_id=login.subject_id,
        borrower_id=login.subject_id,
    )


def code_waits_until(
    session: Session, login: LoginSession, contact_point_id: UUID, *, now: datetime
) -> datetime | None:
    """Until when a code that this session asked for can be typed; None: there is none."""
    row = _waiting(session, login, contact_point_id, now=now, lock=False)
    return row.expires_at if row is not None else None


def _waiting(
    session: Session, login: LoginSession, contact_point_id: UUID, *, now: datetime, lock: bool = True
) -> Challenge | None:
    wanted = (
        select(Challenge)
        .where(
            Challenge.purpose == PURPOSE,
            Challenge.borrower_id == login.subject_id,
            Challenge.session_id == login.id,
            Challenge.consumed_at.is_(None),
            Challenge.expires_at > now,
            Challenge.action["contact_point_id"].astext == str(contact_point_id),
        )
        .order_by(Challenge.created_at.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()


def _known_well(login: LoginSession) -> None:
    # Proof by the number alone would be no proof: somebody else may have it.
    if login.kind != "borrower" or login.level < Level.A2:
        raise LevelTooLow


def _hash(nonce: bytes, contact_point_id: UUID, code: str) -> bytes:
    """What is kept of a code: an HMAC under a key outside the database, since six digits are soon tried."""
    return pepper("number-code", nonce + contact_point_id.bytes + code.encode())
