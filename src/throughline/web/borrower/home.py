"""The overview: what is open, what is due, what protects it, and what we believe of the line."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from throughline.continuity import incidents, joint, numbers, unfinished
from throughline.continuity import service as continuity
from throughline.continuity.models import ProtectionCase
from throughline.identity.browsers import login_of
from throughline.kernel import clock
from throughline.kernel.http import AnyCaller, Reading
from throughline.kernel.i18n import N_
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.line import service as line
from throughline.line.joint.offers import offers
from throughline.messaging import service as messaging
from throughline.origination import service as origination
from throughline.origination.states import OPEN
from throughline.web.borrower.applications import TITLES
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.borrower.loans import STATUSES

router = APIRouter(route_class=PageRoute)
SHOWN_LOANS = 20

# How people call what the carrier calls a state.
LINE_STATES = {
    "active": N_("in service"),
    "out_suspended": N_("outgoing service suspended; it still receives"),
    "suspended": N_("suspended: it can neither send nor receive"),
    "pre_cancelled": N_("about to be cancelled"),
    "cancelled": N_("cancelled"),
    "reassigned": N_("given to somebody else"),
    "device_off": N_("phone switched off or without signal"),
    "unknown": N_("not known"),
}
# What was begun when an outage came, and where it goes on.
HELD = {
    "application": (N_("Your application"), "/applications/"),
    "signature": (N_("Your contract, ready to be signed"), "/applications/"),
    "repayment": (N_("Your repayment"), "/pay/"),
}


@router.get("/home")
def home(request: Request, borrower_id: Borrower, caller: AnyCaller, session: Reading) -> HTMLResponse:
    """The overview of the borrower who is signed in."""
    loans = lending.loans_of(session, borrower_id, limit=SHOWN_LOANS)
    protected: list[ProtectionCase] = [
        case
        for loan in loans
        if loan.status is LoanStatus.ACTIVE
        for case in continuity.protections_of_loan(session, loan.id, limit=5)
        if case.state == "granted"
    ]
    help_now = (
        [one for one in joint.offers_for(session, borrower_id, now=clock.now()) if one.verdict.offerable]
        if offers()
        else []
    )
    real_now = clock.real_now()
    login = login_of(session, caller, now=real_now)
    stopped = [one for one in numbers.numbers(session, login, real_now=real_now) if one.state == "frozen"]
    newest = origination.applications(session, borrower_id=borrower_id, after=None, limit=1)
    return show(
        request,
        "home.html",
        loans=loans,
        statuses=STATUSES,
        protected=protected,
        application=newest[0] if newest and newest[0].state in OPEN else None,
        titles=TITLES,
        lines=line.lines_of(session, borrower_id),
        line_states=LINE_STATES,
        help_now=help_now,
        stopped_numbers=stopped,
        has_plans=bool(offers()),
        going_on=incidents.running(session, borrower_id),
        held=unfinished.held_of(session, borrower_id),
        held_names=HELD,
        unread=messaging.unread(session, borrower_id),
    )
