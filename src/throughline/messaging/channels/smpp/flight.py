"""Requests that are on their way: matched with their answers by sequence number, also with those that come late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from throughline.messaging.channels.smpp.commands import ANSWER, Command
from throughline.messaging.channels.smpp.pdu import Pdu

MAX_SEQUENCE = 0x7FFF_FFFF


class End(Enum):
    """How a request ended for whoever made it."""

    ANSWERED = auto()
    NOT_SENT = auto()  # not one byte has left
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """`answer` belongs to `ANSWERED`, `why` to the others. `latency_s` counts from the write."""

    end: End
    answer: Pdu | None = None
    latency_s: float = 0.0
    why: str = ""


Late = Callable[[Outcome], None]


@dataclass(slots=True)
class Waiting:
    """`late` gets an answer that comes after whoever asked has gone; until `kept_until_s` there may be one."""

    command_id: int
    since_s: float
    done: asyncio.Future[Outcome]
    slot: bool
    late: Late | None = None
    kept_until_s: float | None = None


class Flight:
    """The table of a connection. At most the window and a few requests of the session itself are in it."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting) -> int:
        """Enter a request; returns its sequence number."""
        for _ in range(len(self._waiting) + 1):
            self._last = self._last % MAX_SEQUENCE + 1
            if self._last not in self._waiting:
                break
        self._waiting[self._last] = waiting
        return self._last

    def drop(self, sequence: int) -> None:
        """Forget a request."""
        self._waiting.pop(sequence, None)

    def answered(self, answer: Pdu, now_s: float) -> Waiting | None:
        """The request that a PDU answers, told of it and forgotten; None when it answers none."""
        waiting = self._waiting.get(answer.sequence)
        if waiting is None or answer.command_id not in {waiting.command_id | ANSWER, Command.GENERIC_NACK}:
            return None
        self.drop(answer.sequence)
        outcome = Outcome(End.ANSWERED, answer, now_s - waiting.since_s)
        if not waiting.done.done():
            waiting.done.set_result(outcome)
        elif waiting.late is not None:
            waiting.late(outcome)
        return waiting

    def overdue(self, now_s: float) -> list[Waiting]:
        """Forget the requests for whose late answers nobody waits any more; returns them."""
        over = [
            sequence
            for sequence, waiting in self._waiting.items()
            if waiting.kept_until_s is not None and waiting.kept_until_s <= now_s
        ]
        return [self._waiting.pop(sequence) for sequence in over]

    def lose(self, why: str, now_s: float) -> int:
        """The connection is gone: all that is on its way is unknown. Returns how many messages that are."""
        lost = [waiting for waiting in self._waiting.values() if waiting.slot]
        for waiting in self._waiting.values():
            if not waiting.done.done():
                waiting.done.set_result(Outcome(End.UNKNOWN, None, now_s - waiting.since_s, why))
        self._waiting.clear()
        return len(lost)
