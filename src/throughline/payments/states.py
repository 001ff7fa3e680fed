"""The states of an attempt, who may move it, and what a rail's report means in each state. Pure.

`unknown` is a state, not an error: the call was made and nobody told us the end. Only a query or a
statement leaves it. A state is never guessed from time, from a notification alone or by a person alone.
"""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """`out`: from the lender to a payee; `in`: from a payer to the lender."""

    OUT = "out"
    IN = "in"


class State(StrEnum):
    """State of an attempt; an order takes over that of its newest attempt, or waits for a rail."""

    WAITING = "waiting"  # orders only: no rail can take it now
    CREATED = "created"
    SENT = "sent"
    UNKNOWN = "unknown"
    PENDING_USER = "pending_user"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"  # money out came back
    REVERSED = "reversed"  # money in was taken back


class Cause(StrEnum):
    """What moved a state."""

    JOB = "job"  # our own job, before or instead of the call
    ANSWER = "answer"  # the provider's signed answer to our call
    QUERY = "query"  # the provider's signed answer to a query
    STATEMENT = "statement"  # a line of the provider's signed statement or account notification


class Outcome(StrEnum):
    """What a rail reports of an attempt, in our words."""

    ACCEPTED = "accepted"  # taken for processing: says nothing of the end
    PENDING_USER = "pending_user"  # waits for the payer or payee to act
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # finally, in the provider's own vocabulary
    TAKEN_BACK = "taken_back"  # succeeded first; the money went back later
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"  # no answer, no signature, or a code that is not in our tables


OPEN = frozenset({State.CREATED, State.SENT, State.UNKNOWN, State.PENDING_USER})
ASKABLE = OPEN - {State.CREATED}  # states in which the provider may know more than we do
FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.RETURNED, State.REVERSED})

_PROOF = frozenset({Cause.QUERY, Cause.STATEMENT})
_TOLD = _PROOF | {Cause.ANSWER}

_MOVES: dict[tuple[State, State], frozenset[Cause]] = {
    (State.CREATED, State.SENT): frozenset({Cause.JOB}),
    (State.CREATED, State.FAILED): frozenset({Cause.JOB}),  # closed before it was ever sent
    (State.SENT, State.SUCCEEDED): _TOLD,
    (State.SENT, State.FAILED): _TOLD,
    (State.SENT, State.PENDING_USER): _TOLD,
    (State.SENT, State.UNKNOWN): _TOLD | {Cause.JOB},  # a crash after "sent" is found by a job
    (State.UNKNOWN, State.SUCCEEDED): _PROOF,
    (State.UNKNOWN, State.FAILED): _PROOF,
    (State.UNKNOWN, State.PENDING_USER): _PROOF,
    (State.PENDING_USER, State.SUCCEEDED): _PROOF,
    (State.PENDING_USER, State.FAILED): _PROOF,
    (State.PENDING_USER, State.UNKNOWN): _PROOF,
    (State.SUCCEEDED, State.RETURNED): _PROOF,
    (State.SUCCEEDED, State.REVERSED): _PROOF,
    (State.FAILED, State.SUCCEEDED): _PROOF,  # late success
}


class ForbiddenMove(ValueError):
    """A move that the table does not have: a fault of ours, never to be caught and passed over."""


def taken_back(direction: Direction) -> State:
    """The state of money that went back after success."""
    return State.RETURNED if direction is Direction.OUT else State.REVERSED


def check_move(direction: Direction, old: State, new: State, cause: Cause) -> None:
    """Raise `ForbiddenMove` unless the table allows this move by this cause."""
    wrong_way = {State.RETURNED, State.REVERSED} - {taken_back(direction)}
    if cause not in _MOVES.get((old, new), frozenset()) or new in wrong_way:
        raise ForbiddenMove(f"{direction.value}: {old.value} to {new.value} by {cause.value}")


def moves(direction: Direction, state: State, outcome: Outcome, cause: Cause) -> tuple[State, ...]:
    """The states to go through, in order, when a rail reports an outcome; empty when nothing changes.

    An answer to the call counts only while the attempt is `sent`: once it is unknown, a late answer is
    not proof (it may be the answer to a repeat of the call), and a query follows anyway.
    """
    if cause is Cause.JOB:
        raise ValueError("a job is not a report of a rail")
    if state is State.CREATED or (cause is Cause.ANSWER and state is not State.SENT):
        return ()
    if outcome is Outcome.ACCEPTED:
        return ()
    if cause is Cause.ANSWER and outcome is Outcome.TAKEN_BACK:
        return (State.UNKNOWN,)  # no answer to a fresh call: the query that follows tells
    if outcome in {Outcome.UNKNOWN, Outcome.NOT_FOUND}:
        return _nothing_known(state, outcome, cause)
    if outcome is Outcome.TAKEN_BACK:
        back = taken_back(direction)
        if state is State.SUCCEEDED:
            return (back,)
        return (State.SUCCEEDED, back) if state in ASKABLE or state is State.FAILED else ()
    target = State(outcome.value)
    if state in ASKABLE:
        return (target,) if target is not state else ()
    if state is State.FAILED and target is State.SUCCEEDED:
        return (target,)
    return ()


def _nothing_known(state: State, outcome: Outcome, cause: Cause) -> tuple[State, ...]:
    # A query that got no answer adds nothing to what we know; a call that got none leaves its end open.
    lost_call = state is State.SENT and cause is Cause.ANSWER
    vanished = state in {State.SENT, State.PENDING_USER} and outcome is Outcome.NOT_FOUND
    return (State.UNKNOWN,) if lost_call or vanished else ()


def contradicts(state: State, outcome: Outcome) -> bool:
    """Whether a report denies what we hold for settled: never acted on, always shown to people."""
    return (state is State.SUCCEEDED and outcome in {Outcome.FAILED, Outcome.NOT_FOUND}) or (
        state in {State.RETURNED, State.REVERSED} and outcome is Outcome.FAILED
    )
