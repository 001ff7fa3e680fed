"""The port of a credit bureau: what lending needs of another company that keeps credit records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from throughline.lending.bureau.fileformat import Answered


class Outcome(StrEnum):
    """What a call came to. `unknown` whenever the answer leaves any doubt."""

    RECEIVED = "received"
    REFUSED = "refused"  # as a whole, for good
    NOT_FOUND = "not_found"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reply:
    """An outcome and the bureau's code, where it gave one."""

    outcome: Outcome
    code: str | None = None


@dataclass(frozen=True, slots=True)
class BureauDispute:
    """A borrower complained at the bureau about a report of ours. The words are personal: never printed."""

    nr: int
    ref: str
    item_ref: str
    opened_at: datetime
    statement: str = field(repr=False)


class Bureau(Protocol):
    """One bureau where we are a member. Calls never raise for what the network or the bureau does."""

    member: str

    def send(self, file_ref: str, content: bytes) -> Reply:
        """Hand a file over. The same reference with the same bytes is the same file, however often."""
        ...

    def ask(self, file_ref: str) -> Reply:
        """Ask whether the bureau has a file."""
        ...

    def answer(self, file_ref: str) -> Sequence[Answered] | None:
        """The answers to its items; None when there are none yet, or none that can be read."""
        ...

    def withdraw(self, file_ref: str) -> Reply:
        """Ask the bureau never to take a file: withdrawn, or received if it has been taken already."""
        ...

    def disputes(self, after: int) -> Sequence[BureauDispute]:
        """Disputes after a number, oldest first, at most 50; none when the bureau can't be heard."""
        ...

    def answer_dispute(self, ref: str, key: str, outcome: str, text: str) -> Reply:
        """Answer a dispute that came through the bureau. The same key is the same answer."""
        ...
