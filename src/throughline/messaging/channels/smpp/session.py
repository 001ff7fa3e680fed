"""The session of a route: one bind for both directions, or one for each, behind one object."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial

from throughline.kernel.logging import get_logger
from throughline.messaging.channels.smpp import ids, states, status
from throughline.messaging.channels.smpp.binding import Binding
from throughline.messaging.channels.smpp.bodies import Message, MessageAnswer, Query, QueryAnswer
from throughline.messaging.channels.smpp.commands import Command
from throughline.messaging.channels.smpp.flight import End, Outcome
from throughline.messaging.channels.smpp.handing import handed
from throughline.messaging.channels.smpp.intake import Intake
from throughline.messaging.channels.smpp.outgoing import messages
from throughline.messaging.channels.smpp.pacing import TokenBucket
from throughline.messaging.channels.smpp.settings import SmppRoute
from throughline.messaging.channels.smpp.sink import (
    EventSink,
    LateAnswer,
    Outgoing,
    PartResult,
    TextResult,
    verdict_of,
)
from throughline.messaging.channels.smpp.states import MessageState
from throughline.messaging.channels.smpp.status import Fault
from throughline.messaging.channels.smpp.wire import MalformedPdu
from throughline.messaging.ports import Verdict

log = get_logger(__name__)

MAX_LATE_TASKS = 1000
_BURST_S = 0.1  # what the rate allows within this time may go at once


class SmppSession:
    """Open it once; it binds, and binds again after each loss, until it is closed or the account is refused.

    `clock` tells seconds of a monotone clock; `chance` is for the jitter of waits.
    """

    def __init__(
        self,
        route: SmppRoute,
        sink: EventSink,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._route, self._sink = route, sink
        rate = route.rate_per_s
        bucket = TokenBucket(rate, burst=max(1.0, rate * _BURST_S), now_s=clock()) if rate else None
        intake = Intake(route, sink, clock)
        commands = (
            (Command.BIND_TRANSCEIVER,)
            if route.bind == "transceiver"
            # Ears first: receipts should find them open.
            else (Command.BIND_RECEIVER, Command.BIND_TRANSMITTER)
        )
        self._bindings = [
            Binding(route, command, sink=sink, intake=intake, bucket=bucket, clock=clock, chance=chance)
            for command in commands
        ]
        self._sender = self._bindings[-1]
        self._tasks: list[asyncio.Task[None]] = []
        self._late: set[asyncio.Task[bool]] = set()
        self._reference = int(chance() * 256)
        self._closing = False

    @property
    def bound(self) -> bool:
        """Whether every bind stands."""
        return all(binding.bound for binding in self._bindings)

    @property
    def stopped(self) -> bool:
        """Whether the SMSC refused the account; nothing more is tried then."""
        return any(binding.stopped for binding in self._bindings)

    @property
    def in_flight(self) -> int:
        """Messages and questions without an answer."""
        link = self._sender.link
        return link.in_flight if link else 0

    def open(self) -> None:
        """Begin to bind, in the running event loop."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._run(binding)) for binding in self._bindings]

    async def wait_bound(self, within_s: float) -> bool:
        """Wait until every bind stands, at most so long."""
        return all(await asyncio.gather(*(binding.wait_bound(within_s) for binding in self._bindings)))

    async def submit(self, outgoing: Outgoing) -> TextResult:
        """Hand over one text, part after part; the first part that is not accepted ends it.

        A part waits `slot_wait_s` at most for its turn and `submit_timeout_s` for its answer. Never raises for what
        the text, the network or the SMSC does.
        """
        self._reference = (self._reference + 1) % 256
        try:
            bodies = messages(outgoing, self._route, self._reference)
        except ValueError as error:
            return _unfit(str(error))
        results: list[PartResult] = []
        for number, body in enumerate(bodies, 1):
            late = partial(self._on_late, outgoing.client_ref, number, len(bodies))
            results.append(await self._submit(body, late))
            if results[-1].verdict is not Verdict.ACCEPTED:
                break
        return TextResult(verdict_of(results, len(bodies)), tuple(results))

    async def query(self, message_id: str, source: str | None = None) -> MessageState | None:
        """Ask for the state of a message by `PartResult.message_id`; None when it is not told."""
        link = self._sender.link
        if link is None or not link.alive:
            return None
        route = self._route
        address = route.source_address if source is None else source
        body = Query(message_id, route.source_ton, route.source_npi, address)
        try:
            outcome = await link.request(Command.QUERY_SM, body, route.submit_timeout_s)
        except MalformedPdu:
            return None
        answer = outcome.answer
        if answer is None or answer.status or not isinstance(answer.body, QueryAnswer):
            return None
        return states.by_number(answer.body.message_state)

    async def close(self, drain_s: float) -> None:
        """Take no more texts, wait for what is on its way at most `drain_s`, unbind, end."""
        self._closing = True
        await asyncio.gather(*(binding.close(drain_s) for binding in self._bindings))
        for task in self._tasks:  # a bind that does not stand yet is dropped
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._late:
            await asyncio.wait(self._late, timeout=self._route.sink_timeout_s)

    async def _run(self, binding: Binding) -> None:
        await binding.run()
        if binding.stopped:  # the other bind has the same account: knocking with it would only lock it
            for other in self._bindings:
                other.stop()

    async def _submit(self, body: Message, late: Callable[[Outcome], None]) -> PartResult:
        link = self._sender.link
        if link is None or self._closing:
            why = "closing" if self._closing else "stopped" if self.stopped else "not bound"
            return PartResult(Verdict.NOT_SENT, why=why)
        try:
            return self._result(await link.message(Command.SUBMIT_SM, body, late))
        except MalformedPdu as error:
            return PartResult(Verdict.REJECTED_FINAL, fault=Fault.PROTOCOL, why=error.why)

    def _result(self, outcome: Outcome) -> PartResult:
        answer = outcome.answer
        if outcome.end is End.NOT_SENT:
            return PartResult(Verdict.NOT_SENT, why=outcome.why)
        if answer is None:
            return PartResult(Verdict.UNKNOWN, latency_s=outcome.latency_s, why=outcome.why)
        if answer.command_id == Command.GENERIC_NACK and not answer.status:
            return PartResult(
                Verdict.UNKNOWN, status=0, latency_s=outcome.latency_s, why="generic_nack without status"
            )
        meant = status.meaning(answer.status, self._route.verdicts)
        raw = answer.body.message_id if isinstance(answer.body, MessageAnswer) else ""
        accepted = meant.verdict is Verdict.ACCEPTED
        return PartResult(
            meant.verdict,
            provider_ref=ids.of_answer(raw, self._route.id_dialect) if accepted else None,
            message_id=raw if accepted and raw else None,
            status=answer.status,
            fault=meant.fault,
            latency_s=outcome.latency_s,
        )

    def _on_late(self, client_ref: str, part: int, of: int, outcome: Outcome) -> None:
        """Tell the sink of an answer whose message is unknown; with too many in hand it stays unknown."""
        if len(self._late) >= MAX_LATE_TASKS:
            log.error("a late answer is lost", route=self._route.name)
            return
        answer = LateAnswer(client_ref, part, of, self._result(outcome))
        task = asyncio.create_task(handed(self._route, self._sink.late(answer)))
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def _unfit(why: str) -> TextResult:
    refused = PartResult(Verdict.REJECTED_FINAL, fault=Fault.CONTENT, why=why)
    return TextResult(Verdict.REJECTED_FINAL, (refused,))
