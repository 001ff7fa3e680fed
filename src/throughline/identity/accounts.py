"""Accounts: the row that guards a borrower's factors, and what their factors amount to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.identity.models import Account, Authenticator, RecoveryCode
from throughline.kernel import clock, crypto
from throughline.kernel.i18n import N_, Text, bilingual


@dataclass(frozen=True, slots=True)
class Factor:
    """One enrolled factor, for the list that its owner sees."""

    id: UUID
    family: str
    label: str
    created_at: datetime
    last_used_at: datetime | None
    probation_until: datetime | None
    synced: bool


@dataclass(frozen=True, slots=True)
class FactorSummary:
    """What a borrower could sign in with, and what would happen without the line or without the phone.

    `kinds`: families that are enrolled (passkey, totp, recovery_codes). `payout_ready`: the enrolment
    gate before money is paid out: two families, one of which survives the loss of the phone.
    """

    kinds: tuple[str, ...]
    factors: tuple[Factor, ...]
    recovery_codes_left: int
    survives_line_loss: bool
    survives_phone_loss: bool
    payout_ready: bool
    advice: tuple[Text, ...]


def locked_account(session: Session, borrower_id: UUID, *, now: datetime) -> Account:
    """The account's row, made if it was missing, locked: taken before any change of factors or sessions."""
    session.execute(insert(Account).values(borrower_id=borrower_id, created_at=now).on_conflict_do_nothing())
    return session.get_one(Account, borrower_id, with_for_update=True, populate_existing=True)


def active_authenticators(
    session: Session, borrower_id: UUID, family: str | None = None
) -> list[Authenticator]:
    """The authenticators that may be used (on probation or not), oldest first."""
    wanted = select(Authenticator).where(
        Authenticator.borrower_id == borrower_id, Authenticator.state == "active"
    )
    if family is not None:
        wanted = wanted.where(Authenticator.family == family)
    return list(session.scalars(wanted.order_by(Authenticator.id)))


def recovery_codes_left(session: Session, borrower_id: UUID, *, now: datetime) -> int:
    """How many saved codes can still be used, now or when their probation ends."""
    return session.execute(
        select(func.count())
        .select_from(RecoveryCode)
        .where(
            RecoveryCode.borrower_id == borrower_id,
            RecoveryCode.used_at.is_(None),
            or_(RecoveryCode.retired_at.is_(None), RecoveryCode.retired_at > now),
        )
    ).scalar_one()


def factors(session: Session, borrower_id: UUID) -> FactorSummary:
    """What this borrower has enrolled and what it is good for."""
    now = clock.real_now()
    enrolled = active_authenticators(session, borrower_id)
    codes_left = recovery_codes_left(session, borrower_id, now=now)
    return summarise(
        tuple(
            Factor(row.id, row.family, row.label, row.created_at, row.last_used_at, row.probation_until, bool(row.backed_up))
            for row in enrolled
        ),
        codes_left,
    )  # fmt: skip


def summarise(enrolled: tuple[Factor, ...], codes_left: int) -> FactorSummary:
    """The summary of a list of factors. Pure.

    Nothing that we accept needs the phone line, so any way to sign in survives its loss. A lost phone is
    survived by a passkey that is synced to an account, or by codes on paper beside another factor.
    """
    families = {factor.family for factor in enrolled}
    kinds = (*sorted(families), *(("recovery_codes",) if codes_left else ()))
    synced = any(factor.synced for factor in enrolled if factor.family == "passkey")
    survives_phone_loss = synced or (codes_left > 0 and bool(families))
    advice: list[Text] = []
    if not families:
        advice.append(bilingual(N_("Add a passkey or a code app: without one you can't sign in.")))
    if not codes_left:
        advice.append(bilingual(N_("Save recovery codes: they help when the phone is lost.")))
    elif codes_left <= 3:
        advice.append(
            bilingual(N_("Only %(count)s recovery codes are left; make a new set."), count=codes_left)
        )
    if "passkey" not in families:
        advice.append(bilingual(N_("Add a passkey: contracts can be signed only with one.")))
    return FactorSummary(
        kinds=kinds,
        factors=enrolled,
        recovery_codes_left=codes_left,
        survives_line_loss=bool(families),
        survives_phone_loss=survives_phone_loss,
        payout_ready=len(kinds) >= 2 and survives_phone_loss,
        advice=tuple(advice),
    )


def seal_seed(session: Session, borrower_id: UUID, authenticator_id: UUID, seed: str) -> bytes:
    """The seed of a code app, sealed for its row."""
    return crypto.seal(session, borrower_id, _seed_place(authenticator_id), seed)


def open_seed(session: Session, row: Authenticator) -> str:
    """The seed of a code app in clear, for one comparison."""
    return crypto.open_sealed(session, row.borrower_id, _seed_place(row.id), row.seed or b"")


def _seed_place(authenticator_id: UUID) -> str:
    return f"identity_authenticator|{authenticator_id}|seed"
