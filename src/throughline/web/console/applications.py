"""Applications: every step, the decision with its reasons, the gates of the law with their traces, the contract."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from throughline.compliance import service as compliance
from throughline.contracts import service as contracts
from throughline.kernel.errors import NotFound
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.origination import service as origination
from throughline.origination.states import State
from throughline.risk import service as risk
from throughline.web.console import finding
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("origination:read", "parties:read"))]

GATES = 50


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
    )


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
