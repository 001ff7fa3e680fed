"""Events of continuity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text


@dataclass(frozen=True, slots=True)
class EpisodeOpened:
    """An outage of a borrower's line has begun."""

    TYPE: ClassVar[str] = "continuity.episode_opened.v1"
    episode_id: UUID
    borrower_id: UUID
    line_id: UUID
    dark_since: datetime
    line_state: str
    probability: str
    reason: Text


@dataclass(frozen=True, slots=True)
class EpisodeClosed:
    """The line is back; protections end by their rule."""

    TYPE: ClassVar[str] = "continuity.episode_closed.v1"
    episode_id: UUID
    borrower_id: UUID
    line_id: UUID
    back_at: datetime
    reason: Text


@dataclass(frozen=True, slots=True)
class ProtectionDecided:
    """A loan is protected, or is not, in an episode; always with the reason."""

    TYPE: ClassVar[str] = "continuity.protection_decided.v1"
    episode_id: UUID
    case_id: UUID
    borrower_id: UUID
    loan_id: UUID
    granted: bool
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
