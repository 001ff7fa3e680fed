"""Events of parties. Aggregate: ("person", borrower_id). They carry ids only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PersonRegistered:
    """A person gave their data; nobody has checked it yet."""

    TYPE: ClassVar[str] = "parties.person_registered.v1"
    borrower_id: UUID


@dataclass(frozen=True, slots=True)
class PersonDiscarded:
    """A registration that never came to an end was erased."""

    TYPE: ClassVar[str] = "parties.person_discarded.v1"
    borrower_id: UUID


@dataclass(frozen=True, slots=True)
class ContactPointAdded:
    """A person has one more address."""

    TYPE: ClassVar[str] = "parties.contact_point_added.v1"
    borrower_id: UUID
    contact_point_id: UUID
    kind: str


@dataclass(frozen=True, slots=True)
class ContactPointFrozen:
    """An address may not be written to any more, for the reason given."""

    TYPE: ClassVar[str] = "parties.contact_point_frozen.v1"
    borrower_id: UUID
    contact_point_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ContactPointVerified:
    """The person has shown that an address is theirs; `method` is how: sms_code, mobile_network."""

    TYPE: ClassVar[str] = "parties.contact_point_verified.v1"
    borrower_id: UUID
    contact_point_id: UUID
    kind: str
    method: str
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """A consent was given or withdrawn."""

    TYPE: ClassVar[str] = "parties.consent_changed.v1"
    borrower_id: UUID
    purpose: str
    given: bool
