"""The verbs of responses. Each is one business transaction of the caller's session; what it did stands in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.compliance import incident_clocks
from throughline.continuity import incidents
from throughline.continuity.facts import local
from throughline.continuity.models import Episode, OutageIncident
from throughline.continuity.response import playbooks
from throughline.continuity.response.models import Response, ResponseEntry
from throughline.continuity.response.playbooks import Playbook
from throughline.continuity.response.settings import load_settings
from throughline.continuity.status import notes, words
from throughline.contracts import outage
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from throughline.kernel.i18n import LOCALES, N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import set_timer
from throughline.kernel.settings import settings
from throughline.notary import service as notary

MOST_ENTRIES = 2_000


class ResponseUnknown(NotFound):
    """No such response."""

    code = "response-not-found"
    title = N_("There is no such response")


class ResponseOver(Conflict):
    """It is closed."""

    code = "response-over"
    title = N_("The response is closed already")


class IncidentGoesOn(Conflict):
    """A response ends after its incident."""

    code = "incident-goes-on"
    title = N_("The incident goes on: end it first")


class ResponseImpossible(Invalid):
    """What is said of a response can't be."""

    code = "response-impossible"
    title = N_("This is not possible for the response: check step, severity, role, class and times")


class SamePerson(Forbidden):
    """The second person is the first."""

    code = "same-person"
    title = N_("Somebody else must approve this")


def start(
    session: Session,
    incident_id: UUID,
    *,
    now: datetime,
    by: UUID | None = None,
    playbook_id: str | None = None,
) -> Response | None:
    """Start the response to an incident, or return the one that is there; None where no playbook fits.

    The first note is drafted at once; without a person's approval a neutral one goes out by itself.
    Raises IncidentUnknown, ResponseImpossible.
    """
    incident = incidents.incident(session, incident_id)
    plan = (
        playbooks.playbook(playbook_id)
        if playbook_id is not None
        else playbooks.for_incident(incident.cause, incident.kind)
    )
    if plan is None:
        if playbook_id is not None:
            raise ResponseImpossible
        return None
    touched = incidents.effect(session, incident.id).episodes
    severity = plan.severity(incident.kind, incident.scope, touched)
    fresh = session.execute(
        insert(Response)
        .values(
            id=new_id(),
            incident_id=incident.id,
            playbook=plan.id,
            plan=_snapshot(plan),
            severity=severity,
            state="open",
            started_by=by,
            opened_at=now,
            classes={},
            roles={},
        )
        .on_conflict_do_nothing(index_elements=["incident_id"])
        .returning(Response.id)
    ).scalar_one_or_none()
    response = session.scalars(
        select(Response).where(Response.incident_id == incident.id).with_for_update()
    ).one()
    if fresh is None:
        return response
    details = {"playbook": plan.id, "severity": severity, "noticed_at": incident.noticed_at.isoformat()}
    _log(session, response, "opened", bilingual(N_("The response was opened.")), by, now, details)
    if playbooks.severities()[severity].first_note_min is not None:
        draft = _message(plan, "first", incident)
        _log(session, response, "note_drafted", draft, None, now, {"stage": "noticed"})
        _set_neutral(session, response, now)
    return response


def neutral_note(session: Session, response_id: UUID, *, now: datetime) -> bool:
    """Nobody has said anything in public yet: say that we see it. Returns whether a note went out."""
    response = _open(session, response_id)
    if response is None or any(entry.kind == "note_published" for entry in entries(session, response.id)):
        return False
    incident = incidents.incident(session, response.incident_id)
    plan = playbooks.parse(response.plan)
    reassess(session, response, now=now)
    _publish(session, response, "noticed", _message(plan, "neutral", incident), None, now, neutral=True)
    return True


def reassess(session: Session, response: Response, *, now: datetime) -> str:
    """Raise the severity where more are touched than was known; it is lowered only by a person."""
    incident = incidents.incident(session, response.incident_id)
    plan = playbooks.parse(response.plan)
    touched = incidents.effect(session, incident.id).episodes
    asked = playbooks.graver(response.severity, plan.severity(incident.kind, incident.scope, touched))
    if asked != response.severity:
        response.severity = asked
        text = bilingual(N_("The severity was raised: %(count)s borrowers are touched."), count=touched)
        _log(session, response, "severity", text, None, now, {"severity": asked})
    return asked


def done(
    session: Session, response_id: UUID, step_id: str, proof: str, *, by: UUID, now: datetime
) -> ResponseEntry:
    """Tick a step off with its proof. Saying it again adds to the log; the first time counts."""
    response = _must(session, response_id)
    step = next((one for one in response.plan["steps"] if one["id"] == step_id), None)
    if step is None or not proof.strip():
        raise ResponseImpossible
    return _log(
        session, response, "step_done", step["what"], by, now, {"step": step_id, "proof": proof[:500]}
    )


def act(session: Session, response_id: UUID, words_: str, *, by: UUID, now: datetime) -> ResponseEntry:
    """Write down what was done beside the plan, in the writer's language."""
    if not words_.strip():
        raise ResponseImpossible
    return _log(
        session, _must(session, response_id), "action", dict.fromkeys(LOCALES, words_[:1_000]), by, now
    )


def set_severity(
    session: Session, response_id: UUID, severity: str, reason: str, *, by: UUID, now: datetime
) -> ResponseEntry:
    """Change the severity, up or down, with a reason."""
    response = _must(session, response_id)
    if severity not in playbooks.SEVERITIES or not reason.strip():
        raise ResponseImpossible
    was_quiet = playbooks.severities()[response.severity].first_note_min is None
    response.severity = severity
    if was_quiet and playbooks.severities()[severity].first_note_min is not None:
        _set_neutral(session, response, now)
    text = dict.fromkeys(LOCALES, reason[:500])
    return _log(session, response, "severity", text, by, now, {"severity": severity})


def take_role(
    session: Session, response_id: UUID, role: str, holder: UUID, *, by: UUID, now: datetime
) -> ResponseEntry:
    """Give a role of the severity to somebody of the staff."""
    response = _must(session, response_id)
    if role not in {one for severity in playbooks.severities().values() for one in severity.roles}:
        raise ResponseImpossible
    response.roles = {**response.roles, role: str(holder)}
    text = bilingual(N_("A role was taken: %(role)s."), role=role)
    return _log(session, response, "role", text, by, now, {"role": role, "holder": str(holder)})


def aware(session: Session, response_id: UUID, at: datetime, *, by: UUID, now: datetime) -> ResponseEntry:
    """Say when we became aware that it is an incident: that a probe noticed something is not yet that."""
    response = _must(session, response_id)
    incident = incidents.incident(session, response.incident_id)
    if not incident.began_at <= at <= now:
        raise ResponseImpossible
    response.aware_at = at
    text = bilingual(N_("We became aware of it as an incident."))
    return _log(session, response, "aware", text, by, now, {"at": at.isoformat()})


def classify(
    session: Session, response_id: UUID, regime: str, klass: str, *, by: UUID, now: datetime
) -> ResponseEntry:
    """Classify it for one regime; the clocks of that class run from now. Who classifies is aware."""
    response = _must(session, response_id)
    if klass not in incident_clocks.CLASSES or regime not in load_settings().all_regimes:
        raise ResponseImpossible
    response.classes = {**response.classes, regime: {"class": klass, "at": now.isoformat()}}
    if response.aware_at is None:
        aware(session, response_id, now, by=by, now=now)
    text = bilingual(N_("It was classified for %(regime)s."), regime=regime)
    return _log(session, response, "classified", text, by, now, {"regime": regime, "class": klass})


def publish(
    session: Session,
    response_id: UUID,
    stage: str,
    text: Text,
    *,
    by: UUID,
    now: datetime,
    next_update_by: datetime | None = None,
) -> ResponseEntry:
    """Publish a note on the status page; the first one approves or replaces the draft."""
    if not all(text.get(locale, "").strip() for locale in LOCALES):
        raise ResponseImpossible
    return _publish(session, _must(session, response_id), stage, text, by, now, next_update_by=next_update_by)


def propose_grace(
    session: Session, response_id: UUID, *, needed: bool, reason: Text, by: UUID, now: datetime
) -> ResponseEntry:
    """Propose the decision about grace: what the policy gives, to whom, also where none is needed."""
    response = _must(session, response_id)
    incident = incidents.incident(session, response.incident_id)
    policy = outage.newest()
    row = policy.row_for(incident.cause, incident.kind, local(incident.began_at))
    count, digest = _affected(session, incident)
    details: dict[str, Any] = {
        "needed": needed,
        "outage": incident.kind,
        "affected": count,
        "affected_sha256": digest,
        "affected_query": "borrowers with an episode of this incident",
        "policy_version": policy.version,
        "rule": row.id if row else None,
        "measures": sorted(row.measures) if row and needed else [],
        "from": local(incident.began_at).isoformat(),
        "to": local(incident.ended_at).isoformat() if incident.ended_at else None,
    }
    return _log(session, response, "grace_proposed", reason, by, now, details)


def approve_grace(
    session: Session, response_id: UUID, entry_id: UUID, *, by: UUID, now: datetime
) -> ResponseEntry:
    """Approve it, by somebody else than who proposed; it is committed to the notary's log. Raises SamePerson."""
    response = _must(session, response_id)
    proposal = session.get(ResponseEntry, entry_id)
    if proposal is None or proposal.response_id != response.id or proposal.kind != "grace_proposed":
        raise ResponseImpossible
    if proposal.by == by:
        raise SamePerson
    record = {"response": str(response.id), "incident": str(response.incident_id), **proposal.details}
    record |= {"proposer": str(proposal.by), "approver": str(by)}
    promise = notary.commit(session, LENDER_ID, "grace_decision", record, now=now)
    details = {**proposal.details, "proposal": str(proposal.id), "record": str(promise.record_id)}
    return _log(session, response, "grace_approved", proposal.text, by, now, details)


def report_sent(
    session: Session,
    response_id: UUID,
    clock_id: str,
    reference: str,
    sent_at: datetime,
    *,
    by: UUID,
    now: datetime,
) -> ResponseEntry:
    """Write down that a person has sent a report to an authority, and under which reference."""
    response = _must(session, response_id, also_closed=True)
    known = next((one for one in incident_clocks.shipped() if one.id == clock_id), None)
    if known is None or not reference.strip() or not response.opened_at - timedelta(days=1) <= sent_at <= now:
        raise ResponseImpossible
    details = {"clock": clock_id, "reference": reference[:200], "sent_at": sent_at.isoformat()}
    return _log(session, response, "report_sent", known.name, by, now, details)


def close(
    session: Session, response_id: UUID, *, by: UUID, now: datetime, lessons: str, publish_over: bool = True
) -> Response:
    """End the response after its incident, with what was learned. Raises IncidentGoesOn."""
    response = _must(session, response_id)
    incident = incidents.incident(session, response.incident_id)
    if incident.state == "open":
        raise IncidentGoesOn
    if not lessons.strip():
        raise ResponseImpossible
    published = any(entry.kind == "note_published" for entry in entries(session, response.id))
    if publish_over and published:
        over = _message(playbooks.parse(response.plan), "over", incident)
        _publish(session, response, "closed", over, by, now)
    response.state, response.closed_at = "closed", now
    _log(session, response, "closed", dict.fromkeys(LOCALES, lessons[:2_000]), by, now)
    return response


def response(session: Session, response_id: UUID) -> Response:
    """One response. Raises ResponseUnknown."""
    found = session.get(Response, response_id)
    if found is None:
        raise ResponseUnknown
    return found


def of_incident(session: Session, incident_id: UUID) -> Response | None:
    """The response to an incident, if there is one."""
    return session.scalars(select(Response).where(Response.incident_id == incident_id)).one_or_none()


def responses(session: Session, *, state: str | None, after: UUID | None, limit: int) -> list[Response]:
    """A page of responses, newest first."""
    query = select(Response)
    if state is not None:
        query = query.where(Response.state == state)
    if after is not None:
        query = query.where(Response.id < after)
    return list(session.scalars(query.order_by(Response.id.desc()).limit(limit)))


def entries(session: Session, response_id: UUID, *, limit: int = MOST_ENTRIES) -> list[ResponseEntry]:
    """The log of a response, oldest first."""
    query = select(ResponseEntry).where(ResponseEntry.response_id == response_id)
    return list(session.scalars(query.order_by(ResponseEntry.id).limit(limit)))


def _publish(
    session: Session,
    found: Response,
    stage: str,
    text: Text,
    by: UUID | None,
    now: datetime,
    *,
    neutral: bool = False,
    next_update_by: datetime | None = None,
) -> ResponseEntry:
    every = playbooks.severities()[found.severity].update_every_min
    if next_update_by is None and every is not None and stage != "closed":
        next_update_by = now + timedelta(minutes=every)
    note = notes.publish(
        session, found.incident_id, stage, text, now=now, by=by, next_update_by=next_update_by
    )
    details = {
        "stage": stage,
        "note": str(note.id),
        "neutral": neutral,
        "next_update_by": next_update_by.isoformat() if next_update_by else None,
    }
    return _log(session, found, "note_published", text, by, now, details)


def _affected(session: Session, incident: OutageIncident) -> tuple[int, str]:
    """How many borrowers, and a SHA-256 over their sorted ids: the set can be proved and is not spread."""
    digest, count = hashlib.sha256(), 0
    ids = session.scalars(
        select(Episode.borrower_id)
        .where(Episode.incident_id == incident.id)
        .order_by(Episode.borrower_id)
        .execution_options(yield_per=5_000)
    )
    for one in ids:
        digest.update(one.bytes)
        count += 1
    return count, digest.hexdigest()


def _message(plan: Playbook, name: str, incident: OutageIncident) -> Text:
    began = incident.began_at.astimezone(ZoneInfo(settings().zone))
    since = {locale: format_datetime(began, "medium", locale=locale.replace("-", "_")) for locale in LOCALES}
    return plan.message(name, words.title(incident.kind, incident.scope), since)


def _snapshot(plan: Playbook) -> dict[str, Any]:
    """The playbook as JSON that `playbooks.parse` reads again."""
    return {
        "id": plan.id,
        "title": plan.title,
        "trigger": {"cause": plan.cause, "kinds": sorted(plan.kinds)},
        "severity": [
            {
                "is": one.severity,
                "touched_at_least": one.touched_at_least,
                "kinds": sorted(one.kinds),
                "tasks": sorted(one.tasks),
                "whole": one.whole,
            }
            for one in plan.conditions
        ],
        "steps": [asdict(one) for one in plan.steps],
        "messages": dict(plan.messages),
    }


def _set_neutral(session: Session, found: Response, now: datetime) -> None:
    set_timer(
        session,
        "continuity.neutral_note",
        str(found.id),
        now + timedelta(minutes=load_settings().neutral_note_min),
        "continuity.neutral_note",
        {"response_id": str(found.id)},
    )


def _open(session: Session, response_id: UUID) -> Response | None:
    found = session.get(Response, response_id, with_for_update=True)
    return found if found is not None and found.state == "open" else None


def _must(session: Session, response_id: UUID, *, also_closed: bool = False) -> Response:
    found = session.get(Response, response_id, with_for_update=True)
    if found is None:
        raise ResponseUnknown
    if found.state != "open" and not also_closed:
        raise ResponseOver
    return found


def _log(
    session: Session,
    found: Response,
    kind: str,
    text: Text | dict[str, str],
    by: UUID | None,
    now: datetime,
    details: dict[str, Any] | None = None,
) -> ResponseEntry:
    entry = ResponseEntry(
        response_id=found.id, at=now, kind=kind, by=by, text=dict(text), details=details or {}
    )
    session.add(entry)
    session.flush()
    return entry


def all_of(session: Session, found: Response) -> tuple[OutageIncident, Sequence[ResponseEntry]]:
    """A response's incident and its log."""
    return incidents.incident(session, found.incident_id), entries(session, found.id)
