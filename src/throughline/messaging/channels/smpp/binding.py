"""One bind that is kept up: connect, bind, watch, and after a loss again, with growing waits; stopped for good when
the account is refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from throughline.kernel.logging import get_logger
from throughline.messaging.channels.smpp import status, tls
from throughline.messaging.channels.smpp.bodies import Bind
from throughline.messaging.channels.smpp.commands import Command
from throughline.messaging.channels.smpp.flight import End
from throughline.messaging.channels.smpp.handing import handed
from throughline.messaging.channels.smpp.intake import Intake
from throughline.messaging.channels.smpp.link import Link
from throughline.messaging.channels.smpp.pacing import Backoff, TokenBucket
from throughline.messaging.channels.smpp.settings import SmppRoute
from throughline.messaging.channels.smpp.sink import EventSink, LinkEvent, LinkState
from throughline.messaging.channels.smpp.wire import MalformedPdu

log = get_logger(__name__)

STEADY_S = 10.0
"""A link that held so long was no accident: the waits begin anew."""


class _Refused(Exception):
    """There is no bound link. `status` is the SMSC's, if it gave one."""

    def __init__(self, why: str, status_: int | None = None) -> None:
        super().__init__(why)
        self.why, self.status = why, status_


class Binding:
    """`command` says which bind. `bucket` is the session's, so that a new link does not begin with a full one."""

    def __init__(
        self,
        route: SmppRoute,
        command: Command,
        *,
        sink: EventSink,
        intake: Intake,
        bucket: TokenBucket | None,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._route, self._command = route, command
        self._sink, self._intake, self._bucket, self._clock = sink, intake, bucket, clock
        self._backoff = Backoff(route.reconnect_base_s, route.reconnect_cap_s, chance)
        self._over = asyncio.Event()
        self._changed = asyncio.Event()
        self._trying: Link | None = None
        self.link: Link | None = None
        """The bound link."""
        self.stopped = False

    @property
    def bound(self) -> bool:
        """Whether messages can be handed over now."""
        return self.link is not None and self.link.alive

    async def run(self) -> None:
        """Keep the bind up until `close` or `stop`, or until the account is refused."""
        while not self._over.is_set():
            begun_s = self._clock()
            event = await self._guarded()
            self.link = None
            if self._over.is_set():
                return
            if event.state is LinkState.STOPPED:
                log.critical("the SMSC refuses our account", route=self._route.name, why=event.why)
                self.stop()
                await self._tell(event)
                return
            if event.state is LinkState.LOST and self._clock() - begun_s >= STEADY_S:
                self._backoff.reset()
            wait_s = self._backoff.next_s()
            await self._tell(replace(event, again_in_s=wait_s))
            await _within(self._over, wait_s)

    async def wait_bound(self, within_s: float) -> bool:
        """Wait until it is bound, at most so long."""
        ends_s = self._clock() + within_s
        while not self.bound and not self._over.is_set() and self._clock() < ends_s:
            self._changed.clear()
            await _within(self._changed, ends_s - self._clock())
        return self.bound

    def stop(self) -> None:
        """The account is refused: drop the link and try no more."""
        self.stopped = True
        self._end()
        if self._trying is not None:
            self._trying.drop("the account is refused")

    async def close(self, drain_s: float) -> None:
        """Drain, unbind, and try no more."""
        self._end()
        if self.link is not None:
            await self.link.leave(drain_s)
        await self._tell(self._event(LinkState.CLOSED))

    def _end(self) -> None:
        self._over.set()
        self._changed.set()

    async def _guarded(self) -> LinkEvent:
        """One link. An error that nobody foresaw is a link that failed: a bind that ended without a word would be
        worse than one that is tried again."""
        try:
            return await self._once()
        except Exception as error:
            log.error("a link failed", route=self._route.name, error=type(error).__name__)  # noqa: TRY400
            return self._event(LinkState.REFUSED, f"our own error: {type(error).__name__}")

    async def _once(self) -> LinkEvent:
        """One link from the first try to its end, and how it ended."""
        link = self._trying = Link(self._route, self._intake, self._bucket, self._clock)
        watching: asyncio.Task[None] | None = None
        try:
            await self._connect(link)
            await self._bind(link)
            watching = asyncio.create_task(link.watch())
            self.link = link
            self._changed.set()
            await self._tell(self._event(LinkState.BOUND))
            both: list[asyncio.Future[Any]] = [link.ended, watching]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            link.drop("nobody looks after it")  # if it has not ended by itself
            return self._event(LinkState.LOST, link.ended.result(), in_flight=link.lost_messages)
        except _Refused as refused:
            stop = refused.status in status.CREDENTIALS
            return self._event(
                LinkState.STOPPED if stop else LinkState.REFUSED, refused.why, status=refused.status
            )
        finally:
            if watching is not None:
                watching.cancel()
            link.drop("dropped")

    async def _connect(self, link: Link) -> None:
        route = self._route
        try:
            async with asyncio.timeout(route.bind_timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: link.stream,
                    route.host,
                    route.port,
                    ssl=tls.context(route),
                    server_hostname=tls.server_name(route),
                    ssl_shutdown_timeout=route.answer_limit_s if route.tls else None,
                )
        except (OSError, TimeoutError, ValueError) as error:
            raise _Refused(f"not reached: {type(error).__name__}") from error

    async def _bind(self, link: Link) -> None:
        route = self._route
        body = Bind(
            route.system_id,
            route.password.get_secret_value(),
            route.system_type,
            address_range=route.address_range,
        )
        try:
            outcome = await link.request(self._command, body, route.bind_timeout_s)
        except MalformedPdu as error:
            raise _Refused(f"bind: {error.why}") from None
        if outcome.end is not End.ANSWERED or outcome.answer is None:
            raise _Refused(f"bind: {outcome.why}")
        if outcome.answer.status or outcome.answer.command_id == Command.GENERIC_NACK:
            raise _Refused(f"bind: {status.name(outcome.answer.status)}", outcome.answer.status)

    def _event(
        self, state: LinkState, why: str = "", *, status: int | None = None, in_flight: int = 0
    ) -> LinkEvent:
        bind = self._command.name.lower()
        return LinkEvent(self._route.name, bind, state, why, status=status, in_flight=in_flight)

    async def _tell(self, event: LinkEvent) -> None:
        """Tell the sink; what it does with the news can't hold up the link for long."""
        log.info("link", route=event.route, bind=event.bind, state=event.state.value, why=event.why)
        await handed(self._route, self._sink.link(event))


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
