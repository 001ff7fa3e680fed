"""sponsored_data (work in progress, commit d8f5c61): data that a sponsor pays for. Only the calls and their answers.

The file has no release and no security scheme: the token is a header of its own, `accessToken`, and its scope is
assumed here. Its prose names other paths than its `paths`, which count. The reason why a session ended comes in
lower case here and in upper case, with other words, in the notification.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.reading import Malformed

BASE = "/sponsored-data/vwip"
SCOPES = ("sponsored-data",)  # assumed: the file names none
TOKEN_HEADER = "accessToken"  # noqa: S105  # nosec B105 - the name of a header
MAX_SESSIONS = 1_000
MB = (1, 1_000)
MINUTES = (1, 1_440)
END_REASONS = ("validity_expired", "data_exhausted", "session_revoked", "not_available")
NOTICE_REASONS = {
    "EXPIRED": "validity_expired",
    "DATA_EXHAUSTED": "data_exhausted",
    "TERMINATED_BY_SPONSOR": "session_revoked",
    "USER_DEREGISTERED": "session_revoked",
    "NOT_AVAILABLE": "not_available",
}


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was agreed with the carrier: `sponsor_id` like an e-mail address, `campaign_id` a UUID with a domain."""

    sponsor_id: str
    campaign_id: str

    def path(self, kind: str, *more: str) -> str:
        """A path below `/sponsorship` or `/campaign`."""
        parts = (self.sponsor_id, self.campaign_id, *more)
        return "/".join((f"{BASE}/{kind}", *(quote(part, safe="@") for part in parts)))


@dataclass(frozen=True, slots=True)
class Session:
    """A sponsorship that began."""

    session_id: str
    starts_at: datetime
    ends_at: datetime
    volume_mb: int


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How a session stands. `end_reason` is None while it is active."""

    active: bool
    starts_at: datetime
    ends_at: datetime
    used_mb: int
    left_mb: int
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """How a campaign stands. Volumes that only prepaid campaigns have are None elsewhere."""

    status: str
    starts_at: datetime
    ends_at: datetime
    used_mb: int
    contracted_mb: int | None
    left_mb: int | None
    completion_reason: str


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The notification that a session ended. `reason` in the words of the session."""

    session_id: str
    reason: str
    at: datetime


def start(
    caller: Caller,
    subject: Subject,
    campaign: Campaign,
    *,
    webhook_url: str,
    callback_token: str,
    volume_mb: int | None,
    minutes: int | None,
    ends_at: float,
) -> Reply[Session]:
    """Begin a session. Never repeated: the API has no key, so that a lost answer leaves it unknown.

    `callback_token` is a UUID of version 4; 1 to 1000 MB, 1 to 1440 minutes, None: as the campaign says.
    """
    body: dict[str, Any] = {
        "sponsorId": campaign.sponsor_id,
        "campaignId": campaign.campaign_id,
        "phoneNumber": subject.number,
        "webhookUrl": webhook_url,
        "callbackToken": callback_token,
    }
    for name, value, (lowest, highest) in (("dataVolume", volume_mb, MB), ("duration", minutes, MINUTES)):
        if value is None:
            continue
        if not lowest <= value <= highest:
            raise ValueError(f"{name} is {lowest} to {highest}")
        body[name] = value

    def read(value: Any) -> Session:
        document = reading.mapping(value)
        _same(document, campaign)
        return Session(
            reading.word(document, "sessionId", 36),
            reading.instant(document, "startTime"),
            reading.instant(document, "endTime"),
            reading.whole(document, "sponsoredDataVolume", *MB),
        )

    operation = Operation("POST", f"{BASE}/sponsorship", SCOPES, repeatable=False, token_header=TOKEN_HEADER)
    return caller.call(operation, subject, body, read, ends_at=ends_at)


def session_status(
    caller: Caller, subject: Subject, campaign: Campaign, session_id: str, *, ends_at: float
) -> Reply[SessionStatus]:
    """How a session stands."""

    def read(value: Any) -> SessionStatus:
        document = reading.mapping(value)
        if reading.word(document, "phoneNumber", 16) != subject.number:
            raise Malformed("the session is of another number")
        active = reading.choice(document, "sessionStatus", ("active", "inactive")) == "active"
        told = document.get("endReason")
        reason = reading.choice(document, "endReason", END_REASONS) if told is not None else None
        return SessionStatus(
            active,
            reading.instant(document, "startTime"),
            reading.instant(document, "endTime"),
            reading.whole(document, "dataVolumeConsumed", 0, 10**9),
            reading.whole(document, "dataVolumeAvailable", 0, 10**9),
            None if active else reason or "not_available",
        )

    path = campaign.path("sponsorship", session_id, "session-status")
    return caller.call(_operation("GET", path), subject, None, read, ends_at=ends_at)


def revoke(
    caller: Caller, subject: Subject, campaign: Campaign, session_id: str, *, ends_at: float
) -> Reply[bool]:
    """End a session."""

    def read(value: Any) -> bool:
        return reading.choice(reading.mapping(value), "requestResult", ("successful_revocation",)) != ""

    path = campaign.path("sponsorship", session_id, "revoke")
    return caller.call(_operation("DELETE", path), subject, None, read, ends_at=ends_at)


def campaign_status(
    caller: Caller, subject: Subject, campaign: Campaign, *, ends_at: float
) -> Reply[CampaignStatus]:
    """How a campaign stands."""

    def read(value: Any) -> CampaignStatus:
        document = reading.mapping(value)
        _same(document, campaign)
        contracted, left = (
            reading.whole(document, name, 0, 10**12) if document.get(name) is not None else None
            for name in ("contractedDataVolume", "remainingDataVolume")
        )
        return CampaignStatus(
            reading.choice(document, "status", ("active", "paused", "completed", "not_available")),
            reading.instant(document, "startTime"),
            reading.instant(document, "endTime"),
            reading.whole(document, "usedDataVolume", 0, 10**12),
            contracted,
            left,
            reading.choice(document, "completionReason", ("time_expired", "data_exhausted", "not_available")),
        )

    path = campaign.path("campaign", "campaign-status")
    return caller.call(_operation("GET", path), subject, None, read, ends_at=ends_at)


def active_sessions(
    caller: Caller, subject: Subject, campaign: Campaign, *, ends_at: float
) -> Reply[tuple[str, ...]]:
    """Ids of the sessions that run now. Their numbers are not taken over."""

    def read(value: Any) -> tuple[str, ...]:
        document = reading.mapping(value)
        entries = document.get("activeSponsorships")
        if not isinstance(entries, list) or len(entries) > MAX_SESSIONS:
            raise Malformed("activeSponsorships is no list of this length")
        return tuple(reading.word(reading.mapping(entry), "sessionId", 36) for entry in entries)

    path = campaign.path("campaign", "active-sponsorships")
    return caller.call(_operation("GET", path), subject, None, read, ends_at=ends_at)


def subscribe_to_alerts(
    caller: Caller,
    subject: Subject,
    campaign: Campaign,
    *,
    webhook_url: str,
    callback_token: str,
    ends_at: float,
) -> Reply[bool]:
    """Be told when 80 % or all of a campaign's volume is used, and when it ends."""
    body = {
        "webhookUrl": webhook_url,
        "callbackToken": callback_token,
        "alertDataVolumeThresholds": True,
        "campaignExpiryNotification": True,
        "dataVolumeExhausted": True,
    }

    def read(value: Any) -> bool:
        return reading.word(reading.mapping(value), "requestResult") != ""

    path = campaign.path("campaign", "alert-subscription")
    return caller.call(_operation("POST", path), subject, body, read, ends_at=ends_at)


def manage(
    caller: Caller, subject: Subject, campaign: Campaign, *, pause: bool, ends_at: float
) -> Reply[str]:
    """Pause or resume a campaign; its new status."""
    body = {
        "sponsorId": campaign.sponsor_id,
        "campaignId": campaign.campaign_id,
        "action": "pause" if pause else "resume",
    }

    def read(value: Any) -> str:
        return reading.choice(reading.mapping(value), "status", ("paused", "resumed", "completed"))

    return caller.call(
        _operation("POST", f"{BASE}/campaign/management"), subject, body, read, ends_at=ends_at
    )


def parse_end(body: bytes, campaign: Campaign) -> SessionEnd:
    """Read the notification that a session ended. It is no CloudEvent. Raises Malformed."""
    document = reading.mapping(reading.document(body, None))
    _same(document, campaign)
    return SessionEnd(
        reading.word(document, "sessionId", 36),
        NOTICE_REASONS[reading.choice(document, "reason", NOTICE_REASONS)],
        reading.instant(document, "endTimestamp"),
    )


def _operation(method: str, path: str) -> Operation:
    return Operation(method, path, SCOPES, token_header=TOKEN_HEADER)


def _same(document: Any, campaign: Campaign) -> None:
    named = (reading.word(document, "sponsorId"), reading.word(document, "campaignId"))
    if named != (campaign.sponsor_id, campaign.campaign_id):
        raise Malformed("the answer is of another campaign")
