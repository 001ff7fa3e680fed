"""call-forwarding-signal 0.4.0. A forwarded number is a risk to codes that are spoken. Never where it leads."""

from __future__ import annotations

from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.reading import Malformed

_API = "call-forwarding-signal"
UNCONDITIONAL = Operation(
    "POST", f"/{_API}/v0.4/unconditional-call-forwardings", (f"{_API}:unconditional-call-forwardings:read",)
)
ALL = Operation("POST", f"/{_API}/v0.4/call-forwardings", (f"{_API}:call-forwardings:read",))
KINDS = (
    "inactive",
    "unconditional",
    "conditional_busy",
    "conditional_not_reachable",
    "conditional_no_answer",
)


def unconditional(caller: Caller, subject: Subject, *, ends_at: float) -> Reply[bool]:
    """Whether every call is forwarded. The file leaves `active` optional; without it nothing is said."""
    return caller.call(
        UNCONDITIONAL,
        subject,
        subject.phone(),
        lambda v: reading.flag(reading.mapping(v), "active"),
        ends_at=ends_at,
    )


def forwardings(caller: Caller, subject: Subject, *, ends_at: float) -> Reply[frozenset[str]]:
    """Which kinds of forwarding are active; empty: none. Carriers may not offer it (501)."""

    def read(value: Any) -> frozenset[str]:
        if not isinstance(value, list) or not 1 <= len(value) <= 20:
            raise Malformed("the list has no or too many entries")
        if any(one not in KINDS for one in value):
            raise Malformed("an entry is none of the known words")
        kinds = frozenset(value)
        if "inactive" in kinds and len(kinds) > 1:
            raise Malformed("inactive beside active ones")
        return kinds - {"inactive"}

    return caller.call(ALL, subject, subject.phone(), read, ends_at=ends_at)
