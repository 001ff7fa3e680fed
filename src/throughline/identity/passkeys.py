"""Passkeys: using one. (Adding one: `passkey_enrolment`.)"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.identity import ceremony
from throughline.identity.ceremony import CeremonyRefused, StoredCredential
from throughline.identity.models import Authenticator
from throughline.identity.settings import relying_party
from throughline.kernel.logging import get_logger

log = get_logger(__name__)


def check_use(
    session: Session, response: dict[str, Any], challenge: bytes, *, now: datetime
) -> Authenticator:
    """The passkey that answered a challenge, its use noted. Raises `CeremonyRefused`."""
    row = session.scalars(
        select(Authenticator)
        .where(
            Authenticator.credential_id == ceremony.credential_id_of(response),
            Authenticator.family == "passkey",
            Authenticator.state == "active",
        )
        .with_for_update()
    ).one_or_none()
    if row is None or row.credential_id is None or row.public_key is None:
        raise CeremonyRefused("unknown credential")
    stored = StoredCredential(row.credential_id, row.public_key, bool(row.backup_eligible), row.borrower_id)
    used = ceremony.check_assertion(response, challenge=challenge, rp=relying_party(), stored=stored)
    if used.sign_count and used.sign_count <= (row.sign_count or 0):
        # A sign of a copied key or of a careless authenticator; for people to look at, no reason to refuse.
        log.warning("passkey counter went back", authenticator_id=str(row.id))
    if used.backed_up != row.backed_up:
        log.info("passkey backup state changed", authenticator_id=str(row.id), backed_up=used.backed_up)
    row.sign_count, row.backed_up, row.last_used_at = used.sign_count, used.backed_up, now
    return row


def on_probation(row: Authenticator, now: datetime) -> bool:
    """Whether a factor counts as A1 only for now."""
    return row.probation_until is not None and row.probation_until > now
