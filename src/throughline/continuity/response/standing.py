"""How a response stands: its checklist, what was promised and by when, its clocks. Pure, from the row and its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from throughline.compliance import incident_clocks
from throughline.compliance.incident_clocks import Due, Events
from throughline.continuity.response.models import Response, ResponseEntry
from throughline.continuity.response.playbooks import severities
from throughline.continuity.response.settings import ResponseSettings
from throughline.kernel.i18n import N_, Text, bilingual

Standing = Literal["open", "overdue", "done", "late"]
PROMISES = {
    "first_note": N_("First public note"),
    "update": N_("Next public update"),
    "grace": N_("Decision about grace, also where none is needed"),
    "roles": N_("All roles are filled"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A step of the checklist, or a promise of the severity, with its proof if it is done."""

    id: str
    what: Text
    who: str
    due_at: datetime
    state: Standing
    done_at: datetime | None = None
    done_by: UUID | None = None
    proof: str = ""
    wanted: Text | None = None


def checklist(response: Response, entries: Sequence[ResponseEntry], now: datetime) -> list[Item]:
    """The steps of the plan in its order."""
    done: dict[str, ResponseEntry] = {}
    for entry in entries:
        if entry.kind == "step_done":
            done.setdefault(str(entry.details["step"]), entry)
    found = []
    for step in response.plan["steps"]:
        ticked = done.get(step["id"])
        due_at = response.opened_at + timedelta(minutes=step["within_min"])
        found.append(
            Item(
                step["id"],
                step["what"],
                step["who"],
                due_at,
                _standing(due_at, ticked.at if ticked else None, now),
                ticked.at if ticked else None,
                ticked.by if ticked else None,
                str(ticked.details.get("proof", "")) if ticked else "",
                step["proof"],
            )
        )
    return found


def promises(response: Response, entries: Sequence[ResponseEntry], now: datetime) -> list[Item]:
    """What the severity asks for: a first note, updates while it lasts, a decision about grace, roles."""
    asked = severities()[response.severity]
    notes = [entry for entry in entries if entry.kind == "note_published"]
    found = []
    if asked.first_note_min is not None:
        found.append(
            _promise("first_note", "communications", response.opened_at, asked.first_note_min, notes[:1], now)
        )
    if asked.update_every_min is not None and notes and response.state == "open":
        found.append(_promise("update", "communications", notes[-1].at, asked.update_every_min, [], now))
    if asked.grace_within_min is not None:
        decided = [entry for entry in entries if entry.kind == "grace_approved"]
        found.append(
            _promise("grace", "compliance", response.opened_at, asked.grace_within_min, decided[:1], now)
        )
    missing = [role for role in asked.roles if role not in response.roles]
    filled = [entry for entry in entries if entry.kind == "role"]
    if asked.first_note_min is not None:
        found.append(
            _promise(
                "roles",
                "commander",
                response.opened_at,
                asked.first_note_min,
                [] if missing else filled[-1:],
                now,
            )
        )
    return found


def clocks(
    response: Response, entries: Sequence[ResponseEntry], config: ResponseSettings, now: datetime
) -> list[Due]:
    """The clocks of authorities that its class sets going."""
    return incident_clocks.due(events_of(response, entries, config), config.all_regimes, now=now)


def events_of(response: Response, entries: Sequence[ResponseEntry], config: ResponseSettings) -> Events:
    """What has happened, as the clocks ask for it."""
    sent: dict[str, datetime] = {}
    for entry in entries:
        if entry.kind == "report_sent":
            sent.setdefault(str(entry.details["clock"]), datetime.fromisoformat(entry.details["sent_at"]))
    classified: Mapping[str, tuple[str, datetime]] = {
        regime: (str(said["class"]), datetime.fromisoformat(said["at"]))
        for regime, said in response.classes.items()
    }
    return Events(response.aware_at, classified, sent, config.critical_infrastructure)


def history(entries: Sequence[ResponseEntry]) -> list[dict[str, Any]]:
    """The severities it had, oldest first."""
    return [
        {"at": entry.at.isoformat(), "severity": entry.details["severity"], "by": entry.by}
        for entry in entries
        if entry.kind in {"opened", "severity"}
    ]


def _promise(
    name: str, who: str, start: datetime, within_min: int, kept: Sequence[ResponseEntry], now: datetime
) -> Item:
    due_at = start + timedelta(minutes=within_min)
    at = kept[0].at if kept else None
    by = kept[0].by if kept else None
    return Item(name, bilingual(PROMISES[name]), who, due_at, _standing(due_at, at, now), at, by)


def _standing(due_at: datetime, done_at: datetime | None, now: datetime) -> Standing:
    if done_at is not None:
        return "done" if done_at <= due_at else "late"
    return "open" if now <= due_at else "overdue"
