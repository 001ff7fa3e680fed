"""The port of a channel: what messaging needs of a provider that carries texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """What one submission came to."""

    ACCEPTED = "accepted"
    REJECTED_FINAL = "rejected_final"
    REJECTED_RETRY = "rejected_retry"
    THROTTLED = "throttled"
    NOT_SENT = "not_sent"  # only when no byte of the message has left
    UNKNOWN = "unknown"  # everything that leaves a doubt


@dataclass(frozen=True, slots=True)
class Outbound:
    """One attempt as a channel gets it. The address is never printed.

    `client_ref` is stored before the call and travels with the message, so that a receipt finds us.
    `template_code` names the text as it is registered with an SMS provider.
    """

    client_ref: str
    address: str = field(repr=False)
    locale: str
    text: str
    subject: str = ""
    template_code: str = ""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The verdict with the provider's own reference and code."""

    verdict: Verdict
    provider_ref: str | None = None
    code: str = ""


class MessageChannel(Protocol):
    """One route to one provider."""

    name: str
    has_receipts: bool  # without receipts, "accepted" is all that we ever learn

    def submit(self, message: Outbound) -> SubmitResult:
        """Hand over one message. Never raises for what the network or the provider does."""
        ...
