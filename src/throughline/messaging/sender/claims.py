"""What is due for a channel, claimed in one transaction; what came of it, recorded in another."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from throughline.messaging import attempts, schedule
from throughline.messaging.attempts import Claim
from throughline.messaging.classes import POLICIES, MessageClass
from throughline.messaging.models import MsgAttempt, MsgIntent
from throughline.messaging.plan import Channel
from throughline.messaging.ports import SubmitResult
from throughline.messaging.routes.choose import Candidate, choose
from throughline.messaging.routes.config import RouteSettings

MOST = 500  # looked through for one that is to be claimed alone


@dataclass
class Spot:
    """A route of the channel at the time of the claim: how it stands, and its room."""

    route: RouteSettings
    candidate: Candidate
    room: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a claim."""

    claim: Claim
    result: SubmitResult


def due(session: Session, channel: Channel, *, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Attempts whose time has come with their intents, the most urgent first."""
    rows = session.execute(
        select(MsgAttempt.id, MsgAttempt.intent_id)
        .where(
            MsgAttempt.channel == channel.value,
            MsgAttempt.state == "prepared",
            MsgAttempt.superseded_at.is_(None),
            MsgAttempt.due_at <= now,
        )
        .order_by(MsgAttempt.urgency, MsgAttempt.due_at)
        .limit(limit)
    )
    return [(row.id, row.intent_id) for row in rows]


def claim_due(
    session: Session, channel: Channel, spots: Sequence[Spot], *, now: datetime, only: UUID | None = None
) -> list[Claim]:
    """Claim what is due and has a route with room. Another sender's intents are passed over, not waited for."""
    room = sum(spot.room for spot in spots)
    wanted = [
        row
        for row in due(session, channel, now=now, limit=MOST if only else room)
        if only is None or row[0] == only
    ]
    if not wanted:
        return []
    free = set(
        session.scalars(
            select(MsgIntent.id)
            .where(MsgIntent.id.in_([intent_id for _, intent_id in wanted]))
            .order_by(MsgIntent.id)
            .with_for_update(skip_locked=True)
        )
    )
    desk = _Desk(spots)
    claims = []
    for attempt_id, intent_id in wanted:
        if intent_id in free:
            claim = attempts.claim(session, attempt_id, desk.choose, now=now)
            if claim is not None:
                desk.took(claim.route)
                claims.append(claim)
    return claims


def put_aside(session: Session, attempt_id: UUID, *, now: datetime) -> None:
    """Let an attempt that can't be claimed wait for an hour, out of the way of all others."""
    session.execute(
        update(MsgAttempt).where(MsgAttempt.id == attempt_id).values(due_at=now + schedule.LOOK_AT_HELD)
    )


def record_all(session: Session, ended: Sequence[Ended], *, now: datetime) -> None:
    """Record what came of claims, in the order of their attempts."""
    for one in sorted(ended, key=lambda each: each.claim.attempt_id):
        attempts.record(session, one.claim.attempt_id, one.claim.fence, one.result, now=now)


class _Desk:
    """Gives each message of a batch its route, within the room there is."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        self._spots = {spot.route.name: spot for spot in spots}

    def choose(self, klass: str, avoid: str | None) -> str | None:
        # A route that is not known to be well gets no message of which there must be no second copy.
        may_probe = POLICIES[MessageClass(klass)].resend_after is not None
        fitting = [spot for spot in self._spots.values() if spot.route.carries(klass)]
        well = [one for one in fitting if one.candidate.share > 0 or (may_probe and one.candidate.probe)]
        others = [spot for spot in well if spot.route.name != avoid]
        roomy = [spot for spot in (others or well or fitting) if spot.room > 0]
        chances = [random.random() for _ in range(len(roomy) + 1)]  # noqa: S311 - not a secret
        choice = choose([spot.candidate for spot in roomy], chances, may_probe=may_probe)
        return choice.name if choice is not None else None

    def took(self, name: str) -> None:
        spot = self._spots[name]
        spot.room -= 1
        one = spot.candidate
        spot.candidate = replace(one, probe=False, full=spot.room < 1)
