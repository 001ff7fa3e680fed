"""Message classes and content classes: what may be said where, and what happens to an unknown end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType


class ContentClass(IntEnum):
    """How much a text gives away to whoever reads it."""

    C0 = 0  # no personal meaning: "you have a message, sign in"
    C1 = 1  # personal, no debt
    C2 = 2  # an amount or a due date
    C3 = 3  # overdue, collection


class MessageClass(StrEnum):
    """Why we write."""

    OTP = "otp"
    SAFETY = "safety"
    RECEIPT = "receipt"
    CONTINUITY = "continuity"
    REMINDER = "reminder"
    CONTRACT = "contract"
    COLLECTION = "collection"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class ClassPolicy:
    """`resend_after` None: an unknown end counts as sent, and this step never gets a second copy.

    `receipt_wait`: how long the plan waits for a receipt before it goes on to its next step. `urgency`: in a queue the
    lowest goes first.
    """

    highest: ContentClass
    resend_after: timedelta | None
    receipt_wait: timedelta
    urgency: int


_HOLD = timedelta(seconds=60)
_QUARTER = timedelta(minutes=15)

# Waits after what providers of fallback chains offer (30 s to 12 h); always cut by the deadline.
POLICIES = MappingProxyType(
    {
        MessageClass.OTP: ClassPolicy(ContentClass.C0, timedelta(), timedelta(seconds=30), 0),
        MessageClass.SAFETY: ClassPolicy(ContentClass.C1, timedelta(), timedelta(seconds=60), 1),
        MessageClass.RECEIPT: ClassPolicy(ContentClass.C2, _HOLD, _QUARTER, 3),
        MessageClass.CONTINUITY: ClassPolicy(ContentClass.C2, _HOLD, _QUARTER, 2),
        MessageClass.REMINDER: ClassPolicy(ContentClass.C2, _HOLD, timedelta(hours=6), 4),
        MessageClass.CONTRACT: ClassPolicy(ContentClass.C2, None, _QUARTER, 3),
        MessageClass.COLLECTION: ClassPolicy(ContentClass.C3, None, timedelta(hours=6), 5),
        MessageClass.MARKETING: ClassPolicy(ContentClass.C1, None, timedelta(hours=6), 6),
    }
)
