"""The report of a response: one document of JSON types, for people, for the archive and for authorities' forms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from throughline.compliance.calendars import CalendarUnknown, working_days
from throughline.compliance.working_days import WorkingDays
from throughline.continuity import incidents
from throughline.continuity.facts import local
from throughline.continuity.response import service, standing
from throughline.continuity.response.models import Response
from throughline.continuity.response.playbooks import severities
from throughline.continuity.response.settings import load_settings
from throughline.continuity.response.standing import Item
from throughline.continuity.status import tasks, words
from throughline.kernel.settings import settings


def build(session: Session, response: Response, *, now: datetime) -> dict[str, Any]:
    """The whole response as it stands; texts are {"zh-CN", "en"}."""
    incident, log = service.all_of(session, response)
    effect = incidents.effect(session, incident.id)
    asked = severities()[response.severity]
    ended = incident.ended_at
    return {
        "version": 1,
        "id": str(response.id),
        "made_at": now.isoformat(),
        "playbook": response.playbook,
        "title": words.title(incident.kind, incident.scope),
        "state": response.state,
        "severity": response.severity,
        "severity_meaning": asked.meaning,
        "severity_history": [one | {"by": _id(one["by"])} for one in standing.history(log)],
        "incident": {
            "id": str(incident.id),
            "source": incident.source_ref.partition(":")[0],
            "cause": incident.cause,
            "kind": incident.kind,
            "scope": dict(incident.scope),
            "tasks": list(tasks.touched(incident.kind, incident.scope)),
            "began_at": incident.began_at.isoformat(),
            "noticed_at": incident.noticed_at.isoformat(),
            "ended_at": ended.isoformat() if ended else None,
            "reason": dict(incident.reason),
        },
        "aware_at": response.aware_at.isoformat() if response.aware_at else None,
        "classes": dict(response.classes),
        "opened_at": response.opened_at.isoformat(),
        "closed_at": response.closed_at.isoformat() if response.closed_at else None,
        "roles": dict(response.roles),
        "roles_missing": [role for role in asked.roles if role not in response.roles],
        "effect": {
            "borrowers": effect.episodes,
            "protected": effect.protected,
            "refused": effect.refused,
            "waiting": effect.waiting,
        },
        "minutes": {
            "to_notice": _minutes(incident.began_at, incident.noticed_at),
            "to_end": _minutes(incident.began_at, ended) if ended else None,
        },
        "checklist": [_item(one) for one in standing.checklist(response, log, now)],
        "promises": [_item(one) for one in standing.promises(response, log, now)],
        "clocks": [
            {
                "id": one.clock.id,
                "regime": one.clock.regime,
                "what": one.clock.name,
                "cite": one.clock.cite,
                "state": one.state,
                "due_at": one.due_at.isoformat() if one.due_at else None,
                "waits_for": one.waits_for,
                "sent_at": one.sent_at.isoformat() if one.sent_at else None,
            }
            for one in standing.clocks(response, log, load_settings(), now)
        ],
        "post_mortem_due": _post_mortem(asked.post_mortem_working_days, ended or now),
        "log": [
            {
                "id": str(one.id),
                "at": one.at.isoformat(),
                "kind": one.kind,
                "by": _id(one.by),
                "text": dict(one.text),
                "details": dict(one.details),
            }
            for one in log
        ],
    }


def overdue(document: dict[str, Any]) -> int:
    """How much of it is overdue."""
    return sum(
        one["state"] == "overdue" for part in ("checklist", "promises", "clocks") for one in document[part]
    )


def _item(one: Item) -> dict[str, Any]:
    return {
        "id": one.id,
        "what": one.what,
        "who": one.who,
        "due_at": one.due_at.isoformat(),
        "state": one.state,
        "done_at": one.done_at.isoformat() if one.done_at else None,
        "done_by": _id(one.done_by),
        "proof": one.proof,
        "wanted": one.wanted,
    }


def _post_mortem(days: int | None, since: datetime) -> str | None:
    """So many working days of the lender's place after the end."""
    if days is None:
        return None
    try:
        calendar = working_days(settings().jurisdiction)
    except CalendarUnknown:
        calendar = WorkingDays("weekdays", local(since))  # a place whose days off we do not know
    day = local(since)
    for _ in range(days):
        day = calendar.on_or_after(day + timedelta(days=1))
    return day.isoformat()


def _minutes(one: datetime, other: datetime) -> int:
    return int((other - one).total_seconds() // 60)


def _id(value: Any) -> str | None:
    return str(value) if value is not None else None
