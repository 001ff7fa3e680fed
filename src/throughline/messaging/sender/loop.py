"""The sender's loop: claim, hand over, record; watch the routes meanwhile. Sockets live here, the database in threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.logging import get_logger
from throughline.kernel.telemetry import counter
from throughline.messaging import heard, registry
from throughline.messaging.attempts import Claim
from throughline.messaging.plan import Channel
from throughline.messaging.ports import Verdict
from throughline.messaging.routes import book, receipts
from throughline.messaging.routes.weight import Phase
from throughline.messaging.sender.claims import Ended, Spot, claim_due, due, put_aside, record_all
from throughline.messaging.sender.news import Ledger
from throughline.messaging.sender.outlets import Outlet, Outlets

log = get_logger(__name__)
T = TypeVar("T")

IDLE_S = 0.1
FLUSH_S = 0.03
BATCH = 50
TICK_S = 1.0
RECEIPTS_S = 30.0
DRAIN_S = 20.0
RECORD_RETRY_S = 30.0  # should the database be away for longer, the leases end and the ends count as unknown
THREADS = 3

ATTEMPTS = counter(
    "throughline_message_attempts", "Messages handed over, by route and verdict", ["route", "verdict"]
)
FALLS = counter("throughline_message_route_falls", "Falls of routes, by reason", ["route", "why"])


class Sender:
    """One sender. It runs until it is stopped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.outlets = Outlets(Ledger(self._verb))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sender")
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: list[Ended] = []
        self._news = asyncio.Event()
        self._ticked_s = 0.0
        self._counted_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then what is under way gets some seconds."""
        recording = asyncio.create_task(self._recording(stop))
        try:
            while not stop.is_set():
                try:
                    claimed = await self.round()
                except DBAPIError as error:
                    log.warning("the database is away", error=type(error).__name__)
                    claimed = 0
                if not claimed:
                    await self._wait(IDLE_S)
        finally:
            stop.set()
            await self.settle()
            await recording
            await self.close()

    async def settle(self) -> None:
        """Wait until what is under way has ended and is recorded."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S)
        await self._flush()

    async def close(self) -> None:
        """Let go of adapters and threads."""
        await self.outlets.close()
        self._threads.shutdown(wait=True)

    async def round(self) -> int:
        """One round: look after the routes, claim what they have room for; returns how many were claimed."""
        await self.outlets.make()
        await self._look_after()
        claimed = 0
        for channel in self.outlets.channels():
            claims = await self._claim(channel)
            for claim in claims:
                self._begin(claim)
            claimed += len(claims)
        return claimed

    async def _claim(self, channel: Channel) -> list[Claim]:
        spots = [Spot(one.route, one.candidate(), one.room()) for one in self.outlets.of(channel)]
        if not any(spot.room for spot in spots):
            return []
        try:
            return await self._verb(lambda session: claim_due(session, channel, spots, now=clock.now()))
        except DBAPIError:
            raise
        except Exception:
            log.exception("messages could not be claimed together", channel=channel.value)
            return await self._claim_alone(channel, spots)

    async def _claim_alone(self, channel: Channel, spots: list[Spot]) -> list[Claim]:
        """One broken message must not stop all others: it is put aside, people see it in the log."""
        claims = []
        for attempt_id, _ in await self._verb(
            lambda session: due(session, channel, now=clock.now(), limit=BATCH)
        ):
            try:
                claims += await self._verb(
                    lambda session, only=attempt_id: claim_due(  # type: ignore[misc]
                        session, channel, spots, now=clock.now(), only=only
                    )
                )
            except DBAPIError:
                raise
            except Exception:
                log.exception("a message can't be sent", attempt_id=str(attempt_id))
                await self._verb(
                    lambda session, aside=attempt_id: put_aside(session, aside, now=clock.now())  # type: ignore[misc]
                )
        return claims

    def _begin(self, claim: Claim) -> None:
        outlet = self.outlets.by_name[claim.route]
        outlet.take()
        probe = outlet.weight.phase is Phase.PROBING
        outlet.probing = outlet.probing or probe
        task = asyncio.create_task(self._submit(outlet, claim, probe=probe))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _submit(self, outlet: Outlet, claim: Claim, *, probe: bool) -> None:
        result = await outlet.submit(claim.attempt_id, claim.message)
        outlet.taken -= 1
        ATTEMPTS.labels(claim.route, result.verdict.value).inc()
        self._ended.append(Ended(claim, result))
        self._news.set()
        if probe:
            outlet.probing = False
            try:
                await self._probed(outlet, result.verdict)
            except DBAPIError as error:
                log.warning("the database is away", error=type(error).__name__)

    async def _probed(self, outlet: Outlet, verdict: Verdict) -> None:
        name = outlet.route.name
        if verdict is Verdict.ACCEPTED:
            outlet.submits.forget()
            outlet.weight = await self._verb(
                lambda session: book.probe_arrived(session, name, now=clock.now())
            )
        elif verdict in {Verdict.UNKNOWN, Verdict.NOT_SENT, Verdict.REJECTED_RETRY}:
            await self._fall(outlet, "probe")

    async def _look_after(self) -> None:
        for outlet in self.outlets.by_name.values():
            why = outlet.sick()
            if why is not None:
                await self._fall(outlet, why)
        if time.monotonic() - self._ticked_s >= TICK_S:
            self._ticked_s = time.monotonic()
            names = list(self.outlets.by_name)
            found = await self._verb(lambda session: book.tick(session, names, now=clock.now()))
            for name, weight in found.items():
                self.outlets.by_name[name].weight = weight
            await self._match()
        if time.monotonic() - self._counted_s >= RECEIPTS_S:
            self._counted_s = time.monotonic()
            for name in await self._verb(self._delivering_nothing):
                await self._fall(self.outlets.by_name[name], "receipts")

    async def _match(self) -> None:
        """Receipts that came before the reference of their message was stored."""
        for receipt_id in await self._verb(lambda session: heard.waiting(session, now=clock.now())):
            await self._verb(
                lambda session, one=receipt_id: heard.match(session, one, now=clock.now())  # type: ignore[misc]
            )

    def _delivering_nothing(self, session: Session) -> frozenset[str]:
        with_receipts = [
            one
            for one in self.outlets.by_name.values()
            if one.weight.share > 0 and registry.capabilities(one.route.name).receipts
        ]
        since = {one.route.name: max(one.weight.trips, default=None) for one in with_receipts}
        siblings = [
            [one.route.name for one in with_receipts if one.route.channel is channel]
            for channel in self.outlets.channels()
        ]
        counts = receipts.counted(session, since, now=clock.now())
        return receipts.sick(counts, siblings)

    async def _fall(self, outlet: Outlet, why: str) -> None:
        name = outlet.route.name
        outlet.submits.forget()
        outlet.weight = await self._verb(lambda session: book.trip(session, name, why, now=clock.now()))
        FALLS.labels(name, why).inc()
        log.warning("a route has fallen", route=name, why=why)

    async def _recording(self, stop: asyncio.Event) -> None:
        while not (stop.is_set() and not self._under_way and not self._ended):
            await self._wait(IDLE_S)
            await asyncio.sleep(FLUSH_S)  # what ends together is recorded together
            await self._flush()

    async def _flush(self) -> None:
        while self._ended:
            batch, self._ended = self._ended[:BATCH], self._ended[BATCH:]
            try:
                await self._record(batch)
            except Exception:
                # One broken message must not take the ends of others with it.
                log.exception("ends could not be recorded together", count=len(batch))
                for one in batch:
                    await self._record_alone(one)

    async def _record(self, batch: list[Ended]) -> None:
        await self._verb(lambda session: record_all(session, batch, now=clock.now()), retry_s=RECORD_RETRY_S)

    async def _record_alone(self, one: Ended) -> None:
        try:
            await self._record([one])
        except Exception:
            # Its lease ends, and the end counts as unknown.
            log.exception("an end could not be recorded", attempt_id=str(one.claim.attempt_id))

    async def _wait(self, longest_s: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(longest_s):
                await self._news.wait()
        except TimeoutError:
            return

    async def _verb(self, verb: Callable[[Session], T], *, retry_s: float = 0) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self._database.run(verb, retry_s=retry_s))
