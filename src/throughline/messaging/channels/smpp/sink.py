"""What passes between the session and whoever owns it: messages and their results, receipts, texts, the link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from throughline.messaging.channels.smpp.receipt import Receipt
from throughline.messaging.channels.smpp.status import Fault
from throughline.messaging.channels.smpp.udh import PartOf
from throughline.messaging.ports import AGAIN, Verdict


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text to one number. Number and text are never printed.

    `source` replaces the route's address: an extension of it that is unique among the messages on their way leads
    receipts and replies back without any id. `validity_s`: how long the SMSC may try, in seconds, up to 99 days.
    """

    client_ref: str
    destination: str = field(repr=False)
    text: str = field(repr=False)
    source: str | None = None
    validity_s: int | None = None


@dataclass(frozen=True, slots=True)
class PartResult:
    """What became of one part.

    `provider_ref` is the id under which receipts will name it, `message_id` the same as the SMSC wrote it (for
    `query`). `latency_s` counts from the first byte. `why` is ours where no status came.
    """

    verdict: Verdict
    provider_ref: str | None = None
    message_id: str | None = None
    status: int | None = None
    fault: Fault = Fault.NONE
    latency_s: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class TextResult:
    """What became of a text, and of each part that was tried, in order."""

    verdict: Verdict
    parts: tuple[PartResult, ...]

    @property
    def provider_ref(self) -> str | None:
        """The id of the first part."""
        return self.parts[0].provider_ref if self.parts else None


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer that came after `submit` had to call it unknown."""

    client_ref: str
    part: int
    of: int
    result: PartResult


@dataclass(frozen=True, slots=True)
class Inbound:
    """A text that somebody sent us, or a part of one. Never printed.

    `text` is what this PDU holds; None for binary content. `whole` is the complete text: the same for a text of one
    part, and given with the part that makes a longer one whole. Parts come as they come, perhaps twice.
    """

    source: str = field(repr=False)
    destination: str = field(repr=False)
    text: str | None = field(repr=False)
    whole: str | None = field(repr=False)
    part: PartOf | None
    data_coding: int
    raw: bytes = field(repr=False)


class LinkState(StrEnum):
    """What happened to a link."""

    BOUND = "bound"
    REFUSED = "refused"  # not reached, or the bind was refused; will be tried again
    LOST = "lost"  # will be tried again
    STOPPED = "stopped"  # the account was refused: alarm, nothing more is tried
    CLOSED = "closed"  # by us


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """`again_in_s`: when the next try begins. `in_flight`: messages whose end became unknown with the link."""

    route: str
    bind: str
    state: LinkState
    why: str = ""
    status: int | None = None
    again_in_s: float | None = None
    in_flight: int = 0


class EventSink(Protocol):
    """Where events go. `receipt`, `inbound` and `unreadable` return when what they got is safe (committed): only then
    is the SMSC told to forget it. When one of them raises, or takes longer than the route's `sink_timeout_s` and is
    cancelled, the SMSC is asked to send again; so the same thing may come several times."""

    async def receipt(self, receipt: Receipt) -> None:
        """What an SMSC says of a message; malformed ones too."""
        ...

    async def inbound(self, message: Inbound) -> None:
        """A text, or a part of one."""
        ...

    async def unreadable(self, raw: bytes, why: str) -> None:
        """A whole deliver_sm or data_sm that is none."""
        ...

    async def late(self, answer: LateAnswer) -> None:
        """An answer after its time."""
        ...

    async def link(self, event: LinkEvent) -> None:
        """News of a link."""
        ...


def verdict_of(parts: Sequence[PartResult], total: int) -> Verdict:
    """The verdict on a text of `total` parts after these were tried.

    Until a part has left for certain or perhaps, it is that of the last part. After that a text is accepted when all
    parts are, refused for good when a part is, and anything else leaves a doubt: fragments may be shown.
    """
    if not parts:
        return Verdict.NOT_SENT
    last = parts[-1].verdict
    if len(parts) == 1 and (total == 1 or last is not Verdict.ACCEPTED):
        return last
    if last is Verdict.ACCEPTED:
        return Verdict.ACCEPTED if len(parts) == total else Verdict.UNKNOWN
    return Verdict.UNKNOWN if last in AGAIN else last
