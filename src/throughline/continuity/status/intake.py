"""Taking in what probes saw: rows, sums by day, incidents opened and ended by them. Safe to repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.continuity import incidents
from throughline.continuity.facts import local
from throughline.continuity.models import OutageIncident
from throughline.continuity.status import tasks
from throughline.continuity.status.judging import Look, Outage, outages
from throughline.continuity.status.models import Probe, ProbeDay
from throughline.continuity.status.settings import load_settings
from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import N_, Text, bilingual

LONGEST_BATCH = 2_000
OLDEST = timedelta(days=60)  # a prober that was cut off for longer has nothing to add to 90 days
MOST_LOOKS = 5_000
KEPT = timedelta(days=100)
MOST_FORGOTTEN = 20_000


class ProbeWrong(Invalid):
    """A probe that cannot be."""

    code = "probe-wrong"
    title = N_("This is not what a probe can have seen: check component, state and time")


@dataclass(frozen=True, slots=True)
class Observation:
    """What a prober saw of one component; `at` is business time. `reason`: a short code, empty where all is well."""

    component: str
    at: datetime
    state: str
    reason: str
    took_ms: int
    interval_s: int


def record(session: Session, source: str, seen: Sequence[Observation], *, now: datetime) -> int:
    """Keep what one prober saw, open and end incidents by it; returns how many rows were new. Raises ProbeWrong."""
    _check(seen, now)
    closed = _maintenance(session, seen)
    fresh = [one for one in seen if _keep(session, source, one, closed)]
    components = sorted({one.component for one in fresh}, key=lambda name: name != tasks.PLATFORM)
    for component in components:
        some = [one for one in fresh if one.component == component]
        longest_s = max(one.interval_s for one in some)
        _judge(session, component, min(one.at for one in some), longest_s, now=now)
    return len(fresh)


def forget(session: Session, *, now: datetime) -> int:
    """Drop single looks that no sum needs any more, at most so many at once; the sums by day stay for ever."""
    old = (
        select(Probe.component, Probe.source, Probe.at)
        .where(Probe.at < now - KEPT)
        .order_by(Probe.at)
        .limit(MOST_FORGOTTEN)
    )
    key = tuple_(Probe.component, Probe.source, Probe.at)
    done = session.execute(delete(Probe).where(key.in_(old)).returning(Probe.component))
    return len(done.all())


def _check(seen: Sequence[Observation], now: datetime) -> None:
    if len(seen) > LONGEST_BATCH:
        raise ProbeWrong
    for one in seen:
        if (
            not tasks.is_component(one.component)
            or one.state not in tasks.PROBED
            or not now - OLDEST <= one.at <= now + timedelta(minutes=5)
        ):
            raise ProbeWrong


def _maintenance(session: Session, seen: Sequence[Observation]) -> list[OutageIncident]:
    """Announced maintenance in the time of these probes: what fails in it is neither up nor down."""
    if not seen:
        return []
    first, last = min(one.at for one in seen), max(one.at for one in seen)
    return list(
        session.scalars(
            select(OutageIncident)
            .where(
                OutageIncident.kind == "maintenance",
                OutageIncident.began_at <= last,
                OutageIncident.ended_at.is_(None) | (OutageIncident.ended_at >= first),
            )
            .limit(100)
        )
    )


def _in(closed: Iterable[OutageIncident], at: datetime) -> bool:
    return any(one.began_at <= at and (one.ended_at is None or at < one.ended_at) for one in closed)


def _keep(session: Session, source: str, one: Observation, closed: Sequence[OutageIncident]) -> bool:
    state = tasks.MAINTENANCE if one.state != tasks.WORKING and _in(closed, one.at) else one.state
    row = {
        "component": one.component,
        "source": source,
        "at": one.at,
        "state": state,
        "reason": one.reason[:60],
        "took_ms": one.took_ms,
        "interval_s": one.interval_s,
    }
    added = session.execute(
        insert(Probe).values(row).on_conflict_do_nothing().returning(Probe.component)
    ).first()
    if added is None:
        return False
    column = f"{state}_s"
    zero = dict.fromkeys((f"{name}_s" for name in (*tasks.PROBED, tasks.MAINTENANCE)), 0)
    values = zero | {column: one.interval_s}
    session.execute(
        insert(ProbeDay)
        .values(component=one.component, source=source, day=local(one.at), **values)
        .on_conflict_do_update(
            index_elements=["component", "source", "day"],
            set_={column: getattr(ProbeDay, column) + one.interval_s},
        )
    )
    return True


def _judge(session: Session, component: str, first: datetime, interval_s: int, *, now: datetime) -> None:
    meaning = _incident_of(component)
    if meaning is None:
        return
    kind, scope = meaning
    newest = session.scalars(
        select(OutageIncident)
        .where(OutageIncident.source_ref.like(f"probe:{component}:%"))
        .order_by(OutageIncident.began_at.desc())
        .limit(1)
    ).first()
    running = newest if newest is not None and newest.state == "open" else None
    failures = load_settings().failures
    # An outage that is not open yet began at most so many failures before what came now, and after the last one.
    since = first - 2 * failures * timedelta(seconds=interval_s)
    if newest is not None:
        since = newest.began_at if running else max(since, newest.ended_at or since)
    for one in outages(
        _looks(session, component, since), failures=failures, since=running.began_at if running else None
    ):
        _follow(session, component, kind, scope, one, now=now)


def _looks(session: Session, component: str, since: datetime) -> list[Look]:
    rows = session.scalars(
        select(Probe)
        .where(Probe.component == component, Probe.at >= since)
        .order_by(Probe.at)
        .limit(MOST_LOOKS)
    )
    return [
        Look(
            one.at,
            one.state,
            one.interval_s,
            one.source,
            borrowed=one.state == tasks.MAINTENANCE or one.reason.startswith(("part:", tasks.PLATFORM)),
        )
        for one in rows
    ]


def _follow(
    session: Session, component: str, kind: str, scope: dict[str, str], one: Outage, *, now: datetime
) -> None:
    began = min(one.since, now)
    reference = f"probe:{component}:{one.since:%Y-%m-%dT%H:%M:%SZ}"
    found, _ = incidents.open_incident(
        session,
        incidents.NewIncident(reference, "own", kind, scope, began, reason=_reason(component)),
        now=now,
    )
    if one.until is not None and found.state == "open":
        ended = min(max(one.until, found.began_at), now)
        incidents.end_incident(session, found.id, ended_at=ended, now=now)


def _incident_of(component: str) -> tuple[str, dict[str, str]] | None:
    """The kind and scope of an incident of that component; None: probes open none for it."""
    if component == tasks.PLATFORM:
        return "platform", {}
    if component in tasks.TASKS:
        return "platform", {"task": component}
    group, _, name = component.partition(":")
    match group:
        case "rail":
            return "payment_channel", {"rail": name}
        case "route":
            return "message_route", {"route": name}
        case _:
            return None  # a carrier's network fails where its lines do, and `line` says so


def _reason(component: str) -> Text:
    if component == tasks.PLATFORM:
        return bilingual(N_("Our service does not answer."))
    name = tasks.name_of(component)
    return {
        locale: text % {"what": name[locale]}
        for locale, text in bilingual(N_("“%(what)s” does not work.")).items()
    }
