"""device-data-volume 0.1.0: how much data is left, as a class. The early warning before a person is lost."""

from __future__ import annotations

from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject
from throughline.line.adapters.camara.reachability import same_device

_SCOPES = ("device-data-volume:read",)
RETRIEVE = Operation("POST", "/device-data-volume/v0.1/retrieve", _SCOPES)
CHECK = Operation("POST", "/device-data-volume/v0.1/check", _SCOPES)
CLASSES = ("<200MiB", "<1GiB", "<5GiB", ">=5GiB")


def ask(caller: Caller, subject: Subject, *, ends_at: float) -> Reply[str]:
    """The class of the volume that is left."""

    def read(value: Any) -> str:
        document = reading.mapping(value)
        same_device(document, subject.number)
        return reading.choice(document, "dataVolumeCategory", CLASSES)

    return caller.call(RETRIEVE, subject, subject.device(), read, ends_at=ends_at)


def more_than(caller: Caller, subject: Subject, mib: int, *, ends_at: float) -> Reply[bool]:
    """Whether more than so many MiB (0 to 1024) are left."""
    if not 0 <= mib <= 1_024:
        raise ValueError("MiB are 0 to 1024")

    def read(value: Any) -> bool:
        document = reading.mapping(value)
        same_device(document, subject.number)
        return reading.flag(document, "thresholdExceeded")

    body = subject.device() | {"volumeToCheck": {"value": mib, "unit": "MiB"}}
    return caller.call(CHECK, subject, body, read, ends_at=ends_at)
