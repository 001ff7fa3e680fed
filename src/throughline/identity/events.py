"""Events of identity. Aggregate: ("account", borrower_id)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FactorEnrolled:
    """A factor was added. `authority`: onboarding, approved (by an old factor) or recovery (on probation)."""

    TYPE: ClassVar[str] = "identity.factor_enrolled.v1"
    borrower_id: UUID
    family: str
    authenticator_id: UUID | None
    authority: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session began. `known_device`: the browser had signed in before."""

    TYPE: ClassVar[str] = "identity.signed_in.v1"
    borrower_id: UUID
    session_id: UUID
    methods: list[str]
    level: str
    known_device: bool


@dataclass(frozen=True, slots=True)
class NumberProved:
    """In a session the person has shown that a number is still theirs. The session's level stays what it was."""

    TYPE: ClassVar[str] = "identity.number_proved.v1"
    borrower_id: UUID
    contact_point_id: UUID
    session_id: UUID
    method: str
