"""The states of files and of the items in them, and which may follow which. Pure."""

from __future__ import annotations

from enum import StrEnum


class ItemState(StrEnum):
    """Where one report stands."""

    QUEUED = "queued"  # will leave with the next file
    SENT = "sent"  # its file may be on the wire, or is there and not answered
    UNKNOWN = "unknown"  # nobody told us how the call ended
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_NEEDED = "not_needed"  # a correction of what the bureau never took, or that says nothing new
    LEFT_OUT = "left_out"  # nothing can be said about a person whom we may not name any more


class FileState(StrEnum):
    """Where one file stands. Its reference is stored before the first byte leaves."""

    SENT = "sent"
    UNKNOWN = "unknown"
    RECEIVED = "received"  # the bureau has it and has not answered
    ANSWERED = "answered"
    REFUSED = "refused"  # as a whole: nothing of it was taken
    WITHDRAWN = "withdrawn"  # the bureau promised never to take it


GONE_OUT = frozenset({ItemState.SENT, ItemState.UNKNOWN, ItemState.ACCEPTED})
OPEN_FILES = frozenset({FileState.SENT, FileState.UNKNOWN, FileState.RECEIVED})

_ITEM_MOVES: dict[ItemState, frozenset[ItemState]] = {
    ItemState.QUEUED: frozenset({ItemState.SENT, ItemState.NOT_NEEDED, ItemState.LEFT_OUT}),
    ItemState.SENT: frozenset({ItemState.UNKNOWN, ItemState.ACCEPTED, ItemState.REJECTED, ItemState.QUEUED}),
    ItemState.UNKNOWN: frozenset({ItemState.SENT, ItemState.ACCEPTED, ItemState.REJECTED, ItemState.QUEUED}),
    ItemState.REJECTED: frozenset({ItemState.QUEUED}),
}


class WrongMove(RuntimeError):
    """A state that cannot follow: a fault of ours."""


def move(old: ItemState, new: ItemState) -> ItemState:
    """The new state. Raises WrongMove; staying where one is is no move and is allowed."""
    if old is not new and new not in _ITEM_MOVES.get(old, frozenset()):
        raise WrongMove(f"{old.value} is not followed by {new.value}")
    return new
