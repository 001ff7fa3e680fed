"""device-reachability-status 1.1.0: is the device connected, and for what. The network type is never read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.reading import Malformed

RETRIEVE = Operation("POST", "/device-reachability-status/v1/retrieve", ("device-reachability-status:read",))


@dataclass(frozen=True, slots=True)
class Reachability:
    """`seen_at` is when the network saw it (lastStatusTime), not when we asked: it may be old.

    `connectivity`: DATA means data with or without SMS, SMS means SMS only; empty where it was not told.
    """

    reachable: bool
    seen_at: datetime
    connectivity: tuple[str, ...]


def ask(caller: Caller, subject: Subject, *, ends_at: float) -> Reply[Reachability]:
    """Whether the device is reachable."""
    return caller.call(
        RETRIEVE, subject, subject.device(), lambda value: _read(value, subject.number), ends_at=ends_at
    )


def _read(value: Any, number: str) -> Reachability:
    document = reading.mapping(value)
    same_device(document, number)
    kinds = document.get("connectivity", [])
    if not isinstance(kinds, list) or len(kinds) > 2 or any(one not in ("DATA", "SMS") for one in kinds):
        raise Malformed("connectivity is none of the known lists")
    reachable = reading.flag(document, "reachable")
    if kinds and not reachable:
        raise Malformed("connectivity of a device that is not reachable")
    return Reachability(reachable, reading.instant(document, "lastStatusTime"), tuple(sorted(set(kinds))))


def same_device(document: Mapping[str, Any], number: str) -> None:
    """Where several devices share a contract the answer may be about a watch: then it says nothing of ours."""
    device = document.get("device")
    if device is None:
        return
    named = reading.mapping(device, "device").get("phoneNumber")
    if named is not None and named != number:
        raise Malformed("the answer is about another device")
