"""Questions to carriers for credit decisions: off unless the lender turns it on, under a consent of their own.

The People's Bank treats data that judges credit as credit information. So these answers stand in a table of their
own; nothing here reads or writes what is known of lines, and nothing of lines reads this.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import date
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from throughline.kernel.clock import now as business_now
from throughline.kernel.db import database
from throughline.kernel.errors import Forbidden
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.line.adapters.camara import tenure
from throughline.line.adapters.camara.calls import Subject
from throughline.line.feed.directory import directory
from throughline.line.feed.models import CreditAnswer
from throughline.line.ports import Outcome
from throughline.line.settings import load_settings
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

SOURCE = "camara.kyc-tenure"


class CreditUseIsOff(Forbidden):
    """This installation does not ask carriers for credit decisions."""

    code = "carrier-credit-use-off"
    title = N_("Carriers are not asked for credit decisions here; THROUGHLINE_LINE_CREDIT_USE turns it on")


def ask_tenure(borrower_id: UUID, contact_point_id: UUID, carrier: str, since: date, reason: str) -> Outcome:
    """Ask whether a number was held since a day, for a credit decision. Raises CreditUseIsOff, ConsentMissing."""
    config = load_settings()
    caller = directory().caller(carrier)
    if not config.credit_use:
        raise CreditUseIsOff
    if caller is None or SOURCE not in caller.config.sells:
        return Outcome.ERROR

    def prepare(session: Session) -> tuple[UUID, str]:
        now = business_now()
        consent_id = parties.open_consent(session, borrower_id, Purpose.CREDIT)
        if consent_id is None:
            raise parties.ConsentMissing
        row = CreditAnswer(
            borrower_id=borrower_id, id=new_id(), contact_point_id=contact_point_id, source=SOURCE,
            provider=carrier, consent_id=consent_id, reason=reason, asked_at=now, cost_minor=0,
        )  # fmt: skip
        session.add(row)
        number = parties.contact_value(session, contact_point_id, Purpose.CREDIT, now=now, reader="line")
        return row.id, number

    row_id, number = database().run(prepare)
    subject = Subject(number, Purpose.CREDIT, str(uuid4()))
    reply = tenure.ask(caller, subject, since, ends_at=time.monotonic() + config.total_s)

    def record(session: Session) -> None:
        row = session.get_one(CreditAnswer, (borrower_id, row_id), with_for_update=True)
        row.outcome, row.answered_at = reply.outcome, business_now()
        if reply.value is not None:
            row.answer, row.cost_minor = asdict(reply.value), caller.config.price_minor

    database().run(record)
    return reply.outcome
