"""Events of messaging. Aggregates: ("intent", intent id), ("inbound", id of the text)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text

AGGREGATE = "intent"
INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class IntentOutcome:
    """A step of an intent has ended or is held.

    `outcome`: delivered, accepted (the provider has it, but gives no receipt or none has come), held,
    suppressed, failed, expired, unknown, and read with channel "inbox". Channel "none": there is no address.
    A later event of the same channel corrects an earlier one: a held step is released, a late receipt comes.
    """

    TYPE: ClassVar[str] = "messaging.intent_outcome.v1"
    intent_id: UUID
    borrower_id: UUID
    idem_key: str
    outcome: str
    channel: str
    reason: Text


@dataclass(frozen=True, slots=True)
class ContactSignals:
    """What receipts say about numbers and refusals about mailboxes, up to 500: {contact_point_id, borrower_id, source, provider, code, observed_at}."""

    TYPE: ClassVar[str] = "messaging.contact_signals.v1"
    signals: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class InboundReceived:
    """Somebody sent a text from a number that a borrower has.

    `meaning`: wrong_person (the number is frozen by then), stop, paid, help, other. The text stays here.
    """

    TYPE: ClassVar[str] = "messaging.inbound_received.v1"
    inbound_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    meaning: str
    got_at: datetime
