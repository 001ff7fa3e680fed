"""The life of a grant, and what is to be done next for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a grant stands. `unknown`: the carrier was called and nobody knows what came of it."""

    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"
    ENDED = "ended"
    UNKNOWN = "unknown"


OPEN = frozenset({State.REQUESTED, State.GRANTED, State.UNKNOWN})


class Act(StrEnum):
    """What a step does for a grant."""

    SEND = "send"
    ASK = "ask"
    REVOKE = "revoke"


# A call that has not come back after this long is lost: the caller's time-out is 30 s at most.
IN_FLIGHT = timedelta(seconds=60)
# "We do not know this order" counts as an answer only when the order can't be on its way any more.
SETTLED = timedelta(minutes=2)
MAX_CHECKS = 40
LONGEST_WAIT = timedelta(hours=6)
LOOK_DAILY = timedelta(hours=24)
AFTER_END = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides about the next step. Times are of the wall clock, as the carrier's are."""

    state: State
    sent_at: datetime | None
    answered: bool
    revoke_asked: bool


def next_act(grant: Standing, *, now: datetime) -> Act | None:
    """What is to be done now; None: nothing, or a call may still be running.

    A row that says "sent" without an answer is never sent again: only a question tells what came of it.
    """
    if grant.state is State.REQUESTED and grant.sent_at is None:
        return Act.SEND
    match grant.state:
        case State.REQUESTED | State.UNKNOWN:
            silent = grant.state is State.REQUESTED and not grant.answered
            in_flight = silent and grant.sent_at is not None and now < grant.sent_at + IN_FLIGHT
            return None if in_flight else Act.ASK
        case State.GRANTED:
            return Act.REVOKE if grant.revoke_asked else Act.ASK
        case _:
            return None


def wait_after(checks: int) -> timedelta | None:
    """How long to wait before the next question after so many without a final answer; None: a person must look."""
    if checks >= MAX_CHECKS:
        return None
    return min(LONGEST_WAIT, timedelta(minutes=1 << min(checks, 10)))


def look_at(ends_at: datetime | None, *, now: datetime) -> datetime:
    """When a running grant is looked at next: shortly after its end, but each day at least."""
    daily = now + LOOK_DAILY
    if ends_at is None or ends_at <= now:
        return daily
    return min(ends_at + AFTER_END, daily)
