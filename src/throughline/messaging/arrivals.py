"""Whether the borrower could know: when messages were opened in the app, and where they arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.messaging.models import MsgInbox, MsgIntent, MsgStep
from throughline.messaging.steps import StepState

MAX_INTENTS = 20_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A provider's word that a message, or the catch-up message that stands for it, arrived at an address."""

    channel: str
    contact_point_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A message that was asked for: when it was opened after signing in, and where it arrived."""

    intent_id: UUID
    borrower_id: UUID
    subject: str
    asked_at: datetime
    read_at: datetime | None
    arrivals: tuple[Arrival, ...]


def told_about(
    session: Session, borrower_ids: Sequence[UUID], subjects: Sequence[str], templates: Sequence[str]
) -> list[Told]:
    """The messages of these templates about these subjects, oldest first (at most 20,000), for many borrowers."""
    if not borrower_ids:
        return []
    intents = session.execute(
        select(MsgIntent.id, MsgIntent.borrower_id, MsgIntent.subject, MsgIntent.created_at, MsgInbox.read_at)
        .outerjoin(
            MsgInbox,
            (MsgInbox.borrower_id == MsgIntent.borrower_id) & (MsgInbox.intent_id == MsgIntent.id),
        )
        .where(
            MsgIntent.borrower_id.in_(borrower_ids),
            MsgIntent.subject.in_(subjects),
            MsgIntent.template.in_(templates),
        )
        .order_by(MsgIntent.id)
        .limit(MAX_INTENTS)
    ).all()
    arrived: dict[UUID, list[Arrival]] = defaultdict(list)
    steps = session.execute(
        select(MsgStep.intent_id, MsgStep.channel, MsgStep.contact_point_id, MsgStep.changed_at).where(
            MsgStep.borrower_id.in_({row.borrower_id for row in intents}),
            MsgStep.intent_id.in_([row.id for row in intents]),
            MsgStep.state == StepState.DELIVERED.value,
        )
    )
    for intent_id, channel, point, at in steps:
        arrived[intent_id].append(Arrival(channel, point, at))
    return [
        Told(row.id, row.borrower_id, row.subject or "", row.created_at, row.read_at, tuple(arrived[row.id]))
        for row in intents
    ]
