"""The second sensor: how submits to a route end. Pure; one object for each route in the process that owns its link."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from throughline.messaging.ports import Verdict
from throughline.messaging.routes.limits import LIMITS, Limits

# What says something about the route: also a refusal that another try may not meet, of a system or an account in
# trouble. A throttle lowers the rate; a bad number or text is the message's own fault.
FAILED = frozenset({Verdict.UNKNOWN, Verdict.NOT_SENT, Verdict.REJECTED_RETRY})
SPEAKS = frozenset({Verdict.ACCEPTED, *FAILED})
_ANSWERS_KEPT = 1_000


@dataclass(slots=True)
class Submits:
    """What the last submits of a route came to. Times are of a monotone clock, in seconds."""

    limits: Limits = LIMITS
    share: float = 0.0  # of failures, fading with time
    in_a_row: int = 0
    _weight: float = 0.0  # how many samples the share stands for
    _at_s: float | None = None
    _waiting: dict[object, float] = field(default_factory=dict)
    _answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=_ANSWERS_KEPT))

    def began(self, key: object, at_s: float) -> None:
        """A submit has begun. It is counted before it leaves: what never returns is seen as well."""
        self._waiting[key] = at_s

    def ended(self, key: object, verdict: Verdict, at_s: float) -> None:
        """A submit has ended with a verdict."""
        began_s = self._waiting.pop(key, None)
        if verdict not in SPEAKS:
            return
        failed = verdict in FAILED
        if began_s is not None and not failed:
            self._answers_s.append(at_s - began_s)
        self.in_a_row = self.in_a_row + 1 if failed else 0
        self._fade(at_s)
        self._weight += 1
        self.share += (float(failed) - self.share) / self._weight

    def forget(self) -> None:
        """A new beginning after a rest: what was before says nothing about now."""
        self.share, self.in_a_row, self._weight, self._at_s = 0.0, 0, 0.0, None
        self._waiting.clear()

    @property
    def samples(self) -> float:
        """How many submits the share stands for."""
        return self._weight

    def stale(self, at_s: float) -> int:
        """How many submits have waited for too long."""
        limit_s = self.stale_after_s()
        return sum(at_s - began_s > limit_s for began_s in self._waiting.values())

    def stale_after_s(self) -> float:
        """When a submit has waited for too long: four times the slowest usual answer, within limits; the upper one
        while few answers are known."""
        if len(self._answers_s) < self.limits.least_samples:
            return self.limits.stale_most_s
        slow_s = _quantile(self._answers_s, 0.999)
        return min(max(4 * slow_s, self.limits.stale_least_s), self.limits.stale_most_s)

    def sick(self, at_s: float) -> str | None:
        """Why the route should trip now, or None."""
        if self.in_a_row >= self.limits.in_a_row:
            return "failures-in-a-row"
        if self.stale(at_s) >= self.limits.most_stale:
            return "no-answers"
        self._fade(at_s)
        if self._weight >= self.limits.least_samples and self.share >= self.limits.fail_share:
            return "share-of-failures"
        return None

    def _fade(self, at_s: float) -> None:
        if self._at_s is not None:
            self._weight *= math.exp(-max(at_s - self._at_s, 0.0) / self.limits.tau_s)
        self._at_s = at_s if self._at_s is None else max(at_s, self._at_s)


def _quantile(values: deque[float], share: float) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
