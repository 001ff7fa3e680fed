"""The port of a channel: what messaging needs of a provider that carries texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from throughline.messaging.lattice import AttemptState


class Verdict(StrEnum):
    """What one submission came to."""

    ACCEPTED = "accepted"
    REJECTED_FINAL = "rejected_final"
    REJECTED_RETRY = "rejected_retry"
    THROTTLED = "throttled"
    NOT_SENT = "not_sent"  # only when no byte of the message has left
    UNKNOWN = "unknown"  # everything that leaves a doubt


AGAIN = frozenset({Verdict.REJECTED_RETRY, Verdict.THROTTLED, Verdict.NOT_SENT})


@dataclass(frozen=True, slots=True)
class Outbound:
    """One attempt as a channel gets it. The address is never printed.

    `client_ref` is stored before the call and travels with the message, so that a receipt finds us.
    `template_code` names the text as it is registered with an SMS provider, `params` fill its places.
    """

    client_ref: str
    address: str = field(repr=False)
    locale: str
    text: str
    subject: str = ""
    template_code: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The verdict with the provider's own reference and code. `dead`: there is no such address (any more)."""

    verdict: Verdict
    provider_ref: str | None = None
    code: str = ""
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Which message a provider is asked about."""

    client_ref: str
    provider_ref: str | None
    address: str = field(repr=False)
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What the provider knows of a message. `state` None: it does not have it."""

    state: AttemptState | None
    code: str = ""
    provider_ref: str | None = None


class MessageChannel(Protocol):
    """One route to one provider."""

    name: str

    def submit(self, message: Outbound) -> SubmitResult:
        """Hand over one message. Never raises for what the network or the provider does."""
        ...

    def query(self, question: Question) -> Finding | None:
        """Ask about a message whose end is not known; None when no answer came. Never raises either."""
        ...
