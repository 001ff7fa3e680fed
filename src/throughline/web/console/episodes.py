"""Outage episodes: what is out, and for each why every decision was taken, with its evidence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import chronicle
from throughline.continuity import service as continuity
from throughline.continuity.models import Episode, ProtectionCase
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel.http import PageParams, Reading, paged
from throughline.kernel.settings import settings
from throughline.line import service as line
from throughline.notary import service as notary
from throughline.parties import service as parties
from throughline.web.console import strip
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(
    route_class=ConsoleRoute,
    dependencies=[Depends(staff_with("continuity:read", "line:read", "parties:read", "notary:read"))],
)

BEFORE = timedelta(days=7)  # of the line's timeline before the outage
ENTRIES = 200


@router.get("/console/episodes")
def episode_list(
    request: Request,
    session: Reading,
    page: PageParams,
    state: Annotated[str | None, Query(pattern="^(open|closed)$")] = None,
) -> HTMLResponse:
    """Outages, newest first."""
    rows = continuity.episodes_page(session, state=state, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "episodes.html",
        rows=[(row, continuity.cases_of(session, row.id)) for row in found.items],
        names=masked_names(session, {row.borrower_id for row in found.items}),
        state=state,
        next_cursor=found.next_cursor,
    )


@router.get("/console/episodes/{episode_id}")
def episode_page(
    request: Request,
    episode_id: UUID,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """One outage. `after`: the timeline is read on from this entry."""
    episode = continuity.episode(session, episode_id)
    cases = continuity.cases_of(session, episode_id)
    entries = chronicle.timeline(session, episode_id, after=after, limit=ENTRIES + 1)
    return show(
        request,
        "episode.html",
        episode=episode,
        profile=_profile(session, episode.borrower_id),
        number=_number(session, episode),
        strip=_strip(episode, cases),
        evidence=_evidence(session, episode),
        cases=[(case, _record(session, case)) for case in cases],
        rule=outage.newest().row_for(
            episode.cause, episode.kind, clock.local_date(episode.dark_since, settings().zone)
        ),
        entries=entries[:ENTRIES],
        later=entries[ENTRIES - 1].id if len(entries) > ENTRIES else None,
    )


def _profile(session: Session, borrower_id: UUID) -> Any:
    try:
        return parties.profile(session, borrower_id)
    except parties.UnknownPerson:
        return None


def _number(session: Session, episode: Episode) -> str:
    if episode.contact_point_id is None:
        return "–"
    try:
        return parties.contact_point(session, episode.contact_point_id).masked
    except parties.UnknownContactPoint:
        return "–"


def _record(session: Session, case: ProtectionCase) -> notary.RecordView | None:
    return notary.record_view(session, case.record_id) if case.record_id else None


def _evidence(session: Session, episode: Episode) -> list[tuple[line.TimelineEntry, bool]]:
    """The line's signals and changes around the outage, and whether the episode stands on each."""
    if episode.line_id is None:
        return []
    until = (episode.closed_at or clock.now()) + timedelta(days=1)
    entries = line.timeline(session, episode.line_id, since=episode.dark_since - BEFORE, until=until)
    named = {str(one) for one in episode.evidence}
    return [(entry, str(entry.id) in named) for entry in entries]


def _strip(episode: Episode, cases: list[ProtectionCase]) -> strip.Strip:
    def day(at: datetime) -> Any:
        return clock.local_date(at, settings().zone)

    dark = strip.Span(day(episode.dark_since), day(episode.back_at) if episode.back_at else None)
    windows = [
        (strip.Span(case.first_day, case.last_day) if case.first_day else None, case.due_date)
        for case in cases
    ]
    return strip.draw(dark, windows, day(clock.now()))
