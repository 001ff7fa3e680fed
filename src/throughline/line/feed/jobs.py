"""Jobs of the feeds: subscriptions and their renewal, health, what is dropped."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import NewJob, defer_many, periodic, task
from throughline.kernel.logging import get_logger
from throughline.line import feeds
from throughline.line.feed import callbacks, health, raw, subscriptions
from throughline.line.settings import load_settings

log = get_logger(__name__)

MOST_ROUNDS = 200


@task("line.subscribe")
def subscribe(*, borrower_id: str, line_id: str) -> None:
    """Subscribe to the carrier's notices of one line, or renew what ends soon."""
    subscriptions.subscribe(UUID(borrower_id), UUID(line_id))


@task("line.unsubscribe", max_attempts=30)
def unsubscribe(*, borrower_id: str, line_id: str) -> None:
    """End the carrier's notices of one line."""
    subscriptions.unsubscribe(UUID(borrower_id), UUID(line_id))


@periodic("* * * * *", "line.watch_feeds")
def watch_feeds(timestamp: int) -> None:
    """Every minute: which providers went quiet."""
    del timestamp
    promised_s = {
        one.name: one.expected_gap_s for one in load_settings().all_carriers if one.expected_gap_s is not None
    }
    found = database().run(lambda session: health.look(session, promised_s, now=clock.real_now()))
    if found:
        log.error("feeds went quiet", count=found)


@periodic("*/5 * * * *", "line.settle_lost_queries")
def settle_lost_queries(timestamp: int) -> None:
    """Every five minutes: questions whose process died end unknown."""
    del timestamp
    database().run(lambda session: feeds.settle_lost(session, now=clock.now()))


@periodic("11 * * * *", "line.renew_subscriptions")
def renew_subscriptions(timestamp: int) -> None:
    """Every hour: renew what ends within five days. What is left over comes with the next hour."""
    del timestamp

    def plan(session: Session) -> None:
        subscriptions.expired(session, now=clock.real_now())
        defer_many(
            session,
            [
                NewJob("line.subscribe", {"borrower_id": str(borrower_id), "line_id": str(line_id)})
                for borrower_id, line_id in subscriptions.to_renew(session)
            ],
        )

    database().run(plan)


@periodic("23 2 * * *", "line.purge")
def purge(timestamp: int) -> None:
    """Every night: answers whose days are over, and ids of old events."""
    del timestamp
    _until_empty(lambda session: raw.purge(session, now=clock.now()))
    _until_empty(lambda session: callbacks.forget_seen(session, now=clock.now()))


def _until_empty(some: Callable[[Session], int]) -> None:
    for _ in range(MOST_ROUNDS):
        if database().run(some) == 0:
            return
