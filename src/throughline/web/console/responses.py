"""Responses to incidents: the list, one with its checklist and clocks, every verb as a form, and the report as a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.compliance import incident_clocks
from throughline.continuity import service as continuity
from throughline.continuity.response import playbooks, report, service
from throughline.continuity.response.settings import load_settings
from throughline.continuity.status import words
from throughline.continuity.status.notes import STAGES
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Invalid, NotFound, Problem
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.web import forms
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form
from throughline.web.status.render import STAGE_NAMES

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("continuity:read"))]
Writer = Annotated[Caller, Depends(staff_with("continuity:write"))]
Verb = Callable[[Session, UUID, dict[str, str], UUID, datetime], object]


@router.get("/console/responses")
def response_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    state: Annotated[str | None, Query(pattern="^(open|closed)$")] = None,
) -> HTMLResponse:
    """Responses, newest first."""
    del caller
    rows = paged(
        service.responses(session, state=state, after=page.after, limit=page.limit + 1),
        page,
        lambda row: row.id,
    )
    now = clock.now()
    shown = [(row, report.build(session, row, now=now)) for row in rows.items[:50]]
    return show(
        request,
        "responses.html",
        rows=[(row, made, report.overdue(made)) for row, made in shown],
        state=state,
        next_cursor=rows.next_cursor,
        playbooks=playbooks.shipped(),
    )


@router.post("/console/responses")
def start(request: Request, caller: Writer, form: Form) -> Response:
    """Start the response to an incident by hand."""

    def verb(session: Session) -> str:
        found = service.start(
            session, _id(form.get("incident_id", "")), now=clock.now(), by=caller.id,
            playbook_id=form.get("playbook") or None,
        )  # fmt: skip
        if found is None:
            raise service.ResponseImpossible
        return f"/console/responses/{found.id}"

    return forms.once(request, caller, form, verb)


@router.get("/console/responses/{response_id}")
def response_page(request: Request, response_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One response: what is to be done, by when, and what was done."""
    return _page(request, session, response_id, caller)


@router.get("/console/responses/{response_id}/report")
def report_page(request: Request, response_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """The report, to be printed or kept."""
    del caller
    made = report.build(session, service.response(session, response_id), now=clock.now())
    return show(request, "response_report.html", one=made, stages=STAGE_NAMES)


@router.post("/console/responses/{response_id}/{act}")
def act(
    request: Request, response_id: UUID, act: str, session: Reading, caller: Writer, form: Form
) -> Response:
    """One verb; once for the form."""
    verb = _VERBS.get(act)
    by = caller.id
    if verb is None or by is None:
        raise NotFound

    def run(inner: Session) -> str:
        verb(inner, response_id, form, by, clock.now())
        return f"/console/responses/{response_id}"

    try:
        return forms.once(request, caller, form, run)
    except NotFound:
        raise
    except Problem as problem:
        said = forms.explain(request, problem)
        with database().transaction() as fresh:
            return _page(request, fresh, response_id, caller, said=said, typed=form)


def _page(
    request: Request,
    session: Session,
    response_id: UUID,
    caller: Caller,
    *,
    said: str = "",
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    found = service.response(session, response_id)
    made = report.build(session, found, now=clock.now())
    published = any(entry["kind"] == "note_published" for entry in made["log"])
    approved = {entry["details"]["proposal"] for entry in made["log"] if entry["kind"] == "grace_approved"}
    return show(
        request,
        "response.html",
        status=422 if said else 200,
        one=made,
        title=words.title(made["incident"]["kind"], made["incident"]["scope"]),
        draft=next(
            (entry for entry in reversed(made["log"]) if entry["kind"] == "note_drafted" and not published),
            None,
        ),
        proposals=[
            entry
            for entry in made["log"]
            if entry["kind"] == "grace_proposed"
            and entry["id"] not in approved
            and entry["by"] != str(caller.id)
        ],
        incident=continuity.incident(session, found.incident_id),
        regimes=load_settings().all_regimes,
        classes=incident_clocks.CLASSES,
        severities=playbooks.severities(),
        stages=[(one, STAGE_NAMES[one]) for one in STAGES],
        now=clock.now().astimezone(ZoneInfo(settings().zone)).strftime("%Y-%m-%dT%H:%M"),
        said=said,
        typed=typed or {},
        may="continuity:write" in caller.scopes,
    )


def _text(form: dict[str, str]) -> dict[str, str]:
    return {"zh-CN": form.get("zh", "")[:1_000], "en": form.get("en", "")[:1_000]}


def _id(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise Invalid(N_("That is no id")) from None


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text[:16]).replace(tzinfo=ZoneInfo(settings().zone))
    except ValueError:
        raise Invalid(N_("Please give the time as year-month-day and hour:minute")) from None


def _grace(session: Session, response_id: UUID, form: dict[str, str], by: UUID, now: datetime) -> Any:
    return service.propose_grace(
        session, response_id, needed=form.get("needed") == "yes", reason=_text(form), by=by, now=now
    )


_VERBS: dict[str, Verb] = {
    "step": lambda s, r, f, by, now: service.done(
        s, r, f.get("step", ""), f.get("proof", ""), by=by, now=now
    ),
    "action": lambda s, r, f, by, now: service.act(s, r, f.get("words", ""), by=by, now=now),
    "severity": lambda s, r, f, by, now: service.set_severity(
        s, r, f.get("severity", ""), f.get("reason", ""), by=by, now=now
    ),
    "role": lambda s, r, f, by, now: service.take_role(s, r, f.get("role", ""), by, by=by, now=now),
    "awareness": lambda s, r, f, by, now: service.aware(s, r, _instant(f.get("at", "")), by=by, now=now),
    "class": lambda s, r, f, by, now: service.classify(
        s, r, f.get("regime", ""), f.get("class", ""), by=by, now=now
    ),
    "note": lambda s, r, f, by, now: service.publish(s, r, f.get("stage", ""), _text(f), by=by, now=now),
    "grace": _grace,
    "approve": lambda s, r, f, by, now: service.approve_grace(s, r, _id(f.get("entry", "")), by=by, now=now),
    "sent": lambda s, r, f, by, now: service.report_sent(
        s, r, f.get("clock", ""), f.get("reference", ""), now, by=by, now=now
    ),
    "close": lambda s, r, f, by, now: service.close(s, r, by=by, now=now, lessons=f.get("lessons", "")),
}
