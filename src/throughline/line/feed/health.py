"""Is a provider still heard? A feed that went quiet looks like "all lines are well", so its silence is watched.

All times here are real time. A provider's notices have no promised rhythm: the mean gap is learned, and a silence
that such a feed shows once in thousands of gaps is an alarm, after ten minutes at the earliest. While notices come
every ninety seconds or more often that is within 15 minutes; a feed that speaks seldom can't be missed so soon. Where a
carrier promised a rhythm, that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.line.events import FeedRestored, FeedStale
from throughline.line.feed.models import Feed

WRITE_EVERY = timedelta(seconds=5)  # so that a burst of notices does not queue up for one row
SHORTEST = timedelta(minutes=10)
DENSE = timedelta(minutes=14)  # looked at each minute, so that the alarm of a dense feed is up within 15
GAPS = 12  # for events without a rhythm, a silence of 12 mean gaps comes about once in 160,000
FEWEST_GAPS = 6.9  # and one of 6.9 once in 1,000: no silence that is more usual is an alarm
LEARNED_FROM = 20  # events
LEARNING = 0.02  # weight of the newest gap: the last fifty or so make the mean
FAILURES = 10  # questions one after another without an answer


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How a feed stands, for people."""

    name: str
    provider: str
    state: str
    since: datetime
    last_event_at: datetime | None


def notices(provider: str) -> str:
    """The name of a provider's notices."""
    return f"{provider}/notices"


def answers(provider: str) -> str:
    """The name of a provider's answers."""
    return f"{provider}/answers"


def heard(session: Session, name: str, provider: str, *, now: datetime) -> None:
    """A notice or an answer came in."""
    session.execute(
        insert(Feed)
        .values(
            name=name, provider=provider, last_event_at=None, events=0, gap_s=None, failures=0,
            state="fresh", state_since=now,
        )
        .on_conflict_do_nothing()
    )  # fmt: skip
    row = session.scalars(
        select(Feed)
        .where(
            Feed.name == name,
            or_(Feed.last_event_at.is_(None), Feed.last_event_at < now - WRITE_EVERY, Feed.failures > 0),
        )
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return  # heard a moment ago, or another transaction is noting it
    if row.last_event_at is not None and row.state == "fresh":
        gap_s = max(0.0, (now - row.last_event_at).total_seconds())
        row.gap_s = learned(row.gap_s, row.events, gap_s)
    row.last_event_at, row.failures = now, 0
    row.events += 1
    if row.state == "stale":
        _turn(row, "fresh", now)
        publish(
            session,
            FeedRestored(name, provider, now),
            aggregate_type="feed",
            aggregate_id=_id_of(name),
            borrower_id=None,
        )


def not_heard(session: Session, name: str, provider: str, *, now: datetime) -> None:
    """A question got no answer."""
    done = insert(Feed).values(
        name=name, provider=provider, last_event_at=None, events=0, gap_s=None, failures=1,
        state="fresh", state_since=now,
    )  # fmt: skip
    session.execute(done.on_conflict_do_update(index_elements=["name"], set_={"failures": Feed.failures + 1}))


def look(session: Session, promised_s: Mapping[str, float], *, now: datetime) -> int:
    """Find feeds that went quiet; returns how many. `promised_s`: gap by provider, where one was promised."""
    found = 0
    rows = session.scalars(
        select(Feed).where(Feed.state == "fresh").order_by(Feed.name).limit(1_000).with_for_update()
    )
    for row in rows:
        if not quiet(row, promised_s.get(row.provider), now=now):
            continue
        found += 1
        _turn(row, "stale", now)
        publish(
            session,
            FeedStale(row.name, row.provider, row.last_event_at, now),
            aggregate_type="feed",
            aggregate_id=_id_of(row.name),
            borrower_id=None,
        )
    return found


def quiet(row: Feed, promised_s: float | None, *, now: datetime) -> bool:
    """Whether a feed is silent for longer than it may."""
    if row.name == answers(row.provider):
        last = row.last_event_at or row.state_since
        return row.failures >= FAILURES and now - last >= SHORTEST
    if row.last_event_at is None:
        return False
    if promised_s is not None:
        return now - row.last_event_at > timedelta(seconds=promised_s) + WRITE_EVERY
    if row.gap_s is None or row.events < LEARNED_FROM:
        return False
    return now - row.last_event_at > longest_silence(row.gap_s)


def learned(mean_s: float | None, events: int, gap_s: float) -> float:
    """The mean gap with one more gap; `events` were heard before. Pure.

    The first gaps weigh alike, so that the mean is good as soon as it counts.
    """
    if mean_s is None:
        return gap_s
    return mean_s + max(LEARNING, 1 / max(events, 1)) * (gap_s - mean_s)


def longest_silence(gap_s: float) -> timedelta:
    """The longest silence of a feed with that mean gap that is no alarm. Pure.

    Twelve gaps; no more than 14 minutes where 6.9 gaps have passed by then; beyond that 6.9 gaps, of which a feed
    without a rhythm shows one in a thousand.
    """
    gap = timedelta(seconds=gap_s)
    return max(SHORTEST, min(GAPS * gap, max(DENSE, FEWEST_GAPS * gap)))


def stale_carriers(session: Session) -> frozenset[str]:
    """Carriers whose notices or answers stopped coming: what is believed of their lines is not news."""
    return frozenset(session.scalars(select(Feed.provider).where(Feed.state == "stale").limit(1_000)))


def feeds(session: Session) -> list[FeedHealth]:
    """All feeds that were ever heard or asked."""
    rows = session.scalars(select(Feed).order_by(Feed.name).limit(1_000))
    return [FeedHealth(row.name, row.provider, row.state, row.state_since, row.last_event_at) for row in rows]


def _turn(row: Feed, state: str, now: datetime) -> None:
    row.state, row.state_since = state, now


def _id_of(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"throughline:feed:{name}")
