"""Asking for a message: the inbox at once, the plan of steps, the first step under way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.ids import new_id
from throughline.messaging import begin, flow, inbox, reasons
from throughline.messaging.classes import MessageClass
from throughline.messaging.models import MsgIntent, MsgStep
from throughline.messaging.outbound import params_place
from throughline.messaging.plan import PlannedStep, steps_for
from throughline.messaging.steps import OPEN, StepState
from throughline.messaging.templates import template
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


@dataclass(frozen=True, slots=True)
class NewIntent:
    """The wish to tell a borrower something. The same `idem_key` for a borrower is the same wish, for ever.

    `subject` names what it is about, as "loan:<id>"; `params` fill the places of the template.
    """

    borrower_id: UUID
    idem_key: str
    purpose: str
    klass: str
    template: str
    params: Mapping[str, str | int] = field(repr=False)
    deadline: datetime
    subject: str | None = None
    not_before: datetime | None = None


def request(session: Session, wish: NewIntent, *, now: datetime) -> UUID:
    """Write a message into the inbox and plan its way outside; the id of the intent, also of a repeat.

    What can't be sent is held or suppressed with its reason, which is published in the same transaction.
    """
    return create(session, wish, None, now=now)


def create(session: Session, wish: NewIntent, steps: Sequence[PlannedStep] | None, *, now: datetime) -> UUID:
    """The same with steps that the caller has chosen."""
    text = template(wish.template)
    if MessageClass(wish.klass) is MessageClass.COLLECTION:
        # Quiet hours and caps on contacts are law for this class; until they are kept here, nothing goes out.
        raise ValueError("messages of class collection need contact rules that are not built yet")
    locale = parties.profile(session, wish.borrower_id).locale
    intent_id = new_id()
    fresh = session.execute(
        insert(MsgIntent)
        .values(
            borrower_id=wish.borrower_id,
            id=intent_id,
            idem_key=wish.idem_key,
            purpose=Purpose(wish.purpose).value,
            klass=MessageClass(wish.klass).value,
            template=text.id,
            template_version=text.version,
            params=crypto.seal(
                session, wish.borrower_id, params_place(intent_id), json.dumps(dict(wish.params))
            ),
            locale=locale,
            subject=wish.subject,
            not_before=wish.not_before,
            deadline=wish.deadline,
            outcome=OPEN,
            created_at=now,
            changed_at=now,
        )
        .on_conflict_do_nothing(index_elements=["borrower_id", "idem_key"])
        .returning(MsgIntent.id)
    ).scalar_one_or_none()
    if fresh is None:
        return session.execute(
            select(MsgIntent.id).where(
                MsgIntent.borrower_id == wish.borrower_id, MsgIntent.idem_key == wish.idem_key
            )
        ).scalar_one()
    inbox.write(session, wish.borrower_id, intent_id, text, wish.params, now=now)
    if steps is None:
        steps = steps_for(parties.contact_points(session, wish.borrower_id), now=now)
    for n, step in enumerate(steps, start=1):
        session.add(
            MsgStep(
                borrower_id=wish.borrower_id,
                intent_id=intent_id,
                n=n,
                channel=step.channel.value,
                contact_point_id=step.contact_point_id,
                state=StepState.PLANNED.value,
                changed_at=now,
            )
        )
    session.flush()
    plan = flow.locked(session, intent_id, now=now)
    if plan.steps:
        begin.start_next(plan)
    else:
        flow.without_address(plan, reasons.NO_ADDRESS)
    return intent_id
