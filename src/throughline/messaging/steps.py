"""The states of a step, and what the steps together make of their intent. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class StepState(StrEnum):
    """Where one step of a plan stands."""

    PLANNED = "planned"  # its turn has not come
    READY = "ready"  # an attempt is written and waits to be sent
    SENDING = "sending"  # an attempt may be on the wire
    SENT = "sent"  # the provider has it
    UNKNOWN = "unknown"  # nobody told us how the call ended
    HELD = "held"  # waits for the line
    RELEASED = "released"  # a catch-up message stands for it
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    NOT_NEEDED = "not_needed"  # the borrower knows already


UNSENT = frozenset({StepState.PLANNED, StepState.READY, StepState.HELD})
IN_FLIGHT = frozenset({StepState.SENDING, StepState.SENT, StepState.UNKNOWN})
# With a time to act, a step in one of these states keeps the next one waiting.
BLOCKING = frozenset({StepState.READY, StepState.SENDING, StepState.SENT, StepState.UNKNOWN})

READ = "read"
OPEN = "open"
_OUTCOMES = (
    (StepState.DELIVERED, "delivered"),
    (StepState.PLANNED, OPEN),
    (StepState.READY, OPEN),
    (StepState.SENDING, OPEN),
    (StepState.SENT, "accepted"),
    (StepState.HELD, "held"),
    (StepState.RELEASED, "held"),
    (StepState.UNKNOWN, "unknown"),
    (StepState.FAILED, "failed"),
    (StepState.EXPIRED, "expired"),
)
OUTCOMES = (READ, *dict.fromkeys(outcome for _, outcome in _OUTCOMES), "suppressed")


def outcome_of(states: Iterable[StepState]) -> str:
    """What an intent has come to: its best step speaks for it; without any step it is suppressed."""
    found = set(states)
    return next((outcome for state, outcome in _OUTCOMES if state in found), "suppressed")
