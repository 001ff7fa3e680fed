"""Registration: a person, their consents and the account in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.identity import accounts, enrolment
from throughline.identity.models import Account
from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import N_
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

REQUIRED = frozenset({Purpose.IDENTITY})


class ConsentNeeded(Invalid):
    """Without this consent there is nothing that we could do for the person."""

    code = "consent-needed"
    title = N_("Without your consent to check who you are we can't open an account")


def register(
    session: Session,
    new: NewPerson,
    purposes: Collection[Purpose],
    evidence: Mapping[str, Any],
    *,
    now: datetime,
    real_now: datetime,
) -> UUID:
    """Register a person and open their account; returns the borrower id. `begin_enrolment` comes next.

    `now` is business time, `real_now` the wall clock that limits enrolment. A registration of the same ID
    number whose 30 minutes passed without a factor is erased and gives way: else a broken connection, or
    a stranger, could keep somebody out. Raises what `parties.register_person` raises, and `ConsentNeeded`.
    """
    if not set(purposes) >= REQUIRED:
        raise ConsentNeeded
    try:
        borrower_id = parties.register_person(session, new, now=now)
    except parties.AlreadyRegistered as known:
        if not _abandoned(session, known.borrower_id, now=real_now):
            raise
        parties.discard_person(session, known.borrower_id, now=now)
        borrower_id = parties.register_person(session, new, now=now)
    parties.give_consents(session, borrower_id, purposes, evidence, now=now)
    enrolment.open_account(session, borrower_id, now=real_now)
    return borrower_id


def _abandoned(session: Session, borrower_id: UUID, *, now: datetime) -> bool:
    # Only an account that was opened here and never got a factor; people brought in by import have none.
    account = session.get(Account, borrower_id, with_for_update=True)
    return (
        account is not None
        and account.enrolment_ends_at is not None
        and account.enrolment_ends_at <= now
        and not accounts.active_authenticators(session, borrower_id)
    )
