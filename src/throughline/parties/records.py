"""What parties takes and gives: plain values, no rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What a person gives at registration, as typed. Never printed: `repr` shows no values."""

    name: str = field(repr=False)
    id_number: str = field(repr=False)
    phone: str = field(repr=False)
    email: str = field(repr=False)
    locale: str
    zone: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as screens show them: masked."""

    borrower_id: UUID
    name: str
    id_number: str
    phone: str | None
    email: str | None
    locale: str
    zone: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Clear facts for a contract or a payment; whoever holds this must not store or log it."""

    borrower_id: UUID
    name: str = field(repr=False)
    id_number: str = field(repr=False)
    birth_date: date = field(repr=False)
    locale: str
    zone: str


def frozen_until_proved(reason: str | None) -> bool:
    """Whether an address is frozen for doubt about whose it is, by line or by the person: a new proof ends that."""
    return reason is not None and reason.startswith(("line: ", "borrower: "))


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One address of a person and what is known about it; the address itself only masked."""

    id: UUID
    borrower_id: UUID
    kind: ContactKind
    owner: str
    masked: str
    verified_at: datetime | None
    suspended_at: datetime | None
    reassigned_probability: Decimal
    frozen_at: datetime | None
    frozen_reason: str | None
    added_at: datetime
    content_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent, given and perhaps withdrawn. `reference` is where another system keeps its proof."""

    id: UUID
    purpose: Purpose
    given_at: datetime
    withdrawn_at: datetime | None
    text_version: str | None
    reference: str | None
