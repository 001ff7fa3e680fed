"""The status page as one document: everything that the page, the copy, the feed and programs show. JSON types only.

Texts are {"zh-CN", "en"}; instants are ISO 8601 in business time but for `made_at`, which is the wall clock's, so
that a copy can tell its own age.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from throughline.continuity import incidents
from throughline.continuity.facts import local
from throughline.continuity.models import OutageIncident
from throughline.continuity.status import tasks, words
from throughline.continuity.status.judging import DAYS, Look, Seconds, history, state_now, uptime
from throughline.continuity.status.models import Probe, ProbeDay, StatusNote
from throughline.continuity.status.settings import load_settings
from throughline.kernel.clock import real_now
from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings

MOST_INCIDENTS = 40
MOST_NOTES = 50
_RECENT = timedelta(hours=6)


class IncidentNotPublished(NotFound):
    """No such incident, or one that is not published."""

    code = "incident-not-published"
    title = N_("No such incident was published")


def build(session: Session, *, now: datetime) -> dict[str, Any]:
    """The document as it stands."""
    config = load_settings()
    published = _published(session, now)
    running = [one for one in published if one.state == "open"]
    states = _states(session, now)
    days = _days(session, now)
    first_day = min((day for some in days.values() for _, day in some), default=None)
    rows = [_task(name, states, running, days.get(name, {}), first_day, now) for name in tasks.TASKS]
    return {
        "version": 1,
        "as_of": now.isoformat(timespec="seconds"),
        "made_at": real_now().isoformat(timespec="seconds"),
        "interval_s": config.interval_s,
        "lender": {"zh-CN": settings().lender_name, "en": settings().lender_name_en},
        "contact": {
            "zh-CN": settings().lender_contact,
            "en": settings().lender_contact_en or settings().lender_contact,
        },
        "zone": settings().zone,
        "url": str(settings().base_url).rstrip("/"),
        "state": tasks.worst(row["state"] for row in rows),
        "tasks": rows,
        "incidents": [incident_entry(session, one, now=now) for one in published],
    }


def published_incident(session: Session, incident_id: UUID, *, now: datetime) -> dict[str, Any]:
    """One incident as the page shows it, however old. Raises IncidentNotPublished."""
    found = session.get(OutageIncident, incident_id)
    if found is None or not _is_public(session, found):
        raise IncidentNotPublished
    return incident_entry(session, found, now=now)


def incident_entry(session: Session, one: OutageIncident, *, now: datetime) -> dict[str, Any]:
    """An incident with its timeline, what to do now, and what it means for due dates."""
    notes = session.scalars(
        select(StatusNote).where(StatusNote.incident_id == one.id).order_by(StatusNote.id).limit(MOST_NOTES)
    ).all()
    found = incidents.effect(session, one.id)
    corrected = {note.corrects for note in notes if note.corrects is not None}
    shown = [
        {
            "id": str(note.id),
            "at": note.at.isoformat(timespec="seconds"),
            "stage": note.stage,
            "text": dict(note.text),
            "corrected": note.id in corrected,
            "corrects": str(note.corrects) if note.corrects else None,
        }
        for note in notes
    ]
    promised = [note.next_update_by for note in notes if note.next_update_by is not None]
    return {
        "id": str(one.id),
        "kind": one.kind,
        "title": words.title(one.kind, one.scope),
        "where": " ".join(one.scope[name] for name in ("carrier", "region") if one.scope.get(name)),
        "tasks": list(tasks.touched(one.kind, one.scope)),
        "open": one.state == "open",
        "began_at": one.began_at.isoformat(timespec="seconds"),
        "noticed_at": one.noticed_at.isoformat(timespec="seconds"),
        "ended_at": one.ended_at.isoformat(timespec="seconds") if one.ended_at else None,
        "reason": dict(one.reason),
        "do_now": words.do_now(one.kind, one.scope),
        "due_dates": words.due_dates(
            one.cause, one.kind, one.scope, local(one.began_at), found.protected, over=one.state != "open"
        ),
        "notes": shown,
        "next_update_by": promised[-1].isoformat(timespec="seconds")
        if promised and one.state == "open"
        else None,
    }


def _task(
    name: str,
    states: Mapping[str, str],
    running: Iterable[OutageIncident],
    days: Mapping[tuple[str, date], Seconds],
    first_day: date | None,
    now: datetime,
) -> dict[str, Any]:
    mine = [one for one in running if name in tasks.touched(one.kind, one.scope)]
    parts = [
        {"id": part, "name": tasks.name_of(part), "state": _part(part, state, mine)}
        for part, state in sorted(states.items())
        if tasks.task_of(part) == name
    ]
    total, by_day, seen_s = _sums(days)
    share = uptime(total)
    today = local(now)
    since = max(first_day, today - timedelta(days=DAYS - 1)) if first_day else today
    elapsed_s = max(0, (today - since).days * 86_400 + _second_of_day(now))
    return {
        "id": name,
        "name": tasks.name_of(name),
        "state": _with_incidents(states.get(name, tasks.UNKNOWN), mine),
        "parts": parts,
        "uptime_percent": None if share is None else f"{share * 100:.3f}",
        "observed_minutes": total.observed // 60,
        "unknown_minutes": max(0, elapsed_s - seen_s - total.maintenance) // 60 if first_day else None,
        "days": history(by_day, today),
    }


def _sums(days: Mapping[tuple[str, date], Seconds]) -> tuple[Seconds, dict[date, Seconds], int]:
    """All seconds, those of each day, and how long at least one prober looked."""
    total, by_day = Seconds(), defaultdict[date, Seconds](Seconds)
    longest: dict[date, int] = {}
    for (_, day), one in days.items():
        total, by_day[day] = total + one, by_day[day] + one
        longest[day] = max(longest.get(day, 0), one.observed)
    return total, dict(by_day), sum(longest.values())


def _second_of_day(now: datetime) -> int:
    here = now.astimezone(ZoneInfo(settings().zone))
    return here.hour * 3_600 + here.minute * 60 + here.second


def _part(part: str, state: str, running: Iterable[OutageIncident]) -> str:
    """What is known of a carrier's network comes from its lines; its interface answers all the same."""
    for one in running:
        if part == f"carrier:{one.scope.get('carrier')}":
            return tasks.PARTLY if one.scope.get("region") else tasks.DOWN
        if part in {f"rail:{one.scope.get('rail')}", f"route:{one.scope.get('route')}"}:
            return tasks.DOWN
    return state


def _with_incidents(state: str, running: Iterable[OutageIncident]) -> str:
    """A known incident is not talked away by a probe that happens to succeed."""
    kinds = {one.kind for one in running}
    if "maintenance" in kinds:
        return tasks.MAINTENANCE
    if kinds and state in {tasks.WORKING, tasks.SLOW}:
        return tasks.PARTLY
    return state


def _states(session: Session, now: datetime) -> dict[str, str]:
    """The state of each component; of a part that nobody looks at any more nothing is said after some hours."""
    rows = session.scalars(
        select(Probe)
        .where(Probe.at > now - _RECENT, Probe.at <= now + timedelta(minutes=5))
        .ext(distinct_on(Probe.component, Probe.source))
        .order_by(Probe.component, Probe.source, Probe.at.desc())
    )
    looks = defaultdict[str, list[Look]](list)
    for one in rows:
        looks[one.component].append(Look(one.at, one.state, one.interval_s, one.source))
    return {component: state_now(some, now) for component, some in looks.items()}


def _days(session: Session, now: datetime) -> dict[str, dict[tuple[str, date], Seconds]]:
    rows = session.scalars(
        select(ProbeDay).where(
            ProbeDay.component.in_(tasks.TASKS), ProbeDay.day > local(now) - timedelta(days=DAYS)
        )
    )
    found = defaultdict[str, dict[tuple[str, date], Seconds]](dict)
    for one in rows:
        found[one.component][one.source, one.day] = Seconds(
            one.working_s, one.slow_s, one.partly_s, one.down_s, one.maintenance_s
        )
    return found


def _published(session: Session, now: datetime) -> list[OutageIncident]:
    rows = session.scalars(
        select(OutageIncident)
        .where((OutageIncident.state == "open") | (OutageIncident.began_at > now - timedelta(days=DAYS)))
        .order_by(OutageIncident.state.desc(), OutageIncident.began_at.desc())
        .limit(MOST_INCIDENTS)
    ).all()
    return [one for one in rows if _is_public(session, one)]


def _is_public(session: Session, one: OutageIncident) -> bool:
    """Ours always; a carrier's only from a size on, below which it would point at single people."""
    if one.cause == "own":
        return True
    return incidents.effect(session, one.id).episodes >= load_settings().publish_floor
