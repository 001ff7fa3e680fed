"""Subscriptions to a carrier's events: reachability 0.8.0, SIM swap 0.3.0, data volume 0.1.0. One type each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.ports import Outcome
from throughline.parties.purposes import Purpose

LIVING = ("ACTIVATION_REQUESTED", "ACTIVE", "INACTIVE")
ENDED = ("EXPIRED", "DELETED")


@dataclass(frozen=True, slots=True)
class Api:
    """One subscription API: where it is, which events we take from it, and for which purpose."""

    name: str
    path: str
    kinds: tuple[str, ...]
    purpose: Purpose
    by_device: bool  # the detail names a device, else a phone number

    @property
    def prefix(self) -> str:
        """Of its event types. They carry the major version of the API."""
        return f"org.camaraproject.{self.name}.v0."

    @property
    def types(self) -> tuple[str, ...]:
        """The event types that we subscribe to, one subscription each (maxItems 1)."""
        return tuple(self.prefix + kind for kind in self.kinds)


APIS = {
    "reachability": Api(
        "device-reachability-status-subscriptions",
        "/device-reachability-status-subscriptions/v0.8/subscriptions",
        ("reachability-data", "reachability-sms", "reachability-disconnected"),
        Purpose.CONTINUITY,
        by_device=True,
    ),
    "sim-swap": Api(
        "sim-swap-subscriptions",
        "/sim-swap-subscriptions/v0.3/subscriptions",
        ("swapped",),
        Purpose.IDENTITY,
        by_device=False,
    ),
    "data-volume": Api(
        "device-data-volume-subscriptions",
        "/device-data-volume-subscriptions/v0.1/subscriptions",
        ("data-90-percent", "data-exceeded"),
        Purpose.CONTINUITY,
        by_device=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A subscription as the carrier knows it. `expires_at` None: it did not say."""

    remote_id: str
    status: str | None
    expires_at: datetime | None


def api_of(event_type: str) -> Api | None:
    """The API whose event type this is."""
    return next((api for api in APIS.values() if event_type in api.types), None)


def create(
    caller: Caller,
    subject: Subject,
    event_type: str,
    *,
    sink: str,
    sink_token: str,
    expires_at: datetime,
    ends_at: float,
) -> Reply[Remote]:
    """Subscribe to one event type. Not repeated after a lost answer: that would be a second subscription."""
    api = _api(event_type)
    operation = Operation("POST", api.path, (f"{api.name}:{event_type}:create",), repeatable=False)
    body = {
        "protocol": "HTTP",
        "sink": sink,
        "sinkCredential": {
            "credentialType": "ACCESSTOKEN",
            "accessToken": sink_token,
            "accessTokenExpiresUtc": _text(expires_at),
            "accessTokenType": "bearer",
        },
        "types": [event_type],
        "config": {
            "subscriptionDetail": subject.device() if api.by_device else subject.phone(),
            "subscriptionExpireTime": _text(expires_at),
            "initialEvent": api.name.startswith("device-reachability"),
        },
    }
    return caller.call(operation, subject, body, _read, ends_at=ends_at)


def read_one(
    caller: Caller, subject: Subject, event_type: str, remote_id: str, *, ends_at: float
) -> Reply[Remote]:
    """A subscription as it stands at the carrier."""
    api = _api(event_type)
    operation = Operation("GET", f"{api.path}/{quote(remote_id, safe='')}", (f"{api.name}:read",))
    return caller.call(operation, subject, None, _read, ends_at=ends_at)


def delete(caller: Caller, subject: Subject, event_type: str, remote_id: str, *, ends_at: float) -> bool:
    """End a subscription; True if it is gone, also when it was gone before."""
    api = _api(event_type)
    operation = Operation("DELETE", f"{api.path}/{quote(remote_id, safe='')}", (f"{api.name}:delete",))
    reply = caller.call(operation, subject, None, lambda _: True, ends_at=ends_at)
    gone = reply.status in {404, 410} and reply.code is not None
    return reply.outcome is Outcome.ANSWERED or gone


def _api(event_type: str) -> Api:
    api = api_of(event_type)
    if api is None:
        raise ValueError("no API has this event type")
    return api


def _read(value: Any) -> Remote:
    document: Mapping[str, Any] = reading.mapping(value)
    # An asynchronous answer (202) holds the id alone.
    status = reading.choice(document, "status", LIVING + ENDED) if "status" in document else None
    expires_at = reading.instant(document, "expiresAt") if "expiresAt" in document else None
    return Remote(reading.word(document, "id", 200), status, expires_at)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
