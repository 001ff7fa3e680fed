"""Consents by purpose, and the log of who read a clear value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.errors import Forbidden
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.parties import events
from throughline.parties.models import AccessLogRow, ConsentRow
from throughline.parties.purposes import Purpose
from throughline.parties.records import Consent
from throughline.parties.rows import known, locked


class ConsentMissing(Forbidden):
    """The purpose has no open consent."""

    code = "consent-missing"
    title = N_("The person has not agreed to this use of their data")


def give_consents(
    session: Session,
    borrower_id: UUID,
    purposes: Iterable[Purpose],
    evidence: Mapping[str, Any],
    *,
    now: datetime,
) -> None:
    """Record consents with how they were given (channel, version of the text). Repeats change nothing."""
    locked(session, borrower_id)
    for purpose in sorted(set(purposes)):
        if not has_consent(session, borrower_id, purpose):
            session.add(
                ConsentRow(borrower_id=borrower_id, purpose=purpose, evidence=dict(evidence), given_at=now)
            )
            _consent_changed(session, borrower_id, purpose, given=True)


def withdraw_consent(
    session: Session, borrower_id: UUID, purpose: Purpose, evidence: Mapping[str, Any], *, now: datetime
) -> bool:
    """End a consent at once; False if there was none."""
    locked(session, borrower_id)
    row = session.scalars(select(ConsentRow).where(*_open_consent(borrower_id, purpose))).one_or_none()
    if row is None:
        return False
    row.withdrawn_at, row.withdrawal_evidence = now, dict(evidence)
    _consent_changed(session, borrower_id, purpose, given=False)
    return True


def has_consent(session: Session, borrower_id: UUID, purpose: Purpose) -> bool:
    """Whether the person agrees to this purpose now."""
    return (
        session.execute(select(ConsentRow.id).where(*_open_consent(borrower_id, purpose))).first() is not None
    )


def open_consent(session: Session, borrower_id: UUID, purpose: Purpose) -> UUID | None:
    """The id of the consent that is open now; None without one."""
    return session.execute(
        select(ConsentRow.id).where(*_open_consent(borrower_id, purpose))
    ).scalar_one_or_none()


def consents(
    session: Session, borrower_id: UUID, *, limit: int = 50, after: UUID | None = None
) -> list[Consent]:
    """The ledger of a person's consents, newest first; `after` is the last id of the page before."""
    known(session, borrower_id)
    wanted = select(ConsentRow).where(ConsentRow.borrower_id == borrower_id)
    if after is not None:
        wanted = wanted.where(ConsentRow.id < after)
    return [
        Consent(
            row.id,
            Purpose(row.purpose),
            row.given_at,
            row.withdrawn_at,
            row.evidence.get("text_version"),
            row.evidence.get("reference"),
        )
        for row in session.scalars(wanted.order_by(ConsentRow.id.desc()).limit(limit))
    ]


def access_log(
    session: Session, borrower_id: UUID, *, limit: int = 50, after: UUID | None = None
) -> list[AccessLogRow]:
    """Who read which of a person's clear values and why, newest first."""
    wanted = select(AccessLogRow).where(AccessLogRow.borrower_id == borrower_id)
    if after is not None:
        wanted = wanted.where(AccessLogRow.id < after)
    return list(session.scalars(wanted.order_by(AccessLogRow.id.desc()).limit(limit)))


def require_consent(session: Session, borrower_id: UUID, purpose: Purpose) -> None:
    """Raise `ConsentMissing` unless the person agrees to this purpose now."""
    if not has_consent(session, borrower_id, purpose):
        raise ConsentMissing(N_("There is no consent for %(purpose)s"), purpose=purpose.value)


def log_read(
    session: Session,
    borrower_id: UUID,
    fields: Iterable[str],
    contact_point_id: UUID | None,
    purpose: Purpose,
    reader: str,
    now: datetime,
) -> None:
    """Write one row for each clear value that is read; the person sees all of them."""
    for field in fields:
        session.add(
            AccessLogRow(
                borrower_id=borrower_id, field=field, contact_point_id=contact_point_id,
                purpose=purpose, reader=reader, at=now,
            )
        )  # fmt: skip


def _open_consent(borrower_id: UUID, purpose: Purpose) -> tuple[Any, ...]:
    return (
        ConsentRow.borrower_id == borrower_id,
        ConsentRow.purpose == purpose,
        ConsentRow.withdrawn_at.is_(None),
    )


def _consent_changed(session: Session, borrower_id: UUID, purpose: Purpose, *, given: bool) -> None:
    session.flush()
    publish(
        session,
        events.ConsentChanged(borrower_id, purpose.value, given),
        aggregate_type="person",
        aggregate_id=borrower_id,
        borrower_id=borrower_id,
    )
