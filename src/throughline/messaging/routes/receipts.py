"""The third sensor: a route that accepts and delivers nothing. Its siblings tell whether the route or the carrier fails."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.messaging.routes.limits import LIMITS, Limits


@dataclass(frozen=True, slots=True)
class Counted:
    """Of the messages that a route took in the window and that are older than the slow limit: all, and those
    without a receipt in that time."""

    old_enough: int
    late: int

    @property
    def share(self) -> float:
        """The share that is late."""
        return self.late / self.old_enough if self.old_enough else 0.0


def grey(counts: Mapping[str, Counted], limits: Limits = LIMITS) -> frozenset[str]:
    """The routes of one carrier that take messages and deliver too few, compared with each other.

    A route without siblings falls only when next to nothing arrives: phones that are off are late as well. Where all
    routes are slow the carrier fails, and none of them is at fault.
    """
    return frozenset(name for name, one in counts.items() if _is_grey(name, one, counts, limits))


def _is_grey(name: str, one: Counted, counts: Mapping[str, Counted], limits: Limits) -> bool:
    if one.old_enough < limits.least_receipts or one.share < limits.late_share:
        return False
    others = [other for sibling, other in counts.items() if sibling != name and other.old_enough]
    if not others:
        return one.share >= limits.alone_share
    rest = Counted(sum(other.old_enough for other in others), sum(other.late for other in others))
    pooled = (one.late + rest.late) / (one.old_enough + rest.old_enough)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / one.old_enough + 1 / rest.old_enough))
    return spread > 0 and (one.share - rest.share) / spread > limits.z


def counted(
    session: Session, since: Mapping[str, datetime | None], *, now: datetime, limits: Limits = LIMITS
) -> dict[str, Counted]:
    """Of each route's messages in the window: how many are old enough, and how many of them are late.

    `since`: by route, its last fall; what was taken before says nothing about it now.
    """
    rows = session.execute(
        _COUNT,
        {
            "routes": list(since),
            "since": [at or now - timedelta(days=1) for at in since.values()],
            "first": now - timedelta(seconds=limits.receipt_window_s),
            "last": now - timedelta(seconds=limits.receipt_slow_s),
            "slow": timedelta(seconds=limits.receipt_slow_s),
        },
    )
    found = {row.route: Counted(row.old_enough, row.late) for row in rows}
    return {name: found.get(name, Counted(0, 0)) for name in since}


def sick(counts: Mapping[str, Counted], siblings: Iterable[Iterable[str]]) -> frozenset[str]:
    """The routes that deliver too little, each judged beside those of its own channel."""
    return frozenset(
        name for names in siblings for name in grey({one: counts[one] for one in names if one in counts})
    )


_COUNT = text(
    """
    SELECT a.route, count(*) AS old_enough,
      count(*) FILTER (WHERE a.final_at IS NULL OR a.final_at - a.submitted_at > :slow) AS late
    FROM msg_attempt a
    JOIN unnest(CAST(:routes AS text[]), CAST(:since AS timestamptz[])) AS r(route, since) ON r.route = a.route
    WHERE a.submitted_at >= greatest(CAST(:first AS timestamptz), r.since) AND a.submitted_at <= :last
      AND a.verdict = 'accepted'
    GROUP BY a.route
    """
)
