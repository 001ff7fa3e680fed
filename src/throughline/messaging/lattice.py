"""The states of an attempt. They only rise, so receipts may come early, late, twice and in any order."""

from __future__ import annotations

from enum import StrEnum


class AttemptState(StrEnum):
    """Each state outranks those before it; `delivered` beats `failed`, because somebody saw it arrive."""

    PREPARED = "prepared"  # committed, nothing sent
    SUBMITTED = "submitted"  # the call to the provider may have begun
    UNKNOWN = "unknown"  # it began and its end is not known
    ACCEPTED = "accepted"  # the provider has it
    EXPIRED = "expired"
    FAILED = "failed"
    DELIVERED = "delivered"


_RANK = {state: rank for rank, state in enumerate(AttemptState)}

LIVE = frozenset({AttemptState.PREPARED, AttemptState.SUBMITTED, AttemptState.UNKNOWN, AttemptState.ACCEPTED})


def risen(old: AttemptState, new: AttemptState) -> AttemptState:
    """The higher of two states: what is known after hearing `new` in state `old`."""
    return new if _RANK[new] > _RANK[old] else old
