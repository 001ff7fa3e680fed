"""CloudEvents from a carrier: parsed without trust. Pure; bad input gives no signal and one problem."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from throughline.line.adapters.camara.client import EVENT_PREFIX
from throughline.line.signals import Signal

MAX_BYTES = 64 * 1024
# CAMARA has no event for a suspension. This one is ours: carriers that can push use it by agreement.
PUSH_TYPE = "org.throughline.subscription-status-extension.v1.status-changed"
ENDED = EVENT_PREFIX + "subscription-ended"


class CallbackMalformed(ValueError):
    """The body is no CloudEvent that we know."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A parsed event: what names it, which subscription or number it is of, and its signal if it carries one."""

    source: str
    event_id: str
    subscription_id: str | None
    number: str | None
    ended: str | None
    signal: Signal | None


def parse(body: bytes) -> Callback:
    """Read one CloudEvent (JSON format). Raises CallbackMalformed."""
    if len(body) > MAX_BYTES:
        raise CallbackMalformed("too large")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CallbackMalformed("not JSON") from error
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise CallbackMalformed("not a CloudEvent 1.0")
    event_id, source, kind, time = (_text(event, name) for name in ("id", "source", "type", "time"))
    try:
        at = datetime.fromisoformat(time)
    except ValueError as error:
        raise CallbackMalformed("time is no instant") from error
    if at.tzinfo is None:
        raise CallbackMalformed("time has no zone")
    data = event.get("data")
    if not isinstance(data, dict):
        raise CallbackMalformed("data is missing")
    if kind == PUSH_TYPE:
        return Callback(source, event_id, None, _text(data, "phoneNumber"), None, _push(at, data))
    subscription_id = _text(data, "subscriptionId")
    if kind == ENDED:
        return Callback(
            source, event_id, subscription_id, None, str(data.get("terminationReason", ""))[:60], None
        )
    reachable = {"reachability-data": True, "reachability-sms": True, "reachability-disconnected": False}
    name = kind.removeprefix(EVENT_PREFIX)
    signal = (
        Signal(at, "camara.device-reachability", "carrier", None, {"reachable": reachable[name]})
        if name in reachable
        else None
    )
    return Callback(source, event_id, subscription_id, None, None, signal)


def _push(at: datetime, data: dict[str, Any]) -> Signal:
    attributes = {
        name: data[name]
        for name in ("voiceSmsIn", "voiceSmsOut", "dataService", "reason")
        if isinstance(data.get(name), str)
    }
    if any(len(value) > 40 for value in attributes.values()):
        raise CallbackMalformed("a flag is too long")
    return Signal(at, "carrier.push", "carrier", None, attributes)


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 300:
        raise CallbackMalformed(f"{name} is missing or too long")
    return value
