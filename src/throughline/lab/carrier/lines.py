"""Subscription status, device reachability and device data volume: the line as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.carrier.calls import Call, Operation, Refusal

STATUS = "subscription-status"
REACHABILITY = "device-reachability-status"
VOLUME = "device-data-volume"


def operations() -> list[Operation]:
    """The operations of the three files. The first is spelled as its file spells it, and as others do."""
    return [
        Operation(
            STATUS,
            "POST",
            "/retrive-subscription-status",
            _status,
            aliases=("/retrieve-subscription-status",),
        ),
        Operation(REACHABILITY, "POST", "/retrieve", _reachability),
        Operation(VOLUME, "POST", "/retrieve", _volume),
        Operation(VOLUME, "POST", "/check", _exceeded),
    ]


def _status(call: Call) -> dict[str, Any]:
    given = call.body.get("phoneNumber")
    if call.token.phone is not None and given is not None:
        # The exception among the files: the number may be named again if it is the token's.
        if given != call.token.phone:
            raise Refusal(403, "INVALID_TOKEN_CONTEXT", "phoneNumber is not consistent with access token")
        given = None
    phone = call.ours(call.subject(given))
    books = call.company.books
    old_s = float(call.company.ledger.setting("cached_status_s", 0))
    facts = books.facts(phone, at=now() - timedelta(seconds=old_s)) if old_s else books.facts(phone)
    # A cache that is older than the number knows it as an active one.
    return facts.flags or {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"}


def _reachability(call: Call) -> dict[str, Any]:
    phone, named = call.device()
    books = call.company.books
    connectivity = books.connectivity(call.ours(phone))
    shown: dict[str, Any] = {
        **named,
        "lastStatusTime": books.seen_at(phone),
        "reachable": bool(connectivity),
    }
    if connectivity:
        shown["connectivity"] = connectivity
    return shown


def _volume(call: Call) -> dict[str, Any]:
    phone, named = call.device()
    used = call.company.books.facts(call.ours(phone)).used_mib
    steps = ((200, "<200MiB"), (1024, "<1GiB"), (5 * 1024, "<5GiB"))
    return {**named, "dataVolumeCategory": next((name for end, name in steps if used < end), ">=5GiB")}


def _exceeded(call: Call) -> dict[str, Any]:
    phone, named = call.device()
    used = call.company.books.facts(call.ours(phone)).used_mib
    asked = call.body["volumeToCheck"]
    limit = asked["value"] * (1024 if asked["unit"] == "GiB" else 1)
    return {**named, "thresholdExceeded": used > limit}
