"""One connection to an SMSC from its first byte to its end: requests and answers, the window, signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from throughline.messaging.channels.smpp.bodies import NOTHING, Body, MessageAnswer
from throughline.messaging.channels.smpp.commands import ANSWER, Command, is_answer
from throughline.messaging.channels.smpp.flight import End, Flight, Late, Outcome, Waiting
from throughline.messaging.channels.smpp.intake import Intake
from throughline.messaging.channels.smpp.pacing import Beat, Heartbeat, TokenBucket
from throughline.messaging.channels.smpp.pdu import Pdu, body_bytes, decode, encode, frame
from throughline.messaging.channels.smpp.seldom import Seldom
from throughline.messaging.channels.smpp.settings import SmppRoute
from throughline.messaging.channels.smpp.status import Status
from throughline.messaging.channels.smpp.stream import Stream
from throughline.messaging.channels.smpp.window import Window
from throughline.messaging.channels.smpp.wire import MalformedPdu

_ALERT_NOTIFICATION = 0x0000_0102  # the one request that has no answer
_DELIVERIES = frozenset({Command.DELIVER_SM, Command.DATA_SM})


class Link:
    """`ended` resolves with the reason when the connection is over; nothing of it can be used after that."""

    def __init__(
        self, route: SmppRoute, intake: Intake, bucket: TokenBucket | None, clock: Callable[[], float]
    ) -> None:
        self._route, self._intake, self._bucket, self._clock = route, intake, bucket, clock
        self.stream = Stream(self._on_frame, self._on_end)
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.lost_messages = 0
        self._flight = Flight()
        self._window = Window(route.window)
        self._heart = Heartbeat(
            idle_s=route.enquire_idle_s,
            busy_s=route.enquire_busy_s,
            limit_s=route.answer_limit_s,
            now_s=clock(),
        )
        self._answers: set[asyncio.Task[None]] = set()
        self._seldom = Seldom(route.name)
        self._leaving = False

    @property
    def alive(self) -> bool:
        """Whether requests may be made."""
        return not self.ended.done() and not self._leaving

    @property
    def in_flight(self) -> int:
        """Requests without an answer."""
        return len(self._flight)

    def drop(self, why: str) -> None:
        """End the connection at once."""
        self.stream.end(why)

    async def message(self, command_id: Command, body: Body, late: Late) -> Outcome:
        """A request that counts in the window and in the rate. `late` gets an answer that comes after the time-out.
        Raises `MalformedPdu` when the body has no bytes, before anything is sent."""
        written = body_bytes(body)
        ends_s = self._clock() + self._route.slot_wait_s
        if not self.alive or not await self._window.take(self._route.slot_wait_s):
            return Outcome(End.NOT_SENT, why="window" if self.alive else "no link")
        try:
            why = await self._turn(ends_s)
        except asyncio.CancelledError:
            self._window.give_back()
            raise
        if why:
            self._window.give_back()
            return Outcome(End.NOT_SENT, why=why)
        return await self._ask(command_id, written, self._route.submit_timeout_s, slot=True, late=late)

    async def request(self, command_id: Command, body: Body, timeout_s: float) -> Outcome:
        """A request of the session itself: bind, unbind, query. Raises `MalformedPdu` like `message`."""
        written = body_bytes(body)
        if self.ended.done() or not await self.stream.wait_clear(timeout_s):
            return Outcome(End.NOT_SENT, why="no link" if self.ended.done() else "the peer does not read")
        return await self._ask(command_id, written, timeout_s)

    async def watch(self) -> None:
        """Look after the link until it ends: signs of life, late answers. Each round waits `enquire_busy_s` at most."""
        while not self.ended.done():
            now_s = self._clock()
            for waiting in self._flight.overdue(now_s):
                self._release(waiting)
            beat, wait_s = self._heart.look(now_s, busy=bool(self._flight))
            if beat is Beat.DEAD:
                self.drop("no sign of life")
                return
            if beat is Beat.ENQUIRE:
                self._heart.asked(now_s)
                self._enquire(now_s)
                continue
            await asyncio.wait([self.ended], timeout=wait_s)

    async def leave(self, drain_s: float) -> None:
        """Take no more messages, wait for what is on its way, unbind and close; all within `drain_s`."""
        self._leaving = True
        ends_s = self._clock() + drain_s
        while (self._flight or self._answers) and not self.ended.done() and self._clock() < ends_s:
            await asyncio.wait([self.ended], timeout=min(0.01, drain_s))
        if not self.ended.done():
            left_s = max(0.0, ends_s - self._clock())
            await self.request(Command.UNBIND, NOTHING, min(left_s, self._route.answer_limit_s))
        self.drop("closed")
        if self._answers:
            await asyncio.wait(self._answers, timeout=max(0.0, ends_s - self._clock()))

    async def _turn(self, ends_s: float) -> str:
        """Wait for the rate and for an empty buffer, until `ends_s`; why there was no turn, or nothing."""
        if self._bucket is not None:
            now_s = self._clock()
            wait_s = self._bucket.take(now_s, within_s=max(0.0, ends_s - now_s))
            if wait_s is None:
                return "rate"
            if wait_s:
                await asyncio.wait([self.ended], timeout=wait_s)
        while self.alive and not self.stream.clear and self._clock() < ends_s:
            await self.stream.wait_clear(ends_s - self._clock())
        if not self.alive:
            return "no link"
        return "" if self.stream.clear else "the peer does not read"

    async def _ask(
        self,
        command_id: Command,
        body: bytes,
        timeout_s: float,
        *,
        slot: bool = False,
        late: Late | None = None,
    ) -> Outcome:
        now_s = self._clock()
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        waiting = Waiting(command_id, now_s, done, slot, late)
        sequence = self._flight.add(waiting)
        if not self.stream.write(frame(command_id, sequence, body)):
            self._flight.drop(sequence)
            self._release(waiting)
            return Outcome(End.NOT_SENT, why="no link")
        timer = asyncio.get_running_loop().call_later(timeout_s, self._give_up, waiting)
        try:
            return await done
        except asyncio.CancelledError:
            # Whoever asked was called off; the answer still counts.
            if not done.cancelled() and late is not None:
                late(done.result())
            waiting.kept_until_s = self._clock() + self._route.late_answer_s
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiting: Waiting) -> None:
        if not waiting.done.done():
            now_s = self._clock()
            waiting.kept_until_s = now_s + self._route.late_answer_s
            waiting.done.set_result(Outcome(End.UNKNOWN, None, now_s - waiting.since_s, "no answer in time"))

    def _release(self, waiting: Waiting) -> None:
        if waiting.slot:
            self._window.give_back()

    def _enquire(self, now_s: float) -> None:
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        kept_s = now_s + Heartbeat.PATIENCE * self._route.answer_limit_s
        waiting = Waiting(Command.ENQUIRE_LINK, now_s, done, slot=False, kept_until_s=kept_s)
        sequence = self._flight.add(waiting)
        if self.stream.clear:  # else it counts as put: silence is judged all the same
            self.stream.write(frame(Command.ENQUIRE_LINK, sequence))

    def _on_frame(self, data: bytes) -> None:
        now_s = self._clock()
        self._heart.heard(now_s)
        try:
            pdu = decode(data)
        except MalformedPdu as error:
            self._on_malformed(error, data, now_s)
            return
        if is_answer(pdu.command_id):
            self._on_answer(pdu, now_s)
        else:
            self._on_request(pdu, data)

    def _on_malformed(self, error: MalformedPdu, data: bytes, now_s: float) -> None:
        command_id, sequence = error.command_id or 0, error.sequence or 0
        self._seldom.tell("a PDU can't be read", command=hex(command_id), why=error.why)
        if is_answer(command_id):
            # The header tells yes or no by itself; only the id of the message is lost.
            self._on_answer(Pdu(command_id, sequence, status=int.from_bytes(data[8:12], "big")), now_s)
        elif command_id in _DELIVERIES:
            self._deliver(command_id, sequence, data, None, error.why)
        else:
            self._reply(Pdu(Command.GENERIC_NACK, sequence, status=Status.RINVCMDLEN))

    def _on_answer(self, pdu: Pdu, now_s: float) -> None:
        waiting = self._flight.answered(pdu, now_s)
        if waiting is None:
            self._seldom.tell("an answer to no request", command=hex(pdu.command_id))
            return
        self._release(waiting)
        if waiting.command_id == Command.ENQUIRE_LINK:
            self._heart.answered()

    def _on_request(self, pdu: Pdu, data: bytes) -> None:
        if pdu.command_id in _DELIVERIES:
            self._deliver(pdu.command_id, pdu.sequence, data, pdu)
        elif pdu.command_id == Command.ENQUIRE_LINK:
            self._reply(Pdu(Command.ENQUIRE_LINK_RESP, pdu.sequence))
        elif pdu.command_id == Command.UNBIND:
            self._reply(Pdu(Command.UNBIND_RESP, pdu.sequence))
            self.drop("unbound by the peer")
        elif pdu.command_id != _ALERT_NOTIFICATION:
            self._reply(Pdu(Command.GENERIC_NACK, pdu.sequence, status=Status.RINVCMDID))

    def _deliver(self, command_id: int, sequence: int, data: bytes, pdu: Pdu | None, why: str = "") -> None:
        """Hand on in a task of its own; with too many in hand the peer is asked to send again."""
        if len(self._answers) >= self._route.inbound_limit:
            self._seldom.tell("too much comes in at once")
            self._reply(Pdu(command_id | ANSWER, sequence, MessageAnswer(), Status.RX_T_APPN))
            return
        task = asyncio.create_task(self._hand_on(command_id, sequence, data, pdu, why))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _hand_on(self, command_id: int, sequence: int, data: bytes, pdu: Pdu | None, why: str) -> None:
        status = await self._intake.take(pdu, data, why)
        self._reply(Pdu(command_id | ANSWER, sequence, MessageAnswer(), status))

    def _reply(self, pdu: Pdu) -> None:
        self.stream.write(encode(pdu))

    def _on_end(self, why: str) -> None:
        self.lost_messages = self._flight.lose(why, self._clock())
        self._window.shut()
        if not self.ended.done():
            self.ended.set_result(why)
