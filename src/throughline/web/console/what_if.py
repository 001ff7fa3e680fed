"""Trying an event on a loan, and recording it: choose, see before and after with the entries, confirm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Invalid
from throughline.kernel.http import Caller, Reading
from throughline.kernel.i18n import N_
from throughline.lending import service as lending
from throughline.lending.event_bodies import body_field, new_event
from throughline.lending.history import PLAN_CHANGES, REVERSIBLE, EventType
from throughline.lending.second_person import ReasonMissing
from throughline.lending.what_if import quote_of
from throughline.web import forms
from throughline.web.console import event_fields
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.console.event_fields import FIELDS, WrongField, form_field, read_body
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("lending:read", "parties:read"))]
Recorder = Annotated[Caller, Depends(staff_with("lending:read", "parties:read", "lending:write"))]
RECENT = 200


class NotConfirmed(Invalid):
    code = "not-confirmed"
    title = N_("Nothing was recorded: confirm that the event is to be recorded")


@router.get("/console/loans/{loan_id}/what-if")
def choose(
    request: Request,
    loan_id: UUID,
    session: Reading,
    caller: Reader,
    kind: Annotated[EventType, Query(alias="type")] = EventType.REPAYMENT,
    target: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """The form of one type of event; `target` is what it is about."""
    del caller
    typed = {"target": str(target) if target else ""}
    return _page(request, session, loan_id, _known(kind), typed)


@router.post("/console/loans/{loan_id}/what-if")
def try_event(request: Request, loan_id: UUID, session: Reading, caller: Reader, form: Form) -> HTMLResponse:
    """Before and after, side by side, and the entries; nothing is written."""
    del caller
    return _tried(request, session, loan_id, form)


@router.post("/console/loans/{loan_id}/events")
def record(request: Request, loan_id: UUID, session: Reading, caller: Recorder, form: Form) -> Response:
    """Record what was tried, or propose it where a second person must approve; only with the box ticked, and
    once for the form."""
    if form.get("confirm") != "yes":
        raise NotConfirmed
    kind, actor = _kind(form), f"staff:{caller.id}"

    def verb(inner: Session) -> str:
        loan = lending.loan_view(inner, loan_id)
        try:
            body = read_body(kind, form, loan.currency)
        except WrongField:
            raise Invalid(event_fields.WRONG) from None
        key = f"console:{caller.id}:{form.get('idempotency_key', '') or forms.fresh_key()}"
        new = new_event(body, key=key[:300], actor=actor)
        if lending.needs_second(new):
            reason = form.get("reason", "")
            made = lending.propose_event(inner, loan_id, body, reason, by=actor, now=clock.now())
            return f"/console/proposals/{made.id}"
        lending.record_event(inner, loan_id, new, now=clock.now())
        return f"/console/loans/{loan_id}#events"

    try:
        return forms.once(request, caller, form, verb)
    except ReasonMissing as error:
        return _tried(request, session, loan_id, form, wrong="reason", said=forms.explain(request, error))


def _tried(
    request: Request,
    session: Session,
    loan_id: UUID,
    form: Mapping[str, str],
    *,
    wrong: str | None = None,
    said: str | None = None,
) -> HTMLResponse:
    """The page with what the event would do, or with what is wrong with it."""
    kind = _kind(form)
    loan = lending.loan_view(session, loan_id)
    try:
        body = read_body(kind, form, loan.currency)
    except WrongField as error:
        return _page(request, session, loan_id, kind, form, wrong=error.field, problem=error.problem)
    new = new_event(body, key="what-if", actor="what-if")
    try:
        found = lending.what_if(session, loan_id, [new], now=clock.now())
    except (lending.EventRefused, lending.ChargeNotAgreed) as error:
        field = form_field(body_field(body, str(error.params.get("field", ""))))
        return _page(request, session, loan_id, kind, form, wrong=field, said=forms.explain(request, error))
    two = lending.needs_second(new)
    return _page(request, session, loan_id, kind, form, wrong=wrong, said=said, found=found, two=two)


def _kind(form: Mapping[str, str]) -> EventType:
    try:
        return _known(EventType(form.get("type", "")))
    except ValueError:
        raise Invalid(event_fields.WRONG) from None


def _known(kind: EventType) -> EventType:
    if kind not in FIELDS:
        raise Invalid(event_fields.WRONG)
    return kind


def _page(
    request: Request,
    session: Session,
    loan_id: UUID,
    kind: EventType,
    form: Mapping[str, str],
    *,
    wrong: str | None = None,
    problem: str | None = None,
    said: str | None = None,
    found: lending.WhatIf | None = None,
    two: bool = False,
) -> HTMLResponse:
    loan = lending.loan_view(session, loan_id)
    rows = lending.event_rows(session, loan_id, limit=RECENT) if "target" in FIELDS[kind] else []
    about = event_fields.ABOUT.get(kind, REVERSIBLE)
    quotes: tuple[Any, Any] = (quote_of(found.before), quote_of(found.after)) if found else (None, None)
    return show(
        request,
        "what_if.html",
        status=422 if problem or said else 200,
        loan=loan,
        kind=kind.value,
        kinds=[one.value for one in FIELDS],
        fields=("value_date", *FIELDS[kind]),
        spec=event_fields,
        optional=[name for name in FIELDS[kind] if event_fields.optional(kind, name)],
        typed={"value_date": loan.as_of.isoformat(), **form},
        targets=[row for row in rows if row.type in about],
        codes=lending.agreed_charges(session, loan_id) if "charge_code" in FIELDS[kind] else [],
        ahead=kind in PLAN_CHANGES,
        wrong=wrong,
        problem=problem,
        said=said,
        found=found,
        quotes=quotes,
        two=two,
        proposal_days=lending.proposal_days(),
    )
