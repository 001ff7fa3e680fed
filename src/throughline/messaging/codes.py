"""Codes that prove a number: sent by SMS to that number alone, and forgotten when their time is over.

The one class that may go to a number in doubt: its text has no name, no debt and no link, and the code serves
nobody but the signed-in person who asked for it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict
from throughline.kernel.i18n import N_
from throughline.messaging.classes import MessageClass
from throughline.messaging.models import MsgIntent
from throughline.messaging.plan import Channel, PlannedStep
from throughline.messaging.requests import NewIntent, create
from throughline.messaging.steps import StepState
from throughline.parties.purposes import Purpose

TEMPLATE = "number_code"
BATCH = 500


class CodeNotSent(Conflict):
    """No code goes to this number: SMS is not set up, the consent is missing, or the number is barred."""

    code = "code-not-sent"
    title = N_("No code can be sent to this number at present")


def send_code(
    session: Session,
    borrower_id: UUID,
    contact_point_id: UUID,
    code: str,
    *,
    key: str,
    deadline: datetime,
    now: datetime,
) -> UUID:
    """Send a code to a number of the borrower; the id of the intent. Raises `CodeNotSent`."""
    intent_id = create(
        session,
        NewIntent(
            borrower_id=borrower_id,
            idem_key=key,
            purpose=Purpose.IDENTITY.value,
            klass=MessageClass.OTP.value,
            template=TEMPLATE,
            params={"code": code},
            deadline=deadline,
        ),
        [PlannedStep(Channel.SMS, contact_point_id)],
        now=now,
    )
    outcome = session.execute(select(MsgIntent.outcome).where(MsgIntent.id == intent_id)).scalar_one()
    if outcome == StepState.SUPPRESSED.value:
        raise CodeNotSent
    return intent_id


def forget(session: Session, *, now: datetime) -> int:
    """Empty the parameters of codes whose time is over; returns how many (at most 500)."""
    old = (
        select(MsgIntent.id)
        .where(
            MsgIntent.klass == MessageClass.OTP.value,
            MsgIntent.params != b"",
            MsgIntent.deadline < now,
        )
        .limit(BATCH)
    )
    gone = session.execute(
        update(MsgIntent).where(MsgIntent.id.in_(old)).values(params=b"").returning(MsgIntent.id)
    )
    return len(gone.all())
