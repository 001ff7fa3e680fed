"""Taking an application, moving it, and telling others: the mechanics that every verb shares."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_, Text
from throughline.origination.events import ApplicationChanged
from throughline.origination.models import Application, Step
from throughline.origination.states import OPEN, State, may_move


class ApplicationUnknown(NotFound):
    """No such application of this borrower."""

    code = "application-not-found"
    title = N_("There is no such application")


class WrongState(Conflict):
    """The application stands elsewhere; the answer names where."""

    code = "application-state"
    title = N_("The application can't do this now; it is in the state %(state)s")

    def __init__(self, state: str) -> None:
        super().__init__(self.title, state=state)


def take(session: Session, borrower_id: UUID, application_id: UUID, *allowed: State) -> Application:
    """Lock an application of this borrower and check its state. Raises ApplicationUnknown, WrongState."""
    application = session.get(Application, (borrower_id, application_id), with_for_update=True)
    if application is None:
        raise ApplicationUnknown
    if allowed and application.state not in allowed:
        raise WrongState(application.state)
    return application


def move(session: Session, application: Application, new: State, reason: Text, *, now: datetime) -> None:
    """Move a locked application: state, history and event in the caller's transaction."""
    old = application.state
    if not may_move(State(old), new):
        raise WrongState(old)
    application.state = new
    # A payout that comes back opens its application again, unless the borrower has begun another since.
    application.is_open = new in OPEN and (application.is_open or not _another_open(session, application))
    record(session, application, old, new, reason, now=now)


def record(
    session: Session, application: Application, old: str | None, new: State, reason: Text, *, now: datetime
) -> None:
    """Write the history row and publish the change."""
    session.flush()
    seq = session.execute(
        select(func.coalesce(func.max(Step.seq), 0) + 1).where(Step.application_id == application.id)
    ).scalar_one()
    session.add(
        Step(
            borrower_id=application.borrower_id,
            application_id=application.id,
            seq=seq,
            old=old,
            new=new,
            at=now,
            reason=reason,
        )
    )
    publish(
        session,
        ApplicationChanged(application.id, application.borrower_id, old, new, reason),
        aggregate_type="application",
        aggregate_id=application.id,
        borrower_id=application.borrower_id,
    )


def _another_open(session: Session, application: Application) -> bool:
    query = select(Application.id).where(
        Application.borrower_id == application.borrower_id,
        Application.id != application.id,
        Application.is_open,
    )
    return session.execute(query.limit(1)).first() is not None
