"""What a decision is taken on: the facts of an episode and an installment, each with its own date."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity.models import Episode, ProtectionCase
from throughline.continuity.policy import Facts
from throughline.contracts import outage
from throughline.contracts import service as contracts
from throughline.identity import service as identity
from throughline.kernel import clock
from throughline.kernel.settings import settings
from throughline.messaging import service as messaging

MOST_EARLIER = 50


def facts_of(
    session: Session, episode: Episode, due_date: date, product_code: str | None, *, now: datetime
) -> Facts:
    """The facts of one episode for one installment of a loan of that product."""
    reached = reached_at(session, episode.borrower_id, episode.stretch_since, episode.back_at or now)
    return Facts(
        cause=episode.cause,
        kind=episode.kind,
        began=local(episode.dark_since),
        ended=local(episode.back_at) if episode.back_at is not None else None,
        due_date=due_date,
        probability_percent=int(Decimal(episode.cannot_receive) * 100),
        stretch=local(episode.stretch_since),
        requested=episode.requested,
        reached=local(reached) if reached is not None else None,
        contradicted=episode.contradicted_at is not None,
        earlier=earlier(session, episode),
        product_code=product_code,
    )


def reached_at(session: Session, borrower_id: UUID, since: datetime, until: datetime) -> datetime | None:
    """When the person was first reached without the line: signed in, or read a message of ours. None: never."""
    known = [
        at
        for at in (
            identity.first_presence(session, borrower_id, since, until),
            messaging.first_reading(session, borrower_id, since, until),
        )
        if at is not None
    ]
    return min(known, default=None)


def earlier(session: Session, episode: Episode) -> tuple[date, ...]:
    """First days of the borrower's other episodes of this cause that protected something, newest first."""
    rows = session.scalars(
        select(Episode.dark_since)
        .where(
            Episode.borrower_id == episode.borrower_id,
            Episode.cause == episode.cause,
            Episode.id != episode.id,
            select(ProtectionCase.id)
            .where(
                ProtectionCase.borrower_id == Episode.borrower_id,
                ProtectionCase.episode_id == Episode.id,
                ProtectionCase.state.in_(("granted", "ended")),
                ProtectionCase.rule_id.is_not(None),
            )
            .exists(),
        )
        .order_by(Episode.dark_since.desc())
        .limit(MOST_EARLIER)
    )
    return tuple(local(one) for one in rows)


def policies_of(session: Session, borrower_id: UUID, contract_id: UUID) -> tuple[outage.OutagePolicy, ...]:
    """The policy that a loan's contract pins, and the newest, which counts where it is better for the borrower.

    A loan that came from elsewhere pins none.
    """
    pinned = contracts.clause_version(session, borrower_id, contract_id)
    signed = outage.version(pinned) if pinned is not None else None
    newest = outage.newest()
    return (newest,) if signed is None or signed.version == newest.version else (signed, newest)


def local(at: datetime) -> date:
    """The lender's calendar day of an instant."""
    return clock.local_date(at, settings().zone)


def begin_of(day: date) -> datetime:
    """The instant at which a calendar day of the lender begins."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(settings().zone))
