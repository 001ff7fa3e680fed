"""Logs of what a peer can cause as often as it likes."""

from __future__ import annotations

from collections import Counter

from throughline.kernel.logging import get_logger

log = get_logger(__name__)


class Seldom:
    """Tells of an event the first time, the second, the fourth, the eighth …, each time with how often it was."""

    def __init__(self, route: str) -> None:
        self._route = route
        self._seen: Counter[str] = Counter()

    def tell(self, event: str, **facts: object) -> None:
        """It happened. `event` is one of few, never what the peer wrote."""
        self._seen[event] += 1
        times = self._seen[event]
        if times & (times - 1) == 0:
            log.warning(event, route=self._route, times=times, **facts)
