"""Signing in: with a passkey, or with an app's code and, on a browser that is new, a saved code beside it.

Levels: a passkey gives A2; so do two codes of different kinds. An app's code alone gives A1, and only on
a browser where the person has signed in with two factors before. A factor on probation gives A1. No
message goes to a phone line anywhere here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from throughline.identity import (
    accounts,
    attempts,
    ceremony,
    challenges,
    events,
    passkeys,
    recovery_codes,
    sessions,
    totp,
)
from throughline.identity.ceremony import CeremonyRefused
from throughline.identity.levels import Level
from throughline.identity.models import Authenticator, RecoveryCode
from throughline.identity.problems import SignInRefused
from throughline.identity.sessions import LoginSession
from throughline.identity.settings import relying_party
from throughline.kernel import crypto
from throughline.kernel.events import publish
from throughline.kernel.logging import get_logger
from throughline.parties import service as parties

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Browser:
    """What a sign-in comes from: the label of the browser and the tokens of its cookies."""

    label: str
    session_token: str | None = field(default=None, repr=False)
    device_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session has begun: the tokens for the cookies. `device_token` is None where the browser is known already."""

    session: LoginSession
    session_token: str = field(repr=False)
    device_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """What a browser needs to sign in: `options` go to navigator.credentials.get()."""

    challenge_id: UUID
    options: dict[str, Any]


def begin_sign_in(session: Session, *, now: datetime) -> SignInOptions:
    """Options for any passkey that was made for us; they tell nothing about any account."""
    row = challenges.issue(session, "sign_in", now=now)
    return SignInOptions(row.id, ceremony.request_options(relying_party(), challenge=row.challenge))


def finish_sign_in(
    session: Session, challenge_id: UUID, response: dict[str, Any], browser: Browser, *, now: datetime
) -> SignedIn:
    """Sign in with a passkey. Raises `ChallengeGone`, `SignInRefused`."""
    challenge = challenges.consume(session, challenge_id, "sign_in", now=now)
    try:
        used = passkeys.check_use(session, response, challenge.challenge, now=now)
    except CeremonyRefused as error:
        log.info("sign-in refused", reason=str(error))
        raise SignInRefused from None
    level = Level.A1 if passkeys.on_probation(used, now) else Level.A2
    return _begin(session, used.borrower_id, ["passkey"], level, browser, now=now)


def sign_in_with_codes(
    session: Session,
    identifier: str,
    app_code: str,
    recovery_code: str | None,
    browser: Browser,
    *,
    now: datetime,
) -> SignedIn:
    """Sign in with an app's code and, where the browser is new, a saved code.

    `identifier`: phone number, e-mail address or ID number; it only names the account. Raises
    `SignInRefused` with the same words for whatever is wrong, `TooManyAttempts`, `FactorStopped`.
    """
    borrower_id = _find(session, identifier)
    subject = attempts.of_name(identifier) if borrower_id is None else attempts.of_account(borrower_id)
    attempts.count(attempts.CODES, subject, now=now)
    if borrower_id is None:
        _pretend(session, app_code, now=now)
        raise SignInRefused
    accounts.locked_account(session, borrower_id, now=now)
    app = _use_app_code(session, borrower_id, app_code, now=now)
    methods = ["totp"]
    if recovery_code:
        _use_recovery_code(session, borrower_id, recovery_code, now=now)
        methods.append("recovery_code")
    elif not sessions.is_bound(session, borrower_id, browser.device_token, now=now):
        raise SignInRefused
    attempts.clear(session, attempts.CODES, subject)
    two = len(methods) == 2 and not passkeys.on_probation(app, now)
    return _begin(session, borrower_id, methods, Level.A2 if two else Level.A1, browser, now=now)


def after_first_factor(
    session: Session, login: LoginSession, method: str, *, now: datetime
) -> SignedIn | None:
    """The short session of a registration ends and a real one begins; None if this was no such session.

    The real one may go on adding factors until the onboarding time is over.
    """
    if login.kind != "enrolling":
        return None
    sessions.end_other_sessions(session, login.subject_id, None, reason="replaced", now=now)
    level = Level.A2 if method == "passkey" else Level.A1
    browser = Browser(login.device)
    return _begin(
        session, login.subject_id, [method], level, browser, now=now, enrols_until=login.enrols_until
    )


def _begin(
    session: Session,
    borrower_id: UUID,
    methods: list[str],
    level: Level,
    browser: Browser,
    *,
    now: datetime,
    enrols_until: datetime | None = None,
) -> SignedIn:
    accounts.locked_account(session, borrower_id, now=now)
    sessions.rotate_out(session, browser.session_token, now=now)
    begun, token = sessions.open_session(
        session,
        kind="borrower",
        subject_id=borrower_id,
        level=level,
        methods=methods,
        device=browser.label,
        now=now,
        enrols_until=enrols_until,
    )
    known = sessions.is_bound(session, borrower_id, browser.device_token, now=now)
    binds = not known and (level >= Level.A2 or enrols_until is not None)
    device_token = sessions.bind_device(session, borrower_id, browser.label, now=now) if binds else None
    publish(
        session,
        events.SignedIn(borrower_id, begun.id, methods, level.label, known),
        aggregate_type="account",
        aggregate_id=borrower_id,
        borrower_id=borrower_id,
    )
    return SignedIn(begun, token, device_token)


def _find(session: Session, identifier: str) -> UUID | None:
    text = identifier.strip()
    if "@" in text:
        return parties.find_borrower(session, email=text)
    return parties.find_borrower(session, id_number=text) or parties.find_borrower(session, phone=text)


def _use_app_code(session: Session, borrower_id: UUID, code: str, *, now: datetime) -> Authenticator:
    enrolled = accounts.active_authenticators(session, borrower_id, "totp")
    if not enrolled:
        _pretend(session, code, now=now)
        raise SignInRefused
    app = enrolled[0]
    seed = accounts.open_seed(session, app)
    # The account is locked, so no other sign-in can take the same step meanwhile.
    step = totp.accepted_step(seed, code.strip(), now=now, last_step=app.last_step)
    if step is None:
        raise SignInRefused
    app.last_step, app.last_used_at = step, now
    return app


def _use_recovery_code(session: Session, borrower_id: UUID, typed: str, *, now: datetime) -> None:
    code = recovery_codes.normalise(typed) or ""
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.borrower_id == borrower_id,
            RecoveryCode.hash == recovery_codes.stored_form(borrower_id, code),
            RecoveryCode.used_at.is_(None),
            RecoveryCode.active_from <= now,
            or_(RecoveryCode.retired_at.is_(None), RecoveryCode.retired_at > now),
        )
        .values(used_at=now)
        .returning(RecoveryCode.set_id)
    ).first()
    if used is None:
        raise SignInRefused


def _pretend(session: Session, code: str, *, now: datetime) -> None:
    """The work of a real check, so that an unknown account takes as long to refuse as a wrong code."""
    envelope = crypto.seal(session, crypto.LENDER_ID, "identity|nobody|seed", totp.new_seed())
    seed = crypto.open_sealed(session, crypto.LENDER_ID, "identity|nobody|seed", envelope)
    totp.accepted_step(seed, code.strip(), now=now, last_step=None)
