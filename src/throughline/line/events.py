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
class OutageLearned:
    """A line could not receive for a while, is back, and late evidence tells of it only now.

    `cannot_receive`: the strongest belief in it, 0-1 with four decimals; `state` the likeliest state then.
    """

    TYPE: ClassVar[str] = "line.outage_learned.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    state: str
    cannot_receive: str
    from_at: datetime
    to_at: datetime
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


@dataclass(frozen=True, slots=True)
class NumberReassignmentSuspected:
    """The number is perhaps somebody else's: believed with more than 0.2, or a source said so.

    `probability` 0-1 with four decimals; `source` is the source that said it, or None for the belief.
    """

    TYPE: ClassVar[str] = "line.number_reassignment_suspected.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    probability: str
    source: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class SimOrDeviceChanged:
    """The SIM or the phone of a line was changed. Honest people do that too: it resets trust, it accuses nobody."""

    TYPE: ClassVar[str] = "line.sim_or_device_changed.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    kind: str  # sim | device
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class DataRunningOut:
    """A line's data volume is nearly or wholly used up: the early warning before a person is lost."""

    TYPE: ClassVar[str] = "line.data_running_out.v1"
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    used_up: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class FeedStale:
    """A provider's notices or answers stopped coming. Its lines are not known to be well."""

    TYPE: ClassVar[str] = "line.feed_stale.v1"
    feed: str
    provider: str
    last_event_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class FeedRestored:
    """A provider is heard again."""

    TYPE: ClassVar[str] = "line.feed_restored.v1"
    feed: str
    provider: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RegionalIncidentOpened:
    """Many lines of one carrier and region fail together. `region` is empty for a carrier as a whole.

    Aggregate: ("line_incident", incident id).
    """

    TYPE: ClassVar[str] = "line.regional_incident_opened.v1"
    incident_id: UUID
    carrier: str
    region: str
    onset_at: datetime
    raised_at: datetime
    lines: int


@dataclass(frozen=True, slots=True)
class RegionalIncidentClosed:
    """They work again as usual."""

    TYPE: ClassVar[str] = "line.regional_incident_closed.v1"
    incident_id: UUID
    carrier: str
    region: str
    onset_at: datetime
    cleared_at: datetime
    lines: int


@dataclass(frozen=True, slots=True)
class LineClaimed:
    """A borrower said how a line was. It moves no belief."""

    TYPE: ClassVar[str] = "line.claimed.v1"
    claim_id: UUID
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    state: str
    from_at: datetime
    to_at: datetime | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class LineClaimContradicted:
    """Several observations speak against what a borrower said. For staff to look at: it decides nothing."""

    TYPE: ClassVar[str] = "line.claim_contradicted.v1"
    claim_id: UUID
    line_id: UUID
    borrower_id: UUID
    contact_point_id: UUID
    at: datetime
    evidence: list[str]
