"""Evidence that borrowers handed in: what waits, one report with its files, a file opened safely, the decision."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import service as continuity
from throughline.continuity.evidence import deciding, looking, standing
from throughline.continuity.evidence.api import answer
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Invalid, NotFound, Problem
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.web import forms
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("continuity:read", "parties:read"))]
Decider = Annotated[Caller, Depends(staff_with("continuity:write", "parties:read"))]
LINE_KINDS = ("suspended", "pre_cancelled", "cancelled", "reassigned")


@router.get("/console/evidence")
def evidence_list(request: Request, session: Reading, page: PageParams, caller: Reader) -> HTMLResponse:
    """Reports whose evidence waits, oldest first."""
    del caller
    rows = standing.queue(session, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "evidence_list.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        now=clock.now(),
        next_cursor=found.next_cursor,
    )


@router.get("/console/evidence/{episode_id}")
def evidence_page(request: Request, episode_id: UUID, session: Reading, caller: Decider) -> HTMLResponse:
    """One report with what was handed in for it, for the person who decides."""
    return _page(request, session, episode_id, caller)


@router.get("/console/evidence/files/{file_id}")
def evidence_file(file_id: UUID, caller: Decider) -> Response:
    """One file, in an answer in which nothing runs; that it was opened is written down first."""
    by = _me(caller)
    return answer(
        database().run(lambda session: looking.opened_by_staff(session, file_id, by=by, now=clock.now()))
    )


@router.post("/console/evidence/{episode_id}/{act}")
def decide(
    request: Request, episode_id: UUID, act: str, session: Reading, caller: Decider, form: Form
) -> Response:
    """Accept what waits for days, or refuse it; once for the form."""
    if act not in ("accept", "refuse"):
        raise NotFound

    def verb(inner: Session) -> str:
        reason = {"zh-CN": form.get("zh", ""), "en": form.get("en", "")}
        by, now = _me(caller), clock.now()
        if act == "refuse":
            deciding.refuse(inner, episode_id, reason=reason, by=by, now=now)
        else:
            deciding.accept(inner, episode_id, _proved(form, now), reason=reason, by=by, now=now)
        return f"/console/evidence/{episode_id}"

    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        said = forms.explain(request, problem)
        return _page(request, session, episode_id, caller, said=said, typed=form)


def _page(
    request: Request,
    session: Session,
    episode_id: UUID,
    caller: Caller,
    *,
    said: str = "",
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    episode = continuity.episode(session, episode_id)
    rows = standing.files_of(session, episode_id)
    zone = settings().zone
    usual = {
        "kind": deciding.USUAL_KIND.get(episode.kind, LINE_KINDS[0]),
        "from": clock.local_date(episode.dark_since, zone).isoformat(),
        "to": clock.local_date(episode.back_at, zone).isoformat() if episode.back_at else "",
    }
    return show(
        request,
        "evidence.html",
        status=422 if said else 200,
        said=said,
        typed=usual | (typed or {}),
        episode=episode,
        rows=[(row, standing.words_of(session, row), str(caller.id) in row.seen_by) for row in rows],
        waiting=any(row.state == "waiting" for row in rows),
        unseen=any(row.state == "waiting" and str(caller.id) not in row.seen_by for row in rows),
        cases=continuity.cases_of(session, episode_id),
        names=masked_names(session, {episode.borrower_id}),
        kinds=LINE_KINDS,
        rule=outage.newest().row_for("line", usual["kind"], clock.local_date(episode.dark_since, zone)),
        today=clock.local_date(clock.now(), zone),
        now=clock.now(),
    )


def _proved(form: dict[str, str], now: datetime) -> deciding.Proved:
    """Whole days of the lender's calendar, both included; a last day that is not over ends now."""
    first, last = _day(form.get("from", "")), _day(form["to"]) if form.get("to") else None
    until = None if last is None else min(_begin(last + timedelta(days=1)) - timedelta(seconds=1), now)
    return deciding.Proved(form.get("kind", ""), min(_begin(first), now), until)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(settings().zone))


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2000 <= day.year <= 2999:  # also where a day before or after it would be none
        raise Invalid(N_("Please give the day as year-month-day, such as 2026-11-30"))
    return day


def _me(caller: Caller) -> UUID:
    if caller.id is None:
        raise NotFound
    return caller.id
