"""Incidents: an outage of many at once. One row names whom it touches; borrowers who owe something get an episode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, episodes, protection
from throughline.continuity.episodes import NewEpisode
from throughline.continuity.events import IncidentEnded, IncidentOpened
from throughline.continuity.facts import local
from throughline.continuity.models import Episode, OutageIncident, ProtectionCase
from throughline.contracts import outage
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.lending import service as lending
from throughline.line import service as line
from throughline.notary import service as notary

CHUNK = 200
LAST = UUID(int=2**128 - 1)  # nobody comes after it
SCOPES = frozenset({"carrier", "region", "route", "rail", "task"})
WITHOUT_REPAYING = frozenset(
    {"apply", "sign", "get_paid", "support"}
)  # tasks that nobody needs to repay in time
MEANT = {
    "network": N_("The carrier's network fails."),
    "disaster": N_("The region is on an official list of disasters."),
    "platform": N_("Our own service fails."),
    "maintenance": N_("Our service is closed for announced maintenance."),
    "cyber": N_("Our service is attacked."),
    "payment_channel": N_("A payment channel or a bank fails."),
    "message_route": N_("Our messages cannot be sent."),
}


class IncidentUnknown(NotFound):
    """No such incident."""

    code = "incident-not-found"
    title = N_("There is no such incident")


class IncidentImpossible(Invalid):
    """What is said of an incident can't be."""

    code = "incident-impossible"
    title = N_("This incident is not possible: check its kind, its scope and its times")


class IncidentOver(Conflict):
    """It has ended already."""

    code = "incident-over"
    title = N_("The incident has ended already")


@dataclass(frozen=True, slots=True)
class NewIncident:
    """An incident to open. `source_ref` names what says so, and makes opening safe to repeat."""

    source_ref: str
    cause: str
    kind: str
    scope: Mapping[str, str]
    began_at: datetime
    reason: Text | None = None
    opened_by: UUID | None = None


def open_incident(session: Session, new: NewIncident, *, now: datetime) -> tuple[OutageIncident, bool]:
    """Open an incident and start looking at the borrowers it touches; says whether it is new.

    Raises IncidentImpossible.
    """
    _check(new, now)
    fresh = session.execute(
        insert(OutageIncident)
        .values(
            id=new_id(),
            source_ref=new.source_ref,
            cause=new.cause,
            kind=new.kind,
            scope=dict(new.scope),
            state="open",
            began_at=new.began_at,
            noticed_at=now,
            opened_by=new.opened_by,
            reason=new.reason or bilingual(MEANT[new.kind]),
        )
        .on_conflict_do_nothing(index_elements=["source_ref"])
        .returning(OutageIncident.id)
    ).scalar_one_or_none()
    incident = session.scalars(
        select(OutageIncident).where(OutageIncident.source_ref == new.source_ref).with_for_update()
    ).one()
    if fresh is None:
        return incident, False
    incident.record_id = notary.commit(
        session,
        LENDER_ID,
        "incident_opened",
        {
            "incident": str(incident.id),
            "cause": incident.cause,
            "outage": incident.kind,
            "scope": incident.scope,
            "began": incident.began_at.isoformat(),
        },
        now=now,
    ).record_id
    publish(
        session,
        IncidentOpened(
            incident.id, incident.cause, incident.kind, incident.scope, incident.began_at, incident.reason
        ),
        aggregate_type="incident",
        aggregate_id=incident.id,
        borrower_id=None,
    )
    _defer_cover(session, incident, None)
    return incident, True


def end_incident(session: Session, incident_id: UUID, *, ended_at: datetime, now: datetime) -> OutageIncident:
    """End an incident; the episodes of its borrowers end with it. Raises IncidentUnknown, IncidentOver,
    IncidentImpossible.
    """
    incident = session.get(OutageIncident, incident_id, with_for_update=True)
    if incident is None:
        raise IncidentUnknown
    if incident.state != "open":
        raise IncidentOver
    if not incident.began_at <= ended_at <= now:
        raise IncidentImpossible
    incident.state, incident.ended_at = "closed", ended_at
    notary.commit(
        session,
        LENDER_ID,
        "incident_ended",
        {"incident": str(incident.id), "ended": ended_at.isoformat()},
        now=now,
    )
    publish(
        session,
        IncidentEnded(incident.id, incident.cause, incident.kind, ended_at),
        aggregate_type="incident",
        aggregate_id=incident.id,
        borrower_id=None,
    )
    # Whoever was not looked at while it lasted is looked at now: the outage touched them all the same.
    _defer_cover(session, incident, None)
    return incident


def cover(session: Session, incident_id: UUID, after: UUID | None, *, now: datetime) -> UUID | None:
    """Look at the next borrowers with an installment near the incident; returns after whom to go on, or None.

    Each gets one episode, open or ended as the incident is. Safe to repeat.
    """
    incident = session.get(OutageIncident, incident_id, with_for_update=True)
    if incident is None:
        return None
    row = outage.newest().row_for(incident.cause, incident.kind, local(incident.began_at))
    lead = timedelta(days=row.lead_days if row is not None else 0)
    catch_up = timedelta(days=row.catch_up_days if row is not None else 0)
    until = local(incident.ended_at) + catch_up if incident.ended_at else local(now) + protection.AHEAD
    some = lending.borrowers_due(session, local(incident.began_at) - lead, until, after=after, limit=CHUNK)
    for borrower_id, line_id in _touched(session, incident, some).items():
        touch(session, incident, borrower_id, line_id, now=now)
    if incident.ended_at is not None and len(some) < CHUNK:
        _end_what_is_left(session, incident, now=now)
    incident.covered_at = now
    incident.covered_after = some[-1] if len(some) == CHUNK else None
    if incident.covered_after is not None:
        _defer_cover(session, incident, incident.covered_after)
    return incident.covered_after


def touch(
    session: Session, incident: OutageIncident, borrower_id: UUID, line_id: UUID | None, *, now: datetime
) -> Episode:
    """Give one borrower the episode of an incident, or bring the one that is there up to date."""
    episode, _ = episodes.open_episode(
        session,
        NewEpisode(
            borrower_id=borrower_id,
            cause=incident.cause,
            kind=incident.kind,
            source="incident",
            dark_since=incident.began_at,
            incident_id=incident.id,
            reason=incident.reason,
            evidence=[f"incident:{incident.id}"],
        ),
        now=now,
    )
    del line_id  # the row of a line has at most one open episode of its own; this one is the incident's
    if episode.state == "open":
        protection.protect_what_falls_due(session, episode, now=now)
    if episode.state == "open" and incident.ended_at is not None:
        reason = bilingual(N_("The incident is over; the episode is closed."))
        protection.end_cases(session, episode, local(incident.ended_at), now=now)
        episodes.close(session, episode, back_at=incident.ended_at, reason=reason, now=now)
        chronicle.note(session, episode, "episode_closed", reason, at=now)
    if episode.cause == "carrier":
        episodes.merge_reports(session, episode, now=now)
    return episode


def _end_what_is_left(session: Session, incident: OutageIncident, *, now: datetime) -> None:
    """Episodes of borrowers who owe nothing near it any more, because they have paid meanwhile, end with it too."""
    left = session.scalars(
        select(Episode.borrower_id)
        .where(Episode.incident_id == incident.id, Episode.state == "open")
        .order_by(Episode.borrower_id)
        .limit(CHUNK)
    ).all()
    for borrower_id in left:
        touch(session, incident, borrower_id, None, now=now)
    if len(left) == CHUNK:
        _defer_cover(session, incident, LAST)


def on_installment_due(session: Session, borrower_id: UUID, *, now: datetime) -> int:
    """An installment falls due: is the borrower in the scope of an incident that goes on? Returns how many."""
    running = session.scalars(
        select(OutageIncident).where(OutageIncident.state == "open").order_by(OutageIncident.id).limit(100)
    ).all()
    touched = 0
    for incident in running:
        for one, line_id in _touched(session, incident, [borrower_id]).items():
            touch(session, incident, one, line_id, now=now)
            touched += 1
    return touched


def incident(session: Session, incident_id: UUID) -> OutageIncident:
    """One incident. Raises IncidentUnknown."""
    found = session.get(OutageIncident, incident_id)
    if found is None:
        raise IncidentUnknown
    return found


def by_source(session: Session, source_ref: str) -> OutageIncident | None:
    """The incident that something named, if it was opened."""
    return session.scalars(
        select(OutageIncident).where(OutageIncident.source_ref == source_ref)
    ).one_or_none()


def incidents(session: Session, *, state: str | None, after: UUID | None, limit: int) -> list[OutageIncident]:
    """A page of incidents, newest first."""
    query = select(OutageIncident)
    if state is not None:
        query = query.where(OutageIncident.state == state)
    if after is not None:
        query = query.where(OutageIncident.id < after)
    return list(session.scalars(query.order_by(OutageIncident.id.desc()).limit(limit)))


def running(session: Session, borrower_id: UUID | None = None) -> list[OutageIncident]:
    """What goes on now and everybody may know, or touches this borrower: said once, on the pages, to all at once."""
    rows = session.scalars(
        select(OutageIncident).where(OutageIncident.state == "open").order_by(OutageIncident.id).limit(20)
    ).all()
    return [
        one
        for one in rows
        if one.cause == "own"
        or (borrower_id is not None and borrower_id in _touched(session, one, [borrower_id]))
    ][:5]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an incident meant: borrowers with an episode, and their cases by what became of them."""

    episodes: int
    protected: int
    refused: int
    waiting: int


def effect(session: Session, incident_id: UUID) -> Effect:
    """Count what an incident meant so far."""
    episodes_of = session.execute(
        select(func.count()).select_from(Episode).where(Episode.incident_id == incident_id)
    ).scalar_one()
    rows = session.execute(
        select(ProtectionCase.state, func.count())
        .join(
            Episode,
            (Episode.borrower_id == ProtectionCase.borrower_id) & (Episode.id == ProtectionCase.episode_id),
        )
        .where(Episode.incident_id == incident_id)
        .group_by(ProtectionCase.state)
    )
    states: dict[str, int] = {row[0]: row[1] for row in rows}
    return Effect(
        episodes_of,
        states.get("granted", 0) + states.get("ended", 0),
        states.get("refused", 0) + states.get("revoked", 0),
        states.get("review", 0),
    )


def _touched(session: Session, incident: OutageIncident, borrowers: list[UUID]) -> dict[UUID, UUID | None]:
    if incident.cause == "carrier" and "carrier" in incident.scope:
        found = line.lines_at(
            session, borrowers, incident.scope["carrier"], incident.scope.get("region") or None
        )
        return dict(found)
    if incident.scope.get("task") in WITHOUT_REPAYING:
        return {}
    return dict.fromkeys(borrowers)


def _check(new: NewIncident, now: datetime) -> None:
    if (
        new.cause not in {"carrier", "own"}
        or new.kind not in outage.KINDS[new.cause]
        or not set(new.scope) <= SCOPES
        or (new.kind == "network" and not new.scope.get("carrier"))
        or not now - timedelta(days=180) <= new.began_at <= now
    ):
        raise IncidentImpossible


def _defer_cover(session: Session, incident: OutageIncident, after: UUID | None) -> None:
    defer(
        session,
        "continuity.cover_incident",
        {"incident_id": str(incident.id), "after": str(after) if after else None},
        queue="batch",
    )
