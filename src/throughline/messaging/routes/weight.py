"""How much of its traffic a route gets: it falls at once, rests, is probed by one message and climbs by steps. Pure.

A route that falls again soon rests and waits longer, so that one that comes and goes moves little traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from throughline.messaging.routes.limits import LIMITS, Limits


class Phase(StrEnum):
    """Where a route stands."""

    HEALTHY = "healthy"
    RESTING = "resting"  # tripped: gets nothing
    PROBING = "probing"  # one real message may try it
    WAITING = "waiting"  # the probe arrived; the climb begins when the time since the fall is long enough
    CLIMBING = "climbing"


@dataclass(frozen=True, slots=True)
class Weight:
    """`share`: of its traffic, 0 to 1. `until`: when the phase ends by itself. `trips`: instants of recent falls."""

    phase: Phase = Phase.HEALTHY
    share: float = 1.0
    until: datetime | None = None
    moved_at: datetime | None = None
    trips: tuple[datetime, ...] = ()
    why: str = ""


def tripped(weight: Weight, why: str, now: datetime, limits: Limits = LIMITS) -> Weight:
    """The route has failed: nothing more goes there for a while. Also what a failed probe leads to."""
    if weight.phase is Phase.RESTING:
        return weight
    trips = (*_recent(weight, now, limits), now)
    rest_s = min(limits.rest_s * len(trips), limits.longest_rest_s)
    moved_at = now if weight.share > 0 else weight.moved_at
    return Weight(Phase.RESTING, 0.0, now + timedelta(seconds=rest_s), moved_at, trips, why)


def probed(weight: Weight, now: datetime, limits: Limits = LIMITS) -> Weight:
    """The probe has arrived: the climb begins, not too soon after the fall."""
    if weight.phase is not Phase.PROBING:
        return weight
    wait_s = limits.between_moves_s * max(len(_recent(weight, now, limits)), 1)
    earliest = (weight.moved_at or now) + timedelta(seconds=min(wait_s, limits.longest_rest_s))
    return ticked(replace(weight, phase=Phase.WAITING, until=max(earliest, now)), now, limits)


def ticked(weight: Weight, now: datetime, limits: Limits = LIMITS) -> Weight:
    """What time alone makes of a weight."""
    while weight.until is not None and now >= weight.until:
        weight = _on(weight, weight.until if weight.phase is Phase.CLIMBING else now, limits)
    return weight


def _on(weight: Weight, at: datetime, limits: Limits) -> Weight:
    if weight.phase is Phase.RESTING:
        return replace(weight, phase=Phase.PROBING, until=None)
    higher = [step for step in limits.ramp if step > weight.share]
    if not higher:
        return replace(weight, phase=Phase.HEALTHY, until=None, why="")
    step = timedelta(seconds=limits.ramp_step_s)
    return replace(weight, phase=Phase.CLIMBING, share=higher[0], moved_at=at, until=at + step)


def _recent(weight: Weight, now: datetime, limits: Limits) -> tuple[datetime, ...]:
    since = now - timedelta(seconds=limits.forget_s)
    return tuple(at for at in weight.trips if at > since)
