"""Applications: every step, the decision with its reasons, the gates of the law with their traces, the contract."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.compliance import service as compliance
from throughline.contracts import service as contracts
from throughline.kernel import clock
from throughline.kernel.errors import Invalid, NotFound
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.kernel.i18n import N_
from throughline.origination import service as origination
from throughline.origination.states import State
from throughline.risk import service as risk
from throughline.web import forms
from throughline.web.console import finding
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("origination:read", "parties:read"))]

Decider = Annotated[Caller, Depends(staff_with("origination:write"))]

GATES = 50
MAX_REASON = 500


@router.get("/console/applications")
def application_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    state: Annotated[State | None, Query()] = None,
) -> HTMLResponse:
    """Applications, newest first."""
    del caller
    rows = finding.applications(session, state=state, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "applications.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        state=state.value if state else None,
        states=[one.value for one in State],
        next_cursor=found.next_cursor,
    )


@router.get("/console/applications/{application_id}")
def application_page(
    request: Request, application_id: UUID, session: Reading, caller: Reader
) -> HTMLResponse:
    """One application; decision, gates and contract only for those who may read them."""
    application = origination.application_of_staff(session, application_id)
    owner, may = application.borrower_id, caller.scopes.__contains__
    decision = table = shown = contract = None
    if application.decision_id and may("risk:read"):
        decision = risk.decision(session, owner, application.decision_id)
    if may("contracts:read"):
        if application.cost_table_id:
            table = contracts.cost_table(session, owner, application.cost_table_id)
        if application.showing_id:
            shown = contracts.showing(session, owner, application.showing_id)
        if application.contract_id:
            contract = contracts.contract(session, owner, application.contract_id)
    return show(
        request,
        "application.html",
        application=application,
        names=masked_names(session, {owner}),
        steps=origination.steps(session, application_id),
        decision=decision,
        gates=compliance.decisions_of(session, subject=f"application:{application_id}", limit=GATES)[::-1]
        if may("compliance:read")
        else None,
        table=table,
        shown=shown,
        contract=contract,
        may_decide=may("origination:write"),
    )


@router.post("/console/applications/{application_id}/decision")
def decide(request: Request, application_id: UUID, form: Form, caller: Decider) -> RedirectResponse:
    """A person decides about a referred application; the borrower reads the reason."""
    reason = {"zh-CN": form.get("reason_zh", ""), "en": form.get("reason_en", "")}
    if not all(0 < len(text) <= MAX_REASON for text in reason.values()):
        raise Invalid(N_("Give the reason in both languages, up to 500 characters: the borrower reads it"))
    if form.get("outcome") not in ("approve", "decline"):
        raise Invalid(N_("Choose whether to approve or to decline"))

    def verb(session: Session) -> str:
        origination.decide_referred(
            session,
            application_id,
            approve=form["outcome"] == "approve",
            reason=reason,
            staff_id=caller.id,
            now=clock.now(),
        )
        return f"/console/applications/{application_id}"

    return forms.once(request, caller, form, verb)


@router.post("/console/applications/{application_id}/payout")
def pay_again(request: Request, application_id: UUID, form: Form, caller: Decider) -> RedirectResponse:
    """Have the money paid once more after the bank refused it."""

    def verb(session: Session) -> str:
        origination.order_payout_again(session, application_id, staff_id=caller.id, now=clock.now())
        return f"/console/applications/{application_id}"

    return forms.once(request, caller, form, verb)


@router.get("/console/gates/{gate_id}")
def gate_page(
    request: Request,
    gate_id: UUID,
    session: Reading,
    caller: Annotated[Caller, Depends(staff_with("compliance:read"))],
    subject: Annotated[str, Query(max_length=100)],
) -> HTMLResponse:
    """One question at a gate: the facts and every rule with its trace."""
    del caller
    for row in compliance.decisions_of(session, subject=subject, limit=GATES):
        if row.id == gate_id:
            return show(request, "gate.html", gate=row, differing=compliance.replay(row))
    raise NotFound
