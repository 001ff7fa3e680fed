"""Joint plans for borrowers: `line` decides and orders, here is what it must know of their loans, and their word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Forbidden
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.line.joint import orders
from throughline.line.joint.eligibility import LoanFacts
from throughline.line.joint.offers import find, offers
from throughline.line.joint.orders import Offered
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


class JointConsentMissing(Forbidden):
    """A joint plan was accepted without the consent to it."""

    code = "joint-consent-missing"
    title = N_("Please agree first that the carrier gets your phone number for this offer")


def loan_facts(session: Session, borrower_id: UUID, *, now: datetime) -> LoanFacts:
    """What the decision on a joint plan asks about a borrower's loans. Days are by contract, protected or not."""
    today = clock.local_date(now, settings().zone)
    running = [one for one in lending.loans_of(session, borrower_id) if one.status is LoanStatus.ACTIVE]
    due: list[date] = [one.next_due.due_date for one in running if one.next_due is not None]
    soonest = (min(due) - today).days if due else None
    return LoanFacts(len(running), max(0, -soonest) if soonest is not None else 0, soonest)


def offers_for(session: Session, borrower_id: UUID, *, now: datetime) -> list[Offered]:
    """The offers for a borrower's lines, each with what stands against it."""
    return orders.offered(session, borrower_id, loan_facts(session, borrower_id, now=now), now=now)


def accept(
    session: Session,
    borrower_id: UUID,
    line_id: UUID,
    offer_id: str,
    consent: Mapping[str, Any] | None,
    *,
    now: datetime,
) -> UUID:
    """The borrower accepts an offer; returns the grant's id. `consent`: the evidence, if it was given just now.

    Raises `JointConsentMissing`, `OfferUnknown`, `NotEligible`.
    """
    if consent is not None:
        offer = find(offers(), offer_id)
        if offer is None:
            raise orders.OfferUnknown
        # Who gets the number was named on the page: that belongs to what was agreed to.
        evidence = {**consent, "offer": offer.id, "recipient": offer.carrier}
        parties.give_consents(session, borrower_id, [Purpose.JOINT_PLAN], evidence, now=now)
    elif not parties.has_consent(session, borrower_id, Purpose.JOINT_PLAN):
        raise JointConsentMissing
    facts = loan_facts(session, borrower_id, now=now)
    return orders.request(session, borrower_id, line_id, offer_id, facts, now=now)
