"""Number recycling, tenure and call forwarding: whose number it is, since when, and where its calls go."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.carrier.calls import Call, Operation

FORWARDING = "call-forwarding-signal"


def operations() -> list[Operation]:
    """The operations of the three files."""
    return [
        Operation("number-recycling", "POST", "/check", _recycled),
        Operation("kyc-tenure", "POST", "/check-tenure", _tenure),
        Operation(FORWARDING, "POST", "/unconditional-call-forwardings", _unconditional),
        Operation(FORWARDING, "POST", "/call-forwardings", _forwardings),
    ]


def _recycled(call: Call) -> dict[str, Any]:
    # A cancelled number is answered as well: whoever held it then does not hold it now.
    phone = call.ours(call.subject(call.body.get("phoneNumber")), living=False)
    day = date.fromisoformat(call.body["specifiedDate"])
    return {"phoneNumberRecycled": call.company.books.recycled_since(phone, day)}


def _tenure(call: Call) -> dict[str, Any]:
    phone = call.ours(call.subject(call.body.get("phoneNumber")))
    holder = call.company.books.holder(phone)
    day = min(date.fromisoformat(call.body["tenureDate"]), now().astimezone(UTC).date())
    if holder is None:
        return {"tenureDateCheck": False}
    return {"tenureDateCheck": holder.starts <= day, "contractType": holder.type}


def _unconditional(call: Call) -> dict[str, Any]:
    phone = call.ours(call.subject(call.body.get("phoneNumber")))
    return {"active": "unconditional" in call.company.books.facts(phone).forwardings}


def _forwardings(call: Call) -> list[str]:
    phone = call.ours(call.subject(call.body.get("phoneNumber")))
    return list(call.company.books.facts(phone).forwardings) or ["inactive"]
