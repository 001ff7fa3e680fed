"""The port of a rail: what `payments` needs of another company's way to move money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from throughline.payments.states import Direction, Outcome


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can do. Amounts in minor units of `currency`."""

    direction: Direction
    currency: str
    max_amount_minor: int
    needs_payee_action: bool  # the payee must tap "receive" on a phone that may be dead
    same_ref_idempotent: bool  # a repeat of the same request with the same reference is one order
    cost_minor: int = 0


@dataclass(frozen=True, slots=True)
class Payee:
    """Whom to pay. Personal data: never logged, and not in `repr`."""

    holder_name: str = field(repr=False)
    number: str = field(repr=False)
    bank_code: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """One attempt as a rail gets it. Everything in it is fixed before the first call, so that a repeat is the same."""

    out_ref: str
    amount_minor: int
    currency: str
    prepared_at: datetime
    expires_at: datetime | None = None
    payee: Payee | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a rail says of one attempt. Amount, currency and merchant are given whenever the rail states them.

    `value_at` is the instant of the payer's act, not of our booking: a rail's delay must not cost a day.
    """

    outcome: Outcome
    provider_state: str = ""
    provider_ref: str | None = None
    error_code: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    merchant: str | None = None
    value_at: datetime | None = None
    code_url: str | None = None
    reason: str | None = None  # why it failed, for people: a message id


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked line of the provider's statement or account notification that names a reference of ours."""

    entry_ref: str
    out_ref: str
    report: Report


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified message of the provider: a hint about references, or proof by statement entries."""

    event_id: str
    kind: str
    serial: str
    out_refs: tuple[str, ...] = ()  # to be asked about
    entries: tuple[Entry, ...] = ()  # booked lines


class Refused(Exception):
    """A message that is not from the provider, is stale or is damaged. `why` is for our counters, not for the sender."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Rail(Protocol):
    """One rail with one merchant account. Calls never raise for what the network or the provider does."""

    name: str
    merchant: str  # our account there; every report must name it

    def capabilities(self) -> Capabilities:
        """What this rail can do."""
        ...

    def create(self, instruction: Instruction) -> Report:
        """Ask for the movement. `unknown` whenever the answer leaves any doubt."""
        ...

    def query(self, out_ref: str) -> Report:
        """Ask what became of it."""
        ...

    def cancel(self, out_ref: str) -> None:
        """Ask the provider to end an order that nobody has paid; the next query tells whether it did."""
        ...

    def read_notice(self, headers: Mapping[str, str], raw_body: bytes, *, at: datetime) -> Notice:
        """Verify a pushed message over its raw bytes. Raises `Refused`. `at` is real time."""
        ...

    def fetch_notices(self, after: str | None) -> tuple[Sequence[tuple[Notice, bytes]], str | None]:
        """Messages that wait for us at the provider after a cursor, with the next cursor; at most 50."""
        ...
