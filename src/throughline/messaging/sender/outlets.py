"""The routes as one sender holds them: adapter, window, rate, sensors. Used from the sender's event loop only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from throughline.kernel.logging import get_logger
from throughline.messaging import registry
from throughline.messaging.plan import Channel
from throughline.messaging.ports import Adapter, Finding, News, Outbound, Question, SubmitResult, Verdict
from throughline.messaging.routes.choose import Candidate
from throughline.messaging.routes.config import RouteSettings, routes
from throughline.messaging.routes.submits import Submits
from throughline.messaging.routes.weight import Phase, Weight

log = get_logger(__name__)

ANEW_S = 5.0  # between attempts to make an adapter whose account is not there yet


@dataclass
class Outlet:
    """One route. `taken`: messages that are claimed for it and have no end yet."""

    route: RouteSettings
    adapter: Adapter | None = None
    weight: Weight = field(default_factory=Weight)
    submits: Submits = field(default_factory=Submits)
    taken: int = 0
    probing: bool = False
    _tokens: float = 1.0
    _filled_s: float = field(default_factory=time.monotonic)
    _made_s: float = -ANEW_S
    _lacks: str = ""

    async def make(self, news: News) -> None:
        """Make the adapter, if that is possible by now."""
        if self.adapter is not None or time.monotonic() - self._made_s < ANEW_S:
            return
        self._made_s = time.monotonic()
        try:
            self.adapter = registry.adapter(self.route, news)
        except registry.NotSetUp as error:
            if str(error) != self._lacks:  # once, not every five seconds
                log.warning("a route can't be used", route=self.route.name, why=str(error))
            self._lacks = str(error)
            return
        await self.adapter.open()

    def room(self) -> int:
        """How many messages it takes now, by window and rate."""
        free = self.route.window - self.taken
        if self.route.rate_per_s is None:
            return max(free, 0)
        now_s = time.monotonic()
        most = max(self.route.rate_per_s, 1.0)
        self._tokens = min(self._tokens + (now_s - self._filled_s) * self.route.rate_per_s, most)
        self._filled_s = now_s
        return max(min(free, int(self._tokens)), 0)

    def take(self) -> None:
        """A message is claimed for it."""
        self.taken += 1
        self._tokens -= 1

    def candidate(self) -> Candidate:
        """How it stands for the choice."""
        up = self.adapter is None or self.adapter.up
        return Candidate(
            self.route.name,
            self.route.priority,
            share=self.weight.share,
            up=up,
            probe=self.weight.phase is Phase.PROBING and not self.probing,
            full=self.room() < 1,
        )

    async def submit(self, key: object, message: Outbound) -> SubmitResult:
        """Hand over one message; also a route that is not there or fails has a verdict."""
        if self.adapter is None:
            return SubmitResult(Verdict.NOT_SENT, code="not-set-up")
        self.submits.began(key, time.monotonic())
        result = SubmitResult(Verdict.UNKNOWN, code="ended")
        try:
            result = await self.adapter.submit(message)
        except Exception as error:
            # Against its contract. What has left by then nobody knows.
            log.exception("a channel failed", route=self.route.name)
            result = SubmitResult(Verdict.UNKNOWN, code=type(error).__name__)
        finally:
            self.submits.ended(key, result.verdict, time.monotonic())
        return result

    def sick(self) -> str | None:
        """Why it should fall now, or None."""
        if self.weight.share <= 0 and self.weight.phase is not Phase.PROBING:
            return None
        if self.adapter is not None and not self.adapter.up:
            return "link"
        return self.submits.sick(time.monotonic())


class Outlets:
    """All routes of this sender."""

    def __init__(self, news: News) -> None:
        self._news = news
        self.by_name = {route.name: Outlet(route) for route in routes()}

    async def make(self) -> None:
        """Make the adapters that are missing."""
        for outlet in self.by_name.values():
            await outlet.make(self._news)

    def of(self, channel: Channel) -> list[Outlet]:
        """The routes of a channel."""
        return [one for one in self.by_name.values() if one.route.channel is channel]

    def channels(self) -> Sequence[Channel]:
        """The channels that have a route."""
        return sorted({one.route.channel for one in self.by_name.values()})

    async def query(self, name: str, question: Question) -> Finding | None:
        """Ask a route's provider about a message."""
        outlet = self.by_name.get(name)
        if outlet is None:
            return None
        await outlet.make(self._news)
        return await outlet.adapter.query(question) if outlet.adapter is not None else None

    async def close(self) -> None:
        """Close all adapters."""
        for outlet in self.by_name.values():
            if outlet.adapter is not None:
                await outlet.adapter.close()
                outlet.adapter = None
