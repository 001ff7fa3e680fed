"""The one door through which line asks outside companies: carriers and vendors look alike from here.

A feed is one kind of question (a source) put to one company (a provider). What it says is a signal or nothing:
a refusal, a time-out, a code that nobody knows and an answer that fits no schema are all "no information", so
that a fault of theirs is never read as a state of a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from throughline.line.signals import Signal


class Outcome(StrEnum):
    """How a question ended, as it stands in its row."""

    ANSWERED = "answered"  # there is information
    UNKNOWN = "unknown"  # they do not know, or nobody can tell whether and what they answered
    REFUSED = "refused"  # they may not or will not tell us: consent, scope, contract
    ERROR = "error"  # we asked wrongly, or they do not offer this


@dataclass(frozen=True, slots=True)
class FeedCapabilities:
    """What a source can tell and what it takes."""

    status: bool
    push: bool
    recycling: bool
    ported: bool
    splits_stops: bool  # tells 单停 from 双停
    price_minor: int  # of an answered question
    per_s: float  # the provider's rate limit


@dataclass(frozen=True, slots=True)
class StatusQuestion:
    """One question about one number. Exists in memory only: the number is in the clear.

    `refresh_token` is the borrower's own (3-legged) where one was collected; without it the number is named.
    `proven_on` is the last day on which the borrower proved that the number is his: recycling is asked since then.
    """

    number: str  # E.164
    asked_at: datetime
    purpose: str  # of parties.purposes
    correlator: str
    refresh_token: str | None = None
    proven_on: date | None = None
    first: bool = False  # nobody asked this provider about this line for this purpose before


@dataclass(frozen=True, slots=True)
class Swap:
    """The SIM or the device of a line was changed. No evidence about the line: it resets the trust in possession."""

    kind: str  # sim | device
    at: datetime


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What came of a question. `signals` is empty unless answered.

    `cost_minor` is what the provider bills for it. `code` is the provider's own word where it gave one, cut short.
    `raw` is the answer with the members that its schema names, for the encrypted short-lived store only. `not_before_s`: the provider asked us to
    wait so long before we ask about this line again.
    """

    outcome: Outcome
    signals: tuple[Signal, ...] = ()
    swaps: tuple[Swap, ...] = ()
    cost_minor: int = 0
    code: str | None = None
    raw: str | None = None
    not_before_s: float | None = None
    refresh_token: str | None = None  # the provider gave a new one for the one that we used


class CarrierFeed(Protocol):
    """One source at one provider."""

    @property
    def name(self) -> str:
        """Equal to `Signal.source`: "camara.subscription-status", "vendor.aliyun"."""

    @property
    def provider(self) -> str:
        """The carrier's or vendor's name, equal to `Signal.provider`."""

    @property
    def capabilities(self) -> FeedCapabilities:
        """What it can tell and what it takes."""

    def status(self, question: StatusQuestion, timeout_s: float) -> StatusAnswer:
        """Ask. Never raises; takes `timeout_s` at most, with all that it tries again."""
