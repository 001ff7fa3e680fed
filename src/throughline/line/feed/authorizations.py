"""Borrowers' refresh tokens at carriers: collected at onboarding, since a suspended line can't be asked any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.ids import new_id
from throughline.line.feed.models import Authorization
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


def keep(
    session: Session,
    borrower_id: UUID,
    line_id: UUID,
    carrier: str,
    purpose: Purpose,
    refresh_token: str,
    *,
    now: datetime,
) -> None:
    """Keep a refresh token for one purpose; it takes the place of the one before. Raises ConsentMissing."""
    if not parties.has_consent(session, borrower_id, purpose):
        raise parties.ConsentMissing
    row = _find(session, line_id, carrier, purpose, lock=True)
    if row is None:
        row = Authorization(
            borrower_id=borrower_id, id=new_id(), line_id=line_id, carrier=carrier, purpose=purpose
        )
        session.add(row)
    row.refresh_token = crypto.seal(session, borrower_id, _place(row.id), refresh_token)
    row.given_at, row.failed_at = now, None


def refresh_token(session: Session, line_id: UUID, carrier: str, purpose: Purpose) -> str | None:
    """The borrower's token for this purpose; None: the carrier is asked 2-legged."""
    row = _find(session, line_id, carrier, purpose)
    if row is None:
        return None
    return crypto.open_sealed(session, row.borrower_id, _place(row.id), row.refresh_token)


def changed(
    session: Session,
    line_id: UUID,
    carrier: str,
    purpose: Purpose,
    fresh: str | None,
    *,
    failed: bool,
    now: datetime,
) -> None:
    """After a call: the carrier gave a new token for the old one, or took none."""
    row = _find(session, line_id, carrier, purpose, lock=True)
    if row is None:
        return
    row.failed_at = now if failed else None
    if fresh is not None:
        row.refresh_token = crypto.seal(session, row.borrower_id, _place(row.id), fresh)


def drop(session: Session, borrower_id: UUID, purpose: Purpose) -> None:
    """The consent was withdrawn: the tokens for this purpose go."""
    session.execute(
        delete(Authorization).where(
            Authorization.borrower_id == borrower_id, Authorization.purpose == purpose
        )
    )


def _find(
    session: Session, line_id: UUID, carrier: str, purpose: Purpose, *, lock: bool = False
) -> Authorization | None:
    wanted = select(Authorization).where(
        Authorization.line_id == line_id,
        Authorization.carrier == carrier,
        Authorization.purpose == purpose,
    )
    return session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()


def _place(row_id: UUID) -> str:
    return f"line_authorization|{row_id}|refresh_token"
