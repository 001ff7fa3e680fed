"""Who may add a factor, and what a new factor is worth at first.

Three authorities. *Onboarding*: within 30 minutes of registration, from the browser that registered.
*Approved*: an old factor approved this very addition. *Recovery*: signed in with a code app and a saved
code less than 5 minutes ago; then the new factor counts as A1 only for 24 hours, so that its owner can
still stop a thief.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.identity import accounts, events, sessions, step_up
from throughline.identity.levels import Level
from throughline.identity.models import Account
from throughline.identity.problems import EnrolmentClosed, StepUpNeeded
from throughline.identity.sessions import LoginSession
from throughline.kernel.events import publish

ONBOARDING = timedelta(minutes=30)
PROBATION = timedelta(hours=24)
FRESH = timedelta(minutes=5)


def add_authenticator_action(family: str) -> dict[str, str]:
    """The action that an old factor approves before a new one of that family is added."""
    return {"kind": "add_authenticator", "family": family}


def open_account(session: Session, borrower_id: UUID, *, now: datetime) -> None:
    """Make the account of a person who just registered: for 30 minutes the first factor may be enrolled."""
    account = accounts.locked_account(session, borrower_id, now=now)
    account.enrolment_ends_at = now + ONBOARDING


def begin_enrolment(
    session: Session, borrower_id: UUID, *, device: str, now: datetime
) -> tuple[LoginSession, str]:
    """Open the short session in which a person who just registered enrols the first factor.

    Returns it and its cookie token. Raises `EnrolmentClosed` once a factor is there, 30 minutes after
    the registration, and for people who did not register themselves: this door must not stand beside
    the real ones.
    """
    account = accounts.locked_account(session, borrower_id, now=now)
    if not enrolment_open(session, account, now=now):
        raise EnrolmentClosed
    return sessions.open_session(
        session,
        kind="enrolling",
        subject_id=borrower_id,
        level=Level.A1,
        methods=["registration"],
        device=device,
        now=now,
        enrols_until=account.enrolment_ends_at,
    )


def enrolment_open(session: Session, account: Account, *, now: datetime) -> bool:
    """Whether the first factor may still be enrolled without another factor."""
    return (
        account.enrolment_ends_at is not None
        and account.enrolment_ends_at > now
        and not accounts.active_authenticators(session, account.borrower_id)
    )


def authority(
    session: Session, login: LoginSession, proof_id: UUID | None, family: str, *, now: datetime
) -> str:
    """What allows this session to add a factor of that family. Raises `StepUpNeeded` if nothing does."""
    if login.enrols_until is not None and login.enrols_until > now:
        return "onboarding"
    if proof_id is not None:
        action = add_authenticator_action(family)
        step_up.require_proof(session, proof_id, login.subject_id, step_up.action_hash(action), now=now)
        return "approved"
    if set(login.methods) == {"totp", "recovery_code"} and now - login.created_at <= FRESH:
        return "recovery"
    raise StepUpNeeded


def probation_end(given: str, *, now: datetime) -> datetime | None:
    """Until when a factor that was added under this authority is on probation."""
    return now + PROBATION if given == "recovery" else None


def enrolled(
    session: Session, login: LoginSession, family: str, authenticator_id: UUID | None, given: str
) -> None:
    """Tell the house that a factor was added. The account's row is locked."""
    publish(
        session,
        events.FactorEnrolled(login.subject_id, family, authenticator_id, given),
        aggregate_type="account",
        aggregate_id=login.subject_id,
        borrower_id=login.subject_id,
    )
