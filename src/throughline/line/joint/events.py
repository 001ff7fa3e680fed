"""Events of joint service plans. Aggregate: ("joint_grant", grant_id)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text


@dataclass(frozen=True, slots=True)
class JointGrantChanged:
    """A grant has another state. `reason` says what it is, and why when refused or ended."""

    TYPE: ClassVar[str] = "line.joint_grant_changed.v1"
    grant_id: UUID
    borrower_id: UUID
    line_id: UUID
    offer_id: str
    kind: str
    old: str | None
    new: str
    code: str | None
    reason: Text
