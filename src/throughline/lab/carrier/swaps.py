"""SIM swap and device swap: when the card or the phone behind a number was last changed.

The setting `monitored_days` is how far back this carrier's records go; null with it means no change in that time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.carrier.calls import Call, Operation, Refusal
from throughline.lab.carrier.times import instant, text

_DEFAULT_HOURS = 240
_KEPT_DAYS = 120


def operations() -> list[Operation]:
    """The operations of the two files."""
    return [
        Operation("sim-swap", "POST", "/check", lambda call: _check(call, "sim_changed_at")),
        Operation(
            "sim-swap",
            "POST",
            "/retrieve-date",
            lambda call: _date(call, "sim_changed_at", "latestSimChange"),
        ),
        Operation("device-swap", "POST", "/check", lambda call: _check(call, "device_changed_at")),
        Operation(
            "device-swap",
            "POST",
            "/retrieve-date",
            lambda call: _date(call, "device_changed_at", "latestDeviceChange"),
        ),
    ]


def _check(call: Call, fact: str) -> dict[str, Any]:
    hours, days = call.body.get("maxAge", _DEFAULT_HOURS), _monitored(call)
    changed = _changed(call, fact)
    if hours > days * 24:
        raise Refusal(400, "OUT_OF_RANGE", f"Changes are monitored for {days} days")
    return {"swapped": changed is not None and changed > now() - timedelta(hours=hours)}


def _date(call: Call, fact: str, member: str) -> dict[str, Any]:
    changed, days = _changed(call, fact), _monitored(call)
    if changed is None or changed < now() - timedelta(days=days):
        return {member: None, "monitoredPeriod": days}
    return {member: text(changed)}


def _changed(call: Call, fact: str) -> datetime | None:
    phone = call.ours(call.subject(call.body.get("phoneNumber")))
    given = getattr(call.company.books.facts(phone), fact)
    return instant(given) if given else None


def _monitored(call: Call) -> int:
    return int(call.company.ledger.setting("monitored_days", _KEPT_DAYS))
