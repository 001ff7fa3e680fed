"""Events of line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from throughline.kernel.i18n import Text


@dataclass(frozen=True, slots=True)
class LineStateChanged:
    """The public state of a line changed. `probability` is of the new state, 0-1 with four decimals.

    `cannot_receive` is the belief that nothing reaches the line, whichever of its outages it is in.
    """

    TYPE: ClassVar[str] = "line.state_changed.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    old: str
    new: str
    probability: str
    cannot_receive: str
    since: datetime
    reason: Text
    evidence: list[str]


@dataclass(frozen=True, slots=True)
class LineAlarmRaised:
    """The line can receive nothing, believed with at least 0.9."""

    TYPE: ClassVar[str] = "line.alarm_raised.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    probability: str
    at: datetime
    cause: Text


@dataclass(frozen=True, slots=True)
class LineAlarmCleared:
    """The alarm is over: belief in "cannot receive" fell below 0.5."""

    TYPE: ClassVar[str] = "line.alarm_cleared.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    probability: str
    at: datetime
    cause: Text
