"""How fast one provider is asked, and how many repeats it is asked for. Of this process."""

from __future__ import annotations

import threading
import time

REPEATS_PER_REQUEST = 0.2  # where everything fails, every fifth request may be repeated
FREE_REPEATS = 10.0


class Pace:
    """At most `per_s` requests a second with a burst of one second, repeats included.

    Repeats live on a budget that first requests fill: a provider that is down is not asked several times as often
    as one that works.
    """

    def __init__(self, per_s: float) -> None:
        self._every_s = 1 / per_s
        self._burst_s = max(1.0, self._every_s)
        self._next = 0.0
        self._repeats = FREE_REPEATS
        self._lock = threading.Lock()

    def begin(self, ends_at: float) -> bool:
        """Wait for the turn of a first request; False where it does not come before `ends_at`."""
        with self._lock:
            self._repeats = min(FREE_REPEATS, self._repeats + REPEATS_PER_REQUEST)
        return self._wait(0, ends_at)

    def repeat(self, not_before_s: float, ends_at: float) -> bool:
        """Wait for the turn of a repeat, `not_before_s` at least; False: do not repeat."""
        with self._lock:
            if self._repeats < 1 or time.monotonic() + not_before_s >= ends_at:
                return False
            self._repeats -= 1
        return self._wait(not_before_s, ends_at)

    def _wait(self, not_before_s: float, ends_at: float) -> bool:
        with self._lock:
            now = time.monotonic()
            earliest = now + not_before_s
            turn = max(earliest, self._next - self._burst_s)
            if turn >= ends_at:
                return False
            self._next = max(self._next, earliest) + self._every_s
        time.sleep(max(0.0, turn - now))
        return True
