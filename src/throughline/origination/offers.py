"""Making an offer, and its end when nobody takes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from throughline.contracts import service as contracts
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.jobs import set_timer
from throughline.origination import drafts, gates
from throughline.origination.models import Application
from throughline.origination.states import State
from throughline.origination.transitions import move

OPEN_FOR = timedelta(days=7)
EXPIRY_TIMER = "origination.expiry"


def make(
    session: Session,
    application: Application,
    *,
    principal_minor: int,
    annual_rate_percent: Decimal,
    reason: Text | None = None,
    now: datetime,
) -> None:
    """Draft schedule and cost table of the offer; a cap that forbids it declines the application instead.

    `reason`: what a person who approved it says; without it, that an offer was made.
    """
    terms = drafts.offer_terms(
        session, application, principal_minor=principal_minor, annual_rate_percent=annual_rate_percent
    )
    table = contracts.create_cost_table(session, application.borrower_id, terms, now=now)
    application.offer = {
        "principal_minor": terms.principal_minor,
        "installments": terms.installments,
        "annual_rate_percent": str(terms.annual_rate_percent),
        "apr_percent": table.apr_percent,
    }
    if gates.offer(session, application, now=now).outcome == "block":
        forbidden = bilingual(N_("No offer could be made that the law of today allows."))
        move(session, application, State.DECLINED, forbidden, now=now)
        return
    application.cost_table_id = table.id
    application.expires_at = now + OPEN_FOR
    expire_later(session, application)
    move(session, application, State.OFFERED, reason or bilingual(N_("An offer was made.")), now=now)


def expire_later(session: Session, application: Application) -> None:
    """Set the timer that ends the application when its time is over."""
    set_timer(
        session,
        EXPIRY_TIMER,
        str(application.id),
        application.expires_at,
        "origination.expire",
        {"borrower_id": str(application.borrower_id), "application_id": str(application.id)},
    )
