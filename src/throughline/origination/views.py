"""Reading applications: a borrower's own, all of them for staff, their history and their reasons."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.i18n import Text
from throughline.origination.models import Application, Step
from throughline.origination.states import State
from throughline.origination.transitions import ApplicationUnknown
from throughline.risk import service as risk


def application(session: Session, borrower_id: UUID, application_id: UUID) -> Application:
    """One application of a borrower. Raises ApplicationUnknown."""
    found = session.get(Application, (borrower_id, application_id))
    if found is None:
        raise ApplicationUnknown
    return found


def application_of_staff(session: Session, application_id: UUID) -> Application:
    """One application of anybody. Raises ApplicationUnknown."""
    found = session.scalars(select(Application).where(Application.id == application_id)).one_or_none()
    if found is None:
        raise ApplicationUnknown
    return found


def decision_document(made: risk.DecisionRecord) -> dict[str, Any]:
    """The scorecard's decision as JSON: score, probability of default, price, reasons, versions."""
    rate = made.annual_rate_percent
    return {
        "id": str(made.id),
        "outcome": made.outcome,
        "grade": made.grade,
        "score": made.score,
        "pd": str(made.pd),
        "limit_minor": made.limit_minor,
        "annual_rate_percent": str(rate) if rate is not None else None,
        "reasons": [{"code": reason.code, "text": reason.text} for reason in made.reasons],
        "scorecard": made.versions[0],
        "policy": made.versions[1],
    }


def applications(
    session: Session,
    *,
    borrower_id: UUID | None,
    state: State | None = None,
    after: UUID | None,
    limit: int,
) -> list[Application]:
    """A page of applications, newest first; of one borrower or of all, in one state or in any."""
    query = select(Application)
    if state is not None:
        query = query.where(Application.state == state.value)
    if borrower_id is not None:
        query = query.where(Application.borrower_id == borrower_id)
    if after is not None:
        query = query.where(Application.id < after)
    return list(session.scalars(query.order_by(Application.id.desc()).limit(limit)))


def steps(session: Session, application_id: UUID, *, limit: int = 100) -> list[Step]:
    """The history of an application, oldest first."""
    return list(
        session.scalars(
            select(Step).where(Step.application_id == application_id).order_by(Step.seq).limit(limit)
        )
    )


def last_reason(session: Session, application_id: UUID) -> Text:
    """Why the application stands where it does: the reason of its newest step."""
    query = select(Step.reason).where(Step.application_id == application_id).order_by(Step.seq.desc())
    return session.scalars(query.limit(1)).one()
