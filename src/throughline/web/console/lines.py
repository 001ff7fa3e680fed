"""Lines: what is believed of each over time and why; how the carriers do and what asking them costs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.http import PageParams, Reading, locale_of, paged
from throughline.kernel.i18n import N_
from throughline.line import privacy, reading
from throughline.line import service as line
from throughline.line.feed import health as feed_health
from throughline.line.state import CANNOT_RECEIVE, PublicState
from throughline.parties import service as parties
from throughline.parties.records import ContactPoint
from throughline.web.console import belief_chart
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.console.labels import label

router = APIRouter(route_class=ConsoleRoute, dependencies=[Depends(staff_with("line:read", "parties:read"))])

SPANS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
POINTS = 160
SPEND_DAYS = 14
QUESTIONS = 20
INCIDENTS = 20
FROZEN_WHY = {
    privacy.REASSIGNED: N_("the number may be somebody else's"),
    privacy.ENDED: N_("the number was cancelled"),
    privacy.LONG_OFF: N_("off for longer than the carrier surely keeps a number"),
    parties.GIVEN_UP: N_("the borrower says that it is no longer theirs"),
}


@router.get("/console/lines")
def line_list(
    request: Request,
    session: Reading,
    page: PageParams,
    state: Annotated[PublicState | None, Query()] = None,
    alarm: Annotated[bool | None, Query()] = None,
) -> HTMLResponse:
    """Lines, the newest first."""
    rows = reading.lines(session, state=state, alarm=alarm, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.line_id)
    return show(
        request,
        "lines.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        numbers={row.line_id: _number(session, row.contact_point_id) for row in found.items},
        state=state.value if state else None,
        states=[one.value for one in PublicState],
        alarm=alarm,
        next_cursor=found.next_cursor,
    )


@router.get("/console/lines/{line_id}")
def line_page(
    request: Request,
    line_id: UUID,
    session: Reading,
    span: Annotated[str, Query(pattern="^(day|week|month)$")] = "month",
) -> HTMLResponse:
    """One line: the belief over time as a chart, and what it rests on."""
    until = clock.now()
    since = until - SPANS[span]
    view = reading.line(session, line_id)
    entries = line.timeline(session, line_id, since=since, until=until + timedelta(days=1))
    history = line.history(session, line_id, since, until, POINTS)
    return show(
        request,
        "line.html",
        line=view,
        number=_number(session, view.contact_point_id),
        address=_address(session, view.contact_point_id),
        frozen_why=FROZEN_WHY,
        names=masked_names(session, {view.borrower_id}),
        chart=belief_chart.draw(
            [(at, {str(state): p for state, p in chances.items()}) for at, chances in history],
            _marks(entries, locale_of(request)),
        ),
        now=history[-1][1] if history else {},
        claims=line.claims_of(session, line_id),
        entries=list(reversed(entries)),
        queries=reading.queries(session, line_id, limit=QUESTIONS),
        subscriptions=line.subscriptions(session, line_id),
        span=span,
        spans=list(SPANS),
    )


@router.get("/console/carriers")
def carrier_page(request: Request, session: Reading) -> HTMLResponse:
    """How the carriers' lines and feeds do, and the questions of the last days."""
    now = clock.now()
    return show(
        request,
        "carriers.html",
        carriers=line.carriers(session, now=now),
        dark=sorted(state.value for state in CANNOT_RECEIVE),
        spend=line.spend(session, since=now - timedelta(days=SPEND_DAYS), until=now),
        incidents=line.incidents(session, limit=INCIDENTS),
        feeds=feed_health.feeds(session),
        days=SPEND_DAYS,
    )


def _address(session: Session, contact_point_id: UUID) -> ContactPoint | None:
    try:
        return parties.contact_point(session, contact_point_id)
    except parties.UnknownContactPoint:
        return None


def _number(session: Session, contact_point_id: UUID) -> str:
    try:
        return parties.contact_point(session, contact_point_id).masked
    except parties.UnknownContactPoint:
        return "–"


def _marks(entries: list[line.TimelineEntry], locale: str) -> list[tuple[datetime, str, bool]]:
    return [(entry.at, *_mark(entry.kind, entry.details, locale)) for entry in entries]


def _mark(kind: str, said: dict[str, Any], locale: str) -> tuple[str, bool]:
    if kind == "transition":
        return f"{label(said['old'], locale)} → {label(said['new'], locale)}", said["new"] in CANNOT_RECEIVE
    meaning = said["meaning"]
    words = f"{label('source:' + said['source'], locale)}: {label(meaning or 'unknown', locale)}"
    return words, meaning in {
        "suspended_both",
        "suspended_some_way",
        "cancelled",
        "pre_cancelled",
        "recycled",
    }
