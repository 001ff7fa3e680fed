"""One application: its page follows its state, from the decision to the money on the account."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.contracts import service as contracts
from throughline.identity import service as identity
from throughline.identity.browsers import browser_of
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading, locale_of
from throughline.kernel.i18n import N_
from throughline.origination import service as origination
from throughline.origination.models import Application
from throughline.origination.states import State, may_move
from throughline.payments import service as payments
from throughline.risk import service as risk
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, WellKnownBorrower, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)

TITLES = {
    State.DRAFT: N_("Your application is not handed in yet"),
    State.DECIDING: N_("Your application is being looked at"),
    State.REFERRED: N_("A person is looking at your application"),
    State.OFFERED: N_("We have an offer for you"),
    State.SIGNING: N_("Read and sign your contract"),
    State.DISBURSING: N_("The money is on its way"),
    State.PAYOUT_FAILED: N_("The bank could not pay the money out"),
    State.DISBURSED: N_("The money is on your account"),
    State.DECLINED: N_("We can't make you an offer"),
    State.WITHDRAWN: N_("You withdrew this application"),
    State.EXPIRED: N_("This application has expired"),
}


@router.get("/applications/{application_id}")
def application_page(
    request: Request, application_id: UUID, borrower_id: Borrower, session: Reading
) -> HTMLResponse:
    """Where the application stands and what can be done next."""
    return _page(request, session, borrower_id, application_id)


@router.post("/applications/{application_id}/costs")
def show_costs(
    request: Request, application_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Open the cost table: its reading time starts."""

    def verb(session: Session) -> str:
        origination.show_costs(
            session,
            borrower_id,
            application_id,
            locale=locale_of(request),
            device=browser_of(request).label,
            now=clock.now(),
            real_now=clock.real_now(),
        )
        return f"/applications/{application_id}"

    return forms.once(request, caller, form, verb)


@router.post("/applications/{application_id}/confirm")
def confirm_costs(
    request: Request, application_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """The costs were read. Too early is refused here, whatever the browser counted."""

    def verb(session: Session) -> str:
        origination.confirm_costs(
            session, borrower_id, application_id, now=clock.now(), real_now=clock.real_now()
        )
        return f"/applications/{application_id}"

    return _do(request, caller, form, borrower_id, application_id, verb)


@router.get("/applications/{application_id}/contract")
def contract_document(application_id: UUID, borrower_id: WellKnownBorrower, session: Reading) -> Response:
    """The contract: exactly the bytes whose hash is signed."""
    application = origination.application(session, borrower_id, application_id)
    if application.contract_id is None:
        raise NotFound
    content = contracts.contract_document(session, borrower_id, application.contract_id)
    # The document carries its own style; it loads and runs nothing.
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(content, headers={"Content-Security-Policy": policy})


@router.post("/applications/{application_id}/sign")
def sign(
    request: Request, application_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Conclude the contract with the proof that the passkey gave for exactly this contract."""

    def verb(session: Session) -> str:
        try:
            proof_id = UUID(form.get("proof_id", ""))
        except ValueError:
            raise identity.StepUpNeeded from None
        origination.sign(
            session,
            borrower_id,
            application_id,
            proof_id=proof_id,
            now=clock.now(),
            real_now=clock.real_now(),
        )
        return f"/applications/{application_id}"

    return _do(request, caller, form, borrower_id, application_id, verb)


@router.post("/applications/{application_id}/withdraw")
def withdraw(
    request: Request, application_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Give the application up."""

    def verb(session: Session) -> str:
        origination.withdraw(session, borrower_id, application_id, now=clock.now())
        return f"/applications/{application_id}"

    return _do(request, caller, form, borrower_id, application_id, verb)


def _do(
    request: Request,
    caller: AnyCaller,
    form: dict[str, str],
    borrower_id: UUID,
    application_id: UUID,
    verb: Any,
) -> Response:
    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return _page(request, session, borrower_id, application_id, problem)


def _page(
    request: Request,
    session: Session,
    borrower_id: UUID,
    application_id: UUID,
    problem: Problem | None = None,
) -> HTMLResponse:
    application = origination.application(session, borrower_id, application_id)
    state = State(application.state)
    return show(
        request,
        "application.html",
        problem=problem,
        application=application,
        state=state.value,
        title=TITLES[state],
        may_withdraw=may_move(state, State.WITHDRAWN),
        **_details(session, borrower_id, application, state),
    )


def _details(session: Session, borrower_id: UUID, application: Application, state: State) -> dict[str, Any]:
    details: dict[str, Any] = {
        "reasons": [],
        "by_person": None,
        "costs": None,
        "wait_s": 0,
        "action": None,
        "has_passkey": False,
        "order": None,
    }
    if application.decision_id and state in {State.DECLINED, State.REFERRED}:
        details["reasons"] = risk.decision(session, borrower_id, application.decision_id).reasons
    newest = origination.steps(session, application.id)[-1]
    if state is State.DECLINED and newest.old == State.REFERRED:
        details["by_person"] = newest.reason
    if application.cost_table_id and application.showing_id and state in {State.OFFERED, State.SIGNING}:
        details["costs"] = contracts.cost_table(session, borrower_id, application.cost_table_id).content
        shown = contracts.showing(session, borrower_id, application.showing_id)
        passed_s = (clock.real_now() - shown.shown_at).total_seconds()
        details["wait_s"] = max(0, round(shown.min_read_s - passed_s + 0.5))
    if application.contract_id and state is State.SIGNING:
        details["action"] = contracts.signing_action(session, borrower_id, application.contract_id)
        details["action_json"] = json.dumps({"action": details["action"]})
        details["has_passkey"] = "passkey" in identity.factors(session, borrower_id).kinds
    if application.order_id and state in {State.DISBURSING, State.PAYOUT_FAILED}:
        details["order"] = payments.order_view(session, application.order_id)
    return details
