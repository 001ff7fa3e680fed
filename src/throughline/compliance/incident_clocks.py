"""When reports of an incident are due to authorities: pure, from events that are distinct on purpose.

Awareness is not that a probe noticed; classification does not wait for the cause. Without the event that starts it
a clock waits, and says for what.
"""

from __future__ import annotations

import calendar
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from throughline.compliance import rules
from throughline.kernel.i18n import Text

CLASSES = ("none", "general", "larger", "major")
ClockState = Literal["waiting", "running", "overdue", "met", "late"]


class ClocksWrong(ValueError):
    """The table of clocks contradicts itself; the text names the row."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So long after an event: "aware", "classified" or "report:<clock id>"."""

    start: str
    hours: int = 0
    months: int = 0

    def after(self, event: datetime) -> datetime:
        """A month ends on the same day number, or on the last of the month."""
        if self.months:
            years, month = divmod(event.month - 1 + self.months, 12)
            year, month = event.year + years, month + 1
            day = min(event.day, calendar.monthrange(year, month)[1])
            return event.replace(year=year, month=month, day=day)
        return event + timedelta(hours=self.hours)


@dataclass(frozen=True, slots=True)
class ReportClock:
    """One report to one authority. `critical`: only where critical infrastructure is (or is not) concerned."""

    id: str
    rule_id: str
    regime: str
    valid_from: date
    classes: frozenset[str]
    limits: tuple[Limit, ...]
    critical: bool | None
    name: Text
    cite: str


@dataclass(frozen=True, slots=True)
class Events:
    """What has happened: awareness, the class and its instant by regime, reports sent by clock id."""

    aware_at: datetime | None = None
    classified: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    sent: Mapping[str, datetime] = field(default_factory=dict)
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """How one clock stands. `due_at` is None while it waits for `waits_for`; the report must be there before it."""

    clock: ReportClock
    state: ClockState
    due_at: datetime | None
    waits_for: str | None
    sent_at: datetime | None


def due(
    events: Events, regimes: Collection[str], *, now: datetime, table: Sequence[ReportClock] | None = None
) -> list[Due]:
    """The clocks that the class of the incident sets going in these regimes, in the order of the table."""
    return [
        _one(clock, events, now)
        for clock in (shipped() if table is None else table)
        if clock.regime in regimes and _applies(clock, events)
    ]


def _applies(clock: ReportClock, events: Events) -> bool:
    said = events.classified.get(clock.regime)
    return (
        said is not None
        and said[0] in clock.classes
        and clock.valid_from <= said[1].date()
        and (clock.critical is None or clock.critical == events.critical)
    )


def _one(clock: ReportClock, events: Events, now: datetime) -> Due:
    sent_at = events.sent.get(clock.id)
    known = [(limit, at) for limit in clock.limits if (at := _event(limit.start, clock, events)) is not None]
    due_at = min((limit.after(at) for limit, at in known), default=None)
    if due_at is None:
        return Due(clock, "waiting", None, clock.limits[0].start, sent_at)
    if sent_at is not None:
        return Due(clock, "met" if sent_at < due_at else "late", due_at, None, sent_at)
    return Due(clock, "running" if now < due_at else "overdue", due_at, None, None)


def _event(name: str, clock: ReportClock, events: Events) -> datetime | None:
    if name == "aware":
        return events.aware_at
    if name == "classified":
        return events.classified[clock.regime][1]
    return events.sent.get(name.removeprefix("report:"))


def parse(document: Any) -> tuple[ReportClock, ...]:
    """The table out of its YAML. Raises ClocksWrong, naming the row."""
    found: list[ReportClock] = []
    for raw in document["clocks"]:
        name = str(raw.get("id"))
        limits = [Limit(str(raw["start"]), int(raw.get("hours", 0)), int(raw.get("months", 0)))]
        if "at_most" in raw:
            limits.append(Limit(str(raw["at_most"]["start"]), int(raw["at_most"].get("hours", 0))))
        before = {one.id for one in found}
        for limit in limits:
            known = limit.start in {"aware", "classified"} or limit.start.removeprefix("report:") in before
            if not known or (limit.hours <= 0) == (limit.months <= 0):
                raise ClocksWrong(f"{name}: a limit has a known start and hours or months")
        if name in before or not set(raw["classes"]) <= set(CLASSES):
            raise ClocksWrong(f"{name}: ids are unique and classes are {CLASSES}")
        found.append(
            ReportClock(
                name,
                str(raw["rule"]),
                str(raw["regime"]),
                raw["from"],
                frozenset(raw["classes"]),
                tuple(limits),
                raw.get("critical"),
                {"zh-CN": str(raw["zh"]), "en": str(raw["en"])},
                str(raw["cite"]),
            )
        )
    return tuple(found)


@lru_cache(maxsize=1)
def shipped() -> tuple[ReportClock, ...]:
    """The table of this release; each row names a rule of the rule table."""
    text = files("throughline.compliance").joinpath("data/incident_clocks.yaml").read_text(encoding="utf-8")
    table = parse(yaml.safe_load(text))
    unknown = {one.rule_id for one in table} - {one.id for one in rules.shipped().rules}
    if unknown:
        raise ClocksWrong(f"no such rules: {sorted(unknown)}")
    return table
