"""Events of messaging. Aggregate: ("intent", intent id)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text

AGGREGATE = "intent"


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
