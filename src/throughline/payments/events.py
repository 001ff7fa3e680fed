"""Events of payments. Aggregate: ("payment_order", order id). `source` is what the caller gave, such as "loan:<id>"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text

AGGREGATE = "payment_order"


@dataclass(frozen=True, slots=True)
class PayoutSucceeded:
    """The money has left for the payee. `value_at` is the provider's settlement instant."""

    TYPE: ClassVar[str] = "payments.payout_succeeded.v1"
    order_id: UUID
    borrower_id: UUID
    source: str
    amount_minor: int
    currency: str
    value_at: datetime
    reason: Text | None = None


@dataclass(frozen=True, slots=True)
class PayoutFailed:
    """The payout will not happen under this reference; no money has moved."""

    TYPE: ClassVar[str] = "payments.payout_failed.v1"
    order_id: UUID
    borrower_id: UUID
    source: str
    amount_minor: int
    currency: str
    value_at: datetime
    reason: Text | None


@dataclass(frozen=True, slots=True)
class PayoutReturned:
    """Money that had been paid out came back."""

    TYPE: ClassVar[str] = "payments.payout_returned.v1"
    order_id: UUID
    borrower_id: UUID
    source: str
    amount_minor: int
    currency: str
    value_at: datetime
    reason: Text | None


@dataclass(frozen=True, slots=True)
class CollectionReceived:
    """Money came in. `value_at` is the payer's act: a rail's delay must not cost the borrower a day."""

    TYPE: ClassVar[str] = "payments.collection_received.v1"
    order_id: UUID
    borrower_id: UUID
    source: str
    amount_minor: int
    currency: str
    value_at: datetime
    reason: Text | None = None


@dataclass(frozen=True, slots=True)
class CollectionReversed:
    """Money that had come in was taken back."""

    TYPE: ClassVar[str] = "payments.collection_reversed.v1"
    order_id: UUID
    borrower_id: UUID
    source: str
    amount_minor: int
    currency: str
    value_at: datetime
    reason: Text | None


Movement = PayoutSucceeded | PayoutFailed | PayoutReturned | CollectionReceived | CollectionReversed
