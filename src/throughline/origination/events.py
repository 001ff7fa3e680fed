"""Events of origination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text


@dataclass(frozen=True, slots=True)
class ApplicationChanged:
    """An application went from one state to another."""

    TYPE: ClassVar[str] = "origination.application_changed.v1"
    application_id: UUID
    borrower_id: UUID
    old: str | None
    new: str
    reason: Text
