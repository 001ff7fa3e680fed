"""Reading episodes and the protections in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity.models import Episode, ProtectionCase
from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_


class EpisodeUnknown(NotFound):
    """No such episode."""

    code = "episode-not-found"
    title = N_("There is no such outage episode")


def episode(session: Session, episode_id: UUID) -> Episode:
    """One episode. Raises `EpisodeUnknown`."""
    found = session.scalars(select(Episode).where(Episode.id == episode_id)).one_or_none()
    if found is None:
        raise EpisodeUnknown
    return found


def episodes_page(
    session: Session,
    *,
    borrower_id: UUID | None = None,
    state: str | None = None,
    cause: str | None = None,
    after: UUID | None,
    limit: int,
) -> list[Episode]:
    """A page of episodes, newest first; `after` is the id of the last one read."""
    query = select(Episode)
    if borrower_id is not None:
        query = query.where(Episode.borrower_id == borrower_id)
    if state is not None:
        query = query.where(Episode.state == state)
    if cause is not None:
        query = query.where(Episode.cause == cause)
    if after is not None:
        query = query.where(Episode.id < after)
    return list(session.scalars(query.order_by(Episode.id.desc()).limit(limit)))


def cases_of(session: Session, episode_id: UUID) -> list[ProtectionCase]:
    """The protection cases of one episode (one a loan, so a handful)."""
    query = (
        select(ProtectionCase)
        .where(ProtectionCase.episode_id == episode_id)
        .order_by(ProtectionCase.id)
        .limit(100)
    )
    return list(session.scalars(query))


def protections_of_loan(session: Session, loan_id: UUID, *, limit: int = 20) -> list[ProtectionCase]:
    """The newest cases of one loan, refused ones too."""
    query = (
        select(ProtectionCase)
        .where(ProtectionCase.loan_id == loan_id)
        .order_by(ProtectionCase.id.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def protections_of(
    session: Session, borrower_id: UUID, *, after: UUID | None, limit: int
) -> list[ProtectionCase]:
    """A page of a borrower's cases, newest first, refused ones too."""
    query = select(ProtectionCase).where(ProtectionCase.borrower_id == borrower_id)
    if after is not None:
        query = query.where(ProtectionCase.id < after)
    return list(session.scalars(query.order_by(ProtectionCase.id.desc()).limit(limit)))


def case_document(case: ProtectionCase) -> dict[str, Any]:
    """A case as JSON for pages and API."""
    return {
        "case_id": str(case.id),
        "loan_id": str(case.loan_id),
        "installment_nr": case.installment_nr,
        "due_date": case.due_date.isoformat(),
        "state": case.state,
        "policy_version": case.policy_version,
        "rule_id": case.rule_id,
        "first_day": case.first_day.isoformat() if case.first_day else None,
        "last_day": case.last_day.isoformat() if case.last_day else None,
        "measures": list(case.measures),
        "difference": case.difference,
        "reason": case.reason,
        "end_reason": case.end_reason,
        "record_id": str(case.record_id) if case.record_id else None,
    }
