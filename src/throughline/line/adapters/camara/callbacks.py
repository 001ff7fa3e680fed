"""CloudEvents from a carrier: parsed without trust. Pure; bad input gives no signal and one problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara import notices
from throughline.line.adapters.reading import Malformed
from throughline.line.ports import Swap
from throughline.line.signals import Signal

# CAMARA has no event for a suspension. This one is ours: carriers that can push use it by agreement.
PUSH_TYPE = "org.throughline.subscription-status-extension.v1.status-changed"
REACHABLE = {"reachability-data": ["DATA"], "reachability-sms": ["SMS"], "reachability-disconnected": []}
LIFECYCLE = ("subscription-started", "subscription-updated", "subscription-ended")
# The SIM-swap file names two of its lifecycle types by the template that it was made from.
TEMPLATE = "org.camaraproject.api-name.v0."
ENDINGS = (
    "MAX_EVENTS_REACHED",
    "NETWORK_TERMINATED",
    "SUBSCRIPTION_EXPIRED",
    "ACCESS_TOKEN_EXPIRED",
    "SUBSCRIPTION_DELETED",
    "SUBSCRIPTION_UNPROCESSABLE",
)
FLAGS = {
    "voiceSmsIn": ("active", "suspended"),
    "voiceSmsOut": ("active", "suspended"),
    "dataService": ("active", "suspended", "throttled"),
}


class CallbackMalformed(ValueError):
    """The body is no CloudEvent that we know."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A parsed event: what names it, which subscription or number it is of, and what it says.

    `kind` is the last part of its type; of `signal`, `swap`, `ended` and `running_out` one at most is set.
    `number` is of the push extension and of events that name it.
    """

    source: str
    event_id: str
    kind: str
    at: datetime
    subscription_id: str | None
    number: str | None
    ended: str | None = None
    signal: Signal | None = None
    swap: Swap | None = None
    running_out: bool = False


def parse(body: bytes, provider: str = "carrier") -> Callback:
    """Read one CloudEvent (JSON format). Raises CallbackMalformed."""
    try:
        return _parse(body, provider)
    except Malformed as error:
        raise CallbackMalformed(str(error)) from error


def _parse(body: bytes, provider: str) -> Callback:
    event = reading.mapping(reading.document(body, None))
    if event.get("specversion") != "1.0":
        raise Malformed("not a CloudEvent 1.0")
    event_id, source, kind = (reading.word(event, name) for name in ("id", "source", "type"))
    at = reading.instant(event, "time")
    data = reading.mapping(event.get("data"), "data")
    if kind == PUSH_TYPE:
        number = reading.word(data, "phoneNumber", 16)
        return Callback(
            source, event_id, "status-changed", at, _optional(data, "subscriptionId"), number,
            signal=_push(at, data, provider),
        )  # fmt: skip
    subscription_id = reading.word(data, "subscriptionId", 200)
    name = _name(kind)
    plain = Callback(source, event_id, name, at, subscription_id, _number(data))
    if name == "subscription-ended":
        reason = reading.word(data, "terminationReason", 60)
        return replace(plain, ended=reason if reason in ENDINGS else "UNKNOWN_REASON")
    if name in REACHABLE:
        attributes: dict[str, Any] = {"reachable": name != "reachability-disconnected"}
        if REACHABLE[name]:
            attributes["connectivity"] = REACHABLE[name]
        return replace(plain, signal=Signal(at, "camara.device-reachability", provider, None, attributes))
    if name == "swapped":
        return replace(plain, swap=Swap("sim", at))
    if name in {"data-50-percent", "data-75-percent", "data-90-percent", "data-exceeded"}:
        return replace(plain, running_out=name in {"data-90-percent", "data-exceeded"})
    # An event that we do not know, or one of the beginning of a subscription: it came, and that is all.
    return plain


def _name(kind: str) -> str:
    """The last part of an event type that is ours to hear; both major versions that are in use, v0 and v1."""
    for api in notices.APIS.values():
        for version in ("v0", "v1"):
            prefix = f"org.camaraproject.{api.name}.{version}."
            if kind.startswith(prefix):
                return kind.removeprefix(prefix)
    if kind.startswith(TEMPLATE) and kind.removeprefix(TEMPLATE) in LIFECYCLE:
        return kind.removeprefix(TEMPLATE)
    return "unknown"


def _push(at: datetime, data: Mapping[str, Any], provider: str) -> Signal:
    attributes: dict[str, Any] = {
        name: reading.choice(data, name, allowed) for name, allowed in FLAGS.items() if name in data
    }
    if "reason" in data:
        attributes["reason"] = reading.word(data, "reason", 40)
    if not attributes:
        raise Malformed("nothing is said of the line")
    return Signal(at, "carrier.push", provider, None, attributes)


def _number(data: Mapping[str, Any]) -> str | None:
    if "device" in data:
        named = reading.mapping(data["device"], "device").get("phoneNumber")
        return named if isinstance(named, str) and len(named) <= 16 else None
    return _optional(data, "phoneNumber")


def _optional(data: Mapping[str, Any], name: str) -> str | None:
    return reading.word(data, name, 200) if data.get(name) is not None else None
