"""Outages for the borrower: what touches them, reporting one, saying that it is over, objecting to a decision."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import reports
from throughline.continuity import service as continuity
from throughline.continuity.evidence import standing
from throughline.contracts import outage, outage_words
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Invalid, NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
PAGE = 20

KINDS = {
    "line_out": N_("My line is out: no calls and no messages reach me"),
    "phone_lost": N_("My phone is lost or was stolen"),
    "phone_broken": N_("My phone is broken or was off"),
    "number_changed": N_("My number has changed"),
}
CAUSES = {
    "line": N_("Outage of your line"),
    "carrier": N_("Outage of your carrier"),
    "own": N_("Outage of ours"),
    "claim": N_("Reported by you"),
}
STATES = {"open": N_("going on"), "closed": N_("over"), "merged": N_("borne out by evidence")}


class NotADay(Invalid):
    """A day of a report can't be read."""

    code = "not-a-day"
    title = N_("Please give the day as year-month-day, such as 2026-11-30")


@router.get("/outages")
def outages_page(
    request: Request,
    borrower_id: Borrower,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """What touches me, and a form to report something. `after`: the list is read on from this one."""
    return _page(request, session, borrower_id, after=after)


@router.post("/outages")
def report(request: Request, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Report that I cannot be reached."""

    def verb(session: Session) -> str:
        now = clock.now()
        begun = _instant(form.get("from", ""), "from")
        ended = _instant(form["to"], "to") if form.get("to") else None
        continuity.report(
            session,
            borrower_id,
            form.get("kind", ""),
            from_at=min(begun, now),
            to_at=min(ended, now) if ended else None,
            now=now,
        )
        return "/outages#reported"

    try:
        return forms.once(request, caller, form, verb)
    except Problem as problem:
        with database().transaction() as session:
            return _page(request, session, borrower_id, problem=problem, typed=form)


@router.post("/outages/{episode_id}/over")
def over(
    request: Request, episode_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Say that what I reported is over."""

    def verb(session: Session) -> str:
        reports.over(session, borrower_id, episode_id, back_at=clock.now(), now=clock.now())
        return "/outages"

    return forms.once(request, caller, form, verb)


@router.post("/protections/{case_id}/appeal")
def appeal(request: Request, case_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Object to a decision about me."""

    def verb(session: Session) -> str:
        words = form.get("words", "")
        if not words:
            raise Invalid(N_("Please write in a few words why you do not agree"), field="words")
        continuity.appeal(session, borrower_id, case_id, words, now=clock.now())
        return f"/loans/{continuity.case(session, case_id).loan_id}"

    return forms.once(request, caller, form, verb)


@router.get("/outage-clause")
def clause_page(request: Request) -> HTMLResponse:
    """The clause on interruptions as it is applied now, for everybody to read."""
    policy = outage.newest()
    return show(
        request,
        "outage_clause.html",
        policy=policy,
        rows=list(zip(policy.rows, outage_words.clause(policy), strict=True)),
    )


def _instant(text: str, field: str) -> datetime:
    try:
        day = datetime.strptime(text[:10], "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day of the lender
    except ValueError:
        raise NotADay(NotADay.title, field=field) from None
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(settings().zone))


def _page(
    request: Request,
    session: Session,
    borrower_id: UUID,
    *,
    after: UUID | None = None,
    problem: Problem | None = None,
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    if isinstance(problem, NotFound):
        raise problem
    rows = continuity.episodes_page(session, borrower_id=borrower_id, after=after, limit=PAGE + 1)
    shown = rows[:PAGE]
    return show(
        request,
        "outages.html",
        problem=problem,
        rows=[(row, continuity.cases_of(session, row.id)) for row in shown],
        evidence=standing.counts(session, [row.id for row in shown]),
        theirs={row.id for row in shown if reports.theirs_to_end(row)},
        kinds=KINDS,
        causes=CAUSES,
        states=STATES,
        typed=typed or {},
        today=clock.local_date(clock.now(), settings().zone),
        after_id=shown[-1].id if len(rows) > PAGE else None,
    )
