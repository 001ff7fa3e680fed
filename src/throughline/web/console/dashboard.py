"""The first page: how everything stands, and in demo mode the way through time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.continuity import service as continuity
from throughline.continuity.models import Episode
from throughline.kernel import clock
from throughline.kernel.errors import Invalid, NotFound
from throughline.kernel.http import Caller, Reading
from throughline.kernel.i18n import N_
from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.notary import standing as notary_standing
from throughline.web import forms
from throughline.web.console import figures
from throughline.web.console.common import ConsoleRoute, Staff, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)

MOST_DAYS = 40
NEWEST = 8


@dataclass(frozen=True, slots=True)
class Simulator:
    """An outside company of the demo, with the page where its side of the story stands."""

    name: str
    port: int  # its usual one
    path: str

    @property
    def url(self) -> str:
        """Its page on this machine."""
        return f"http://localhost:{lab_port(self.port)}{self.path}"


SIMULATORS = (
    Simulator(N_("Bank: payments"), 8101, "/control/payments"),
    Simulator(N_("WeChat Pay: trades"), 8102, "/control/trades"),
    Simulator(N_("Carrier: numbers"), 8103, "/control/numbers"),
    Simulator(N_("SMS centre: text messages"), 8104, "/"),
    Simulator(N_("Mailbox of the borrowers"), 8105, "/"),
    Simulator(N_("Vendors of number status: questions"), 8106, "/control/queries"),
    Simulator(N_("Carrier: joint plans"), 8107, "/control/orders"),
    Simulator(N_("Credit bureau: records"), 8108, "/control/records"),
)


@router.get("/console")
def dashboard(request: Request, session: Reading, caller: Staff) -> HTMLResponse:
    """Everything at a glance; each card only for those who may read its subject."""
    may = caller.scopes.__contains__
    return show(
        request,
        "dashboard.html",
        business_date=lending.business_date(session),
        now=clock.now(),
        shift_days=clock.demo_shift().days,
        most_days=MOST_DAYS,
        simulators=SIMULATORS,
        outages=_outages(session) if may("continuity:read") else None,
        loans=(figures.loans_by_status(session), figures.loans_by_range(session))
        if may("lending:read")
        else None,
        queue=figures.queue_figures(session) if may("kernel:read") else None,
        books=figures.book_sums(session) if may("ledger:read") else None,
        notary=notary_standing.standing(session) if may("notary:read") else None,
    )


def _outages(session: Session) -> tuple[int, list[Episode]]:
    newest = continuity.episodes_page(session, state="open", after=None, limit=NEWEST)
    return figures.open_episodes(session), newest


@router.post("/console/demo/forward")
def forward(
    request: Request, form: Form, caller: Annotated[Caller, Depends(staff_with("kernel:write"))]
) -> RedirectResponse:
    """Move the demo's business time forward by whole days."""
    if not settings().demo:
        raise NotFound
    days = form.get("days", "")
    if not days.isascii() or not days.isdigit() or not 1 <= int(days[:3]) <= MOST_DAYS:
        raise Invalid(N_("Between 1 and %(most)s days"), most=MOST_DAYS)

    def move(session: Session) -> str:
        del session  # the shift is a file: only the form's key needs the transaction
        clock.move_demo_forward(timedelta(days=int(days)))
        return "/console"

    return forms.once(request, caller, form, move)
