"""When to send, when to knock, when to try again: timing that is decided without a clock of its own.

`now_s` is always seconds of one monotone clock.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto


class TokenBucket:
    """At most `rate_per_s` in the long run, `burst` at once."""

    def __init__(self, rate_per_s: float, *, burst: float, now_s: float) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._tokens, self._at_s = burst, now_s

    def take(self, now_s: float, *, within_s: float) -> float | None:
        """Take a token; how long to wait before it may be used, seconds. None, and nothing is taken, when that
        would be longer than `within_s`."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._at_s) * self._rate_per_s)
        self._at_s = max(self._at_s, now_s)
        wait_s = max(0.0, (1 - self._tokens) / self._rate_per_s)
        if wait_s > within_s:
            return None
        self._tokens -= 1
        return wait_s


class Beat(Enum):
    """What is to be done about a link now."""

    WAIT = auto()
    ENQUIRE = auto()
    DEAD = auto()


class Heartbeat:
    """Whether the other side still lives.

    Asked each `busy_s` while traffic flows, else each `idle_s`. Dead: a question is open and nothing whole has come
    for `limit_s`; or it stays open for `PATIENCE` times that while other PDUs come, for then a queue in front of the
    answer is no excuse any more.
    """

    PATIENCE = 5

    def __init__(self, *, idle_s: float, busy_s: float, limit_s: float, now_s: float) -> None:
        self._idle_s, self._busy_s, self._limit_s = idle_s, busy_s, limit_s
        self._heard_s = self._asked_s = now_s
        self._open = False

    def heard(self, now_s: float) -> None:
        """A whole PDU came."""
        self._heard_s = now_s

    def answered(self) -> None:
        """The question was answered."""
        self._open = False

    def asked(self, now_s: float) -> None:
        """The question was put."""
        self._asked_s, self._open = now_s, True

    def look(self, now_s: float, *, busy: bool) -> tuple[Beat, float]:
        """What to do, and after how many seconds to look again. `busy`: answers are awaited."""
        if self._open:
            due_s = min(
                max(self._heard_s, self._asked_s) + self._limit_s,
                self._asked_s + self.PATIENCE * self._limit_s,
            )
            beat = Beat.DEAD
        else:
            flows = busy or now_s - self._heard_s < self._busy_s
            due_s = self._asked_s + (self._busy_s if flows else self._idle_s)
            beat = Beat.ENQUIRE
        # Never longer than `busy_s`: an answer may come meanwhile, or traffic begin.
        return (beat, 0.0) if now_s >= due_s else (Beat.WAIT, min(due_s - now_s, self._busy_s))


class Backoff:
    """Waits between tries with full jitter: anything up to `base_s` · 2ⁿ, at most `cap_s`."""

    def __init__(self, base_s: float, cap_s: float, chance: Callable[[], float]) -> None:
        self._base_s, self._cap_s, self._chance = base_s, cap_s, chance
        self._failures = 0

    def next_s(self) -> float:
        """The next wait, seconds."""
        longest_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return longest_s * self._chance()

    def reset(self) -> None:
        """It went well for long enough."""
        self._failures = 0
