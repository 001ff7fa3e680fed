"""Adding the two factors that are typed: codes of an authenticator app, and saved recovery codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from throughline.identity import accounts, attempts, enrolment, recovery_codes, sign_in, totp
from throughline.identity.models import Authenticator, RecoveryCode
from throughline.identity.passkey_enrolment import Enrolled
from throughline.identity.problems import EnrolmentClosed
from throughline.identity.sessions import LoginSession
from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.parties import service as parties


class WrongCode(Invalid):
    """The code does not belong to this app now; often the phone's clock is wrong."""

    code = "wrong-code"
    title = N_("The code does not fit; check that the clock of the device is right")


class CodeAppPresent(Conflict):
    """There is a code app already."""

    code = "code-app-present"
    title = N_("A code app is set up already")


@dataclass(frozen=True, slots=True)
class NewCodeApp:
    """A seed for an authenticator app, shown once: as text and as the address of a QR code."""

    authenticator_id: UUID
    seed: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


def begin_totp(
    session: Session, login: LoginSession, *, now: datetime, proof_id: UUID | None = None
) -> NewCodeApp:
    """A fresh seed that waits for its first code. Raises `StepUpNeeded`, `ProofRefused`, `CodeAppPresent`."""
    given = enrolment.authority(session, login, proof_id, "totp", now=now)
    accounts.locked_account(session, login.subject_id, now=now)
    if accounts.active_authenticators(session, login.subject_id, "totp"):
        raise CodeAppPresent
    # An older seed that never got its first code is worth nothing any more.
    session.execute(
        update(Authenticator)
        .where(Authenticator.borrower_id == login.subject_id, Authenticator.state == "pending")
        .values(state="revoked", revoked_at=now, seed=None)
    )
    authenticator_id, seed = new_id(), totp.new_seed()
    session.add(
        Authenticator(
            borrower_id=login.subject_id,
            id=authenticator_id,
            family="totp",
            state="pending",
            label="",
            authority=given,
            created_at=now,
            seed=accounts.seal_seed(session, login.subject_id, authenticator_id, seed),
        )
    )
    profile = parties.profile(session, login.subject_id)
    uri = totp.provisioning_uri(seed, issuer=settings().lender_name, account=profile.phone or profile.name)
    return NewCodeApp(authenticator_id, seed, uri)


def confirm_totp(
    session: Session, login: LoginSession, authenticator_id: UUID, code: str, *, now: datetime
) -> Enrolled:
    """The app shows the right code: from now on it counts. Raises `WrongCode`, `TooManyAttempts`.

    A seed waits as long as the session that asked for it may enrol; the code itself proves possession.
    """
    subject = attempts.of_account(login.subject_id)
    attempts.count(attempts.CODES, subject, now=now)
    accounts.locked_account(session, login.subject_id, now=now)
    row = session.scalars(
        select(Authenticator)
        .where(
            Authenticator.borrower_id == login.subject_id,
            Authenticator.id == authenticator_id,
            Authenticator.family == "totp",
            Authenticator.state == "pending",
            Authenticator.created_at > now - enrolment.ONBOARDING,
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise WrongCode
    step = totp.accepted_step(accounts.open_seed(session, row), code.strip(), now=now, last_step=None)
    if step is None:
        raise WrongCode
    row.state, row.last_step, row.last_used_at = "active", step, now
    row.probation_until = enrolment.probation_end(row.authority, now=now)
    session.flush()
    attempts.clear(session, attempts.CODES, subject)
    enrolment.enrolled(session, login, "totp", row.id, row.authority)
    return Enrolled(row.id, sign_in.after_first_factor(session, login, "totp", now=now))


def create_recovery_codes(
    session: Session, login: LoginSession, *, now: datetime, proof_id: UUID | None = None
) -> list[str]:
    """Ten fresh codes, shown this once. The set before ends when the new one counts.

    Raises `StepUpNeeded`, `ProofRefused`, and `EnrolmentClosed` before there is a factor to go with them.
    """
    given = enrolment.authority(session, login, proof_id, "recovery_codes", now=now)
    accounts.locked_account(session, login.subject_id, now=now)
    if not accounts.active_authenticators(session, login.subject_id):
        raise EnrolmentClosed(N_("Add a passkey or a code app first"))
    active_from = enrolment.probation_end(given, now=now) or now
    session.execute(
        update(RecoveryCode)
        .where(RecoveryCode.borrower_id == login.subject_id, RecoveryCode.retired_at.is_(None))
        .values(retired_at=active_from)
    )
    set_id, codes = new_id(), recovery_codes.new_codes()
    for code in codes:
        normal = code.replace("-", "")
        session.add(
            RecoveryCode(
                borrower_id=login.subject_id,
                hash=recovery_codes.stored_form(login.subject_id, normal),
                set_id=set_id,
                created_at=now,
                active_from=active_from,
            )
        )
    enrolment.enrolled(session, login, "recovery_codes", None, given)
    return codes
