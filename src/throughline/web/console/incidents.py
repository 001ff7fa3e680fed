"""Outages of many: the list, one with what it meant, opening and ending one by hand; and the policy that is applied."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import incidents as outages
from throughline.continuity import service as continuity
from throughline.continuity.response import service as responses
from throughline.contracts import outage, outage_words
from throughline.kernel import clock
from throughline.kernel.errors import Invalid, Problem
from throughline.kernel.http import Caller, PageParams, PageQuery, Reading, paged
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.web import forms
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("continuity:read"))]
Writer = Annotated[Caller, Depends(staff_with("continuity:write"))]
CHOICES = (
    ("own", "platform"), ("own", "payment_channel"), ("own", "message_route"), ("own", "maintenance"),
    ("own", "cyber"), ("carrier", "network"), ("carrier", "disaster"),
)  # fmt: skip


@router.get("/console/incidents")
def incident_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    state: Annotated[str | None, Query(pattern="^(open|closed)$")] = None,
) -> HTMLResponse:
    """Outages of many, newest first, and a form to open one."""
    return _list(request, session, page, caller, state)


@router.post("/console/incidents")
def open_incident(request: Request, session: Reading, caller: Writer, form: Form) -> Response:
    """Open an outage of many by hand; once for the form."""

    def verb(inner: Session) -> str:
        cause, _, kind = form.get("what", "").partition(":")
        scope = {name: form[name] for name in ("carrier", "region") if form.get(name) and cause == "carrier"}
        new = continuity.NewIncident(
            f"staff:{form.get('idempotency_key', forms.fresh_key())}", cause, kind, scope,
            _instant(form.get("began", "")), opened_by=caller.id,
        )  # fmt: skip
        found, _ = continuity.open_incident(inner, new, now=clock.now())
        return f"/console/incidents/{found.id}"

    try:
        return forms.once(request, caller, form, verb)
    except Problem as problem:
        said = forms.explain(request, problem)
        return _list(request, session, PageQuery(50, None), caller, None, said=said, typed=form)


@router.get("/console/incidents/{incident_id}")
def incident_page(request: Request, incident_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One outage of many and what was done for those whom it touches."""
    return show(
        request,
        "incident.html",
        one=continuity.incident(session, incident_id),
        effect=outages.effect(session, incident_id),
        response=responses.of_incident(session, incident_id),
        may="continuity:write" in caller.scopes,
    )


@router.post("/console/incidents/{incident_id}/end")
def end_incident(request: Request, incident_id: UUID, caller: Writer, form: Form) -> Response:
    """End an outage of many now; once for the form."""

    def verb(inner: Session) -> str:
        now = clock.now()
        continuity.end_incident(inner, incident_id, ended_at=now, now=now)
        return f"/console/incidents/{incident_id}"

    return forms.once(request, caller, form, verb)


@router.get("/console/policy")
def policy_page(request: Request, caller: Reader) -> HTMLResponse:
    """The versions of the outage policy and the clause that is written from each."""
    del caller
    versions = [
        (one, list(zip(one.rows, outage_words.clause(one), strict=True)))
        for one in reversed(outage.shipped())
    ]
    return show(request, "policy.html", versions=versions)


def _list(
    request: Request,
    session: Session,
    page: PageQuery,
    caller: Caller,
    state: str | None,
    *,
    said: str = "",
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    rows = continuity.incidents(session, state=state, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    now = clock.now().astimezone(ZoneInfo(settings().zone))
    return show(
        request,
        "incidents.html",
        status=422 if said else 200,
        rows=found.items,
        state=state,
        choices=CHOICES,
        said=said,
        typed=typed or {},
        now=now.strftime("%Y-%m-%dT%H:%M"),
        may="continuity:write" in caller.scopes,
        next_cursor=found.next_cursor,
    )


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text[:16]).replace(tzinfo=ZoneInfo(settings().zone))
    except ValueError:
        raise Invalid(N_("Please give the time as year-month-day and hour:minute")) from None
