"""A person's decision on an application that the machine left open."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.i18n import Text
from throughline.notary import service as notary
from throughline.origination import notices, offers
from throughline.origination.models import Application
from throughline.origination.states import State
from throughline.origination.transitions import ApplicationUnknown, WrongState, move
from throughline.risk import service as risk


def decide_referred(
    session: Session,
    application_id: UUID,
    *,
    approve: bool,
    reason: Text,
    staff_id: UUID | None,
    now: datetime,
) -> Application:
    """Approve or decline a referred application; the decision goes to the notary's log with who made it.

    An approval is priced at the highest rate of the table: affordability was judged at that, and a person
    may not invent a price. Raises ApplicationUnknown, WrongState.
    """
    application = session.scalars(
        select(Application).where(Application.id == application_id).with_for_update()
    ).one_or_none()
    if application is None:
        raise ApplicationUnknown
    if application.state != State.REFERRED:
        raise WrongState(application.state)
    notary.commit(
        session,
        application.borrower_id,
        "human_decision",
        {
            "application": str(application.id),
            "outcome": "approve" if approve else "decline",
            "staff": str(staff_id) if staff_id else None,
            "reason": reason["en"],
        },
        now=now,
    )
    if approve:
        offers.make(
            session,
            application,
            principal_minor=application.requested_minor,
            annual_rate_percent=risk.highest_rate_percent(),
            reason=reason,
            now=now,
        )
    else:
        move(session, application, State.DECLINED, reason, now=now)
    notices.tell(session, application, "decision_made", f"human-decision:{application.id}", now=now)
    return application
