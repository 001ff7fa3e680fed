"""How a joint plan is ordered from a carrier, whichever way they agreed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from throughline.line.joint.offers import Gives, Kind, Offer


class Word(StrEnum):
    """What the carrier says of an order."""

    GRANTED = "granted"
    PENDING = "pending"
    REFUSED = "refused"
    ENDED = "ended"
    NOT_KNOWN = "not_known"  # the carrier has no such order
    NO_ANSWER = "no_answer"  # nobody knows: time-out, 5xx, an answer that can't be read


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """A carrier's answer. `code` is short and of ours or theirs; times are the carrier's."""

    word: Word
    remote_id: str | None = None
    code: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order to be sent. Exists in memory only: number and token are in the clear."""

    key: str
    offer_id: str
    campaign: str | None
    kind: Kind
    gives: Gives
    currency: str
    number: str  # E.164
    callback_token: UUID


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was sent. `is_ours` tells whether a number in clear is that of the order's line."""

    key: str
    remote_id: str | None
    campaign: str | None
    is_ours: Callable[[str], bool]


class JointPlan(Protocol):
    """One way of ordering. Nothing here raises: what can't be told is NO_ANSWER."""

    @property
    def name(self) -> str:
        """Its name in rows."""

    def offer(self, offer: Offer) -> bool:
        """Whether this way can carry such an offer."""

    def grant(self, order: Order) -> PlanAnswer:
        """Place the order, once."""

    def status(self, placed: Placed) -> PlanAnswer:
        """Ask what became of it."""

    def revoke(self, placed: Placed) -> PlanAnswer:
        """End it; ENDED also when it had ended before."""
