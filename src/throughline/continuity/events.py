"""Events of continuity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text


@dataclass(frozen=True, slots=True)
class EpisodeOpened:
    """An outage touches a borrower: of the line, of a carrier, of ours, or by the borrower's own word."""

    TYPE: ClassVar[str] = "continuity.episode_opened.v1"
    episode_id: UUID
    borrower_id: UUID
    line_id: UUID | None
    dark_since: datetime
    cause: str
    kind: str
    probability: str
    reason: Text


@dataclass(frozen=True, slots=True)
class EpisodeClosed:
    """The outage is over; protections end by their rule."""

    TYPE: ClassVar[str] = "continuity.episode_closed.v1"
    episode_id: UUID
    borrower_id: UUID
    line_id: UUID | None
    cause: str
    back_at: datetime
    reason: Text


@dataclass(frozen=True, slots=True)
class ProtectionDecided:
    """A loan is protected, or is not, or a person looks first; always with the reason."""

    TYPE: ClassVar[str] = "continuity.protection_decided.v1"
    episode_id: UUID
    case_id: UUID
    borrower_id: UUID
    loan_id: UUID
    state: str  # granted | refused | review
    rule_id: str | None
    reason: Text


@dataclass(frozen=True, slots=True)
class ProtectionEnded:
    """The protection of a loan has an end date now."""

    TYPE: ClassVar[str] = "continuity.protection_ended.v1"
    episode_id: UUID
    case_id: UUID
    borrower_id: UUID
    loan_id: UUID
    last_day: str
    reason: Text


@dataclass(frozen=True, slots=True)
class ProtectionRevoked:
    """A grant made in error was taken back: the loan stands as if it had never been."""

    TYPE: ClassVar[str] = "continuity.protection_revoked.v1"
    episode_id: UUID
    case_id: UUID
    borrower_id: UUID
    loan_id: UUID
    reason: Text


@dataclass(frozen=True, slots=True)
class IncidentOpened:
    """Many are touched at once: a carrier, a region, or our own service. Aggregate: ("incident", id)."""

    TYPE: ClassVar[str] = "continuity.incident_opened.v1"
    incident_id: UUID
    cause: str
    kind: str
    scope: dict[str, str]
    began_at: datetime
    reason: Text


@dataclass(frozen=True, slots=True)
class IncidentEnded:
    """It is over."""

    TYPE: ClassVar[str] = "continuity.incident_ended.v1"
    incident_id: UUID
    cause: str
    kind: str
    ended_at: datetime
