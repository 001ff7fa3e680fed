"""The port of a channel: what messaging needs of a provider that carries texts. Adapters live in `channels`."""

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
    `template` is the name of the text ("<text>.<locale>") and `template_code` its code at Alibaba Cloud; `params` fill
    its places, in their order in the text.
    """

    client_ref: str
    address: str = field(repr=False)
    locale: str
    text: str
    subject: str = ""
    template: str = ""
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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of adapter promises. Without receipts, "accepted" is all that we ever learn."""

    receipts: bool
    query: bool


class Adapter(Protocol):
    """One route to one provider. Used from one event loop, the sender's."""

    async def open(self) -> None:
        """Get ready; a link that can't be made now is made later. Never raises for what the network does."""
        ...

    @property
    def up(self) -> bool:
        """Whether a submission has a chance: the link stands, or there is none to stand."""
        ...

    async def submit(self, message: Outbound) -> SubmitResult:
        """Hand over one message. Never raises for what the network or the provider does."""
        ...

    async def query(self, question: Question) -> Finding | None:
        """Ask about a message whose end is not known; None when no answer came. Never raises either."""
        ...

    async def close(self) -> None:
        """Let go of connections; what is under way gets some seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A receipt as a connection brings it. `ref`: the provider's reference."""

    route: str
    ref: str
    state: AttemptState
    code: str
    reported_at: datetime


class News(Protocol):
    """Where connections take what they hear. Each call returns after the commit; then the provider is told so."""

    async def heard(self, receipt: Heard) -> None:
        """A receipt."""
        ...

    async def late(self, client_ref: str, result: SubmitResult) -> None:
        """An answer that came after its submission was given up as unknown."""
        ...

    async def said(self, route: str, number: str, text: str) -> None:
        """A text that somebody sent us."""
        ...
