"""sim-swap 2.1.0 and device-swap 1.0.0: the same shape. Asked for fraud prevention, never for continuity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from throughline.line.adapters import reading
from throughline.line.adapters.camara.calls import Caller, Operation, Reply, Subject

MAX_AGE_H = 2_400


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two APIs."""

    check: Operation
    retrieve_date: Operation
    date_member: str


SIM = Kind(
    Operation("POST", "/sim-swap/v2/check", ("sim-swap:check",)),
    Operation("POST", "/sim-swap/v2/retrieve-date", ("sim-swap:retrieve-date",)),
    "latestSimChange",
)
DEVICE = Kind(
    Operation("POST", "/device-swap/v1/check", ("device-swap:check",)),
    Operation("POST", "/device-swap/v1/retrieve-date", ("device-swap:retrieve-date",)),
    "latestDeviceChange",
)


@dataclass(frozen=True, slots=True)
class LastChange:
    """`at` None with `monitored_days` N: no swap in the last N days, and nothing is known of before.

    `at` None without a number of days: the carrier does not say.
    """

    at: datetime | None
    monitored_days: int | None


def check(caller: Caller, subject: Subject, kind: Kind, max_age_h: int, *, ends_at: float) -> Reply[bool]:
    """Whether it was swapped in the last hours (1 to 2400). A carrier that keeps less answers OUT_OF_RANGE."""
    if not 1 <= max_age_h <= MAX_AGE_H:
        raise ValueError("hours are 1 to 2400")
    body = subject.phone() | {"maxAge": max_age_h}
    return caller.call(
        kind.check, subject, body, lambda v: reading.flag(reading.mapping(v), "swapped"), ends_at=ends_at
    )


def last_change(caller: Caller, subject: Subject, kind: Kind, *, ends_at: float) -> Reply[LastChange]:
    """When it was last swapped. Some carriers tell the activation of the first SIM here."""

    def read(value: Any) -> LastChange:
        document = reading.mapping(value)
        if kind.date_member not in document:
            raise reading.Malformed(f"{kind.date_member} is missing")
        at = None if document[kind.date_member] is None else reading.instant(document, kind.date_member)
        days = (
            reading.whole(document, "monitoredPeriod", 0, 36_500) if "monitoredPeriod" in document else None
        )
        return LastChange(at, days)

    return caller.call(kind.retrieve_date, subject, subject.phone(), read, ends_at=ends_at)
