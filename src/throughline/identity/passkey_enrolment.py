"""Adding a passkey."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from throughline.identity import accounts, ceremony, challenges, enrolment, sign_in
from throughline.identity.ceremony import CeremonyRefused
from throughline.identity.models import Authenticator
from throughline.identity.problems import PasskeyRefused
from throughline.identity.sessions import LoginSession
from throughline.identity.settings import relying_party
from throughline.kernel.errors import Conflict
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.parties import service as parties

log = get_logger(__name__)
MAX_PASSKEYS = 10
MAX_LABEL_CHARS = 60


class TooManyPasskeys(Conflict):
    """A person keeps at most 10 passkeys."""

    code = "too-many-passkeys"
    title = N_("No more passkeys can be added")


class PasskeyTaken(Conflict):
    """The credential is registered already."""

    code = "passkey-taken"
    title = N_("This passkey is registered already")


@dataclass(frozen=True, slots=True)
class PasskeyOptions:
    """What a browser needs to make a passkey: `options` go to navigator.credentials.create()."""

    challenge_id: UUID
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A factor was added. `signed_in`: it was the first one, and a real session took the place of the short one."""

    authenticator_id: UUID
    signed_in: sign_in.SignedIn | None


def begin_passkey(
    session: Session, login: LoginSession, *, now: datetime, proof_id: UUID | None = None
) -> PasskeyOptions:
    """Options for a new passkey. Raises `StepUpNeeded`, `ProofRefused`, `TooManyPasskeys`."""
    given = enrolment.authority(session, login, proof_id, "passkey", now=now)
    known = [
        row.credential_id for row in accounts.active_authenticators(session, login.subject_id, "passkey")
    ]
    if len(known) >= MAX_PASSKEYS:
        raise TooManyPasskeys
    row = challenges.issue(
        session, "enrol", now=now, borrower_id=login.subject_id, session_id=login.id, authority=given
    )
    profile = parties.profile(session, login.subject_id)
    options = ceremony.creation_options(
        relying_party(),
        user_id=login.subject_id,
        # What the person sees in the list of their passkeys: enough to tell accounts apart, no more.
        user_name=profile.phone or profile.email or profile.name,
        challenge=row.challenge,
        known=[credential_id for credential_id in known if credential_id],
    )
    return PasskeyOptions(row.id, options)


def finish_passkey(
    session: Session,
    login: LoginSession,
    challenge_id: UUID,
    response: dict[str, Any],
    *,
    label: str,
    now: datetime,
) -> Enrolled:
    """Check and keep a new passkey. Raises `ChallengeGone`, `PasskeyRefused`, `PasskeyTaken`, `TooManyPasskeys`."""
    challenge = challenges.consume(session, challenge_id, "enrol", now=now)
    if (
        challenge.session_id != login.id
        or challenge.borrower_id != login.subject_id
        or not challenge.authority
    ):
        raise challenges.ChallengeGone
    try:
        new = ceremony.check_registration(response, challenge=challenge.challenge, rp=relying_party())
    except CeremonyRefused as error:
        log.info("passkey registration refused", reason=str(error))
        raise PasskeyRefused from None
    accounts.locked_account(session, login.subject_id, now=now)
    if len(accounts.active_authenticators(session, login.subject_id, "passkey")) >= MAX_PASSKEYS:
        raise TooManyPasskeys
    row = Authenticator(
        borrower_id=login.subject_id,
        id=new_id(),
        family="passkey",
        state="active",
        label=label[:MAX_LABEL_CHARS],
        authority=challenge.authority,
        created_at=now,
        probation_until=enrolment.probation_end(challenge.authority, now=now),
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        backup_eligible=new.backup_eligible,
        backed_up=new.backed_up,
        aaguid=new.aaguid,
        transports=list(new.transports),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise PasskeyTaken from None
    enrolment.enrolled(session, login, "passkey", row.id, challenge.authority)
    return Enrolled(row.id, sign_in.after_first_factor(session, login, "passkey", now=now))
