"""What was said about a loan to the credit bureau, what will not be, and saying that it is wrong."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.bureau import disputes, policy, views
from throughline.lending.bureau.settings import set_up
from throughline.lending.bureau.standing import report_standing
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
PAGE = 12

RATINGS = {
    "current": N_("paid as agreed"),
    "closed": N_("paid back"),
    "late": N_("late"),
    "charged_off": N_("written down as a loss"),
    "written_off": N_("given up as a loss"),
    "not_stated": N_("nothing is said about how you pay"),
}
STATES = {
    "queued": N_("will be sent"),
    "sent": N_("sent, not answered yet"),
    "unknown": N_("sent; we are asking whether it arrived"),
    "accepted": N_("in your record"),
    "rejected": N_("not taken by the bureau"),
    "not_needed": N_("not needed any more"),
    "left_out": N_("not sent"),
}
DISPUTABLE = frozenset({"sent", "unknown", "accepted"})


@router.get("/loans/{loan_id}/credit-reports")
def reports_page(
    request: Request,
    loan_id: UUID,
    borrower_id: Borrower,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """What was reported, newest first, and how the loan stands today."""
    return _page(request, session, borrower_id, loan_id, after=after)


@router.post("/loans/{loan_id}/credit-reports/{item_id}/dispute")
def dispute(
    request: Request, loan_id: UUID, item_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Say that a report is wrong."""

    def verb(session: Session) -> str:
        disputes.open_dispute(
            session, item_id, form.get("statement", ""), borrower_id=borrower_id, now=clock.now()
        )
        return f"/loans/{loan_id}/credit-reports"

    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return _page(request, session, borrower_id, loan_id, problem=problem)


def _page(
    request: Request,
    session: Session,
    borrower_id: UUID,
    loan_id: UUID,
    *,
    after: UUID | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    today = lending.business_date(session)
    standing = report_standing(session, loan_id, today, borrower_id=borrower_id)
    rows = views.reports(session, borrower_id=borrower_id, loan_id=loan_id, after=after, limit=PAGE + 1)
    mine = views.dispute_list(session, borrower_id=borrower_id, limit=50, now=clock.now())
    own = [one for one in mine if one.loan_id == loan_id]
    return show(
        request,
        "credit_reports.html",
        problem=problem,
        errors={},
        loan_id=loan_id,
        currency=lending.loan_view(session, loan_id, borrower_id=borrower_id).currency,
        standing=standing,
        reported=set_up(),
        rows=rows[:PAGE],
        after_id=rows[PAGE - 1].id if len(rows) > PAGE else None,
        disputes=own,
        disputed={one.month for one in own if one.state == "open"},
        notice_days=policy.in_force("notice_days", settings().jurisdiction, today).value,
        dispute_days=policy.in_force("dispute_days", settings().jurisdiction, today).value,
        ratings=RATINGS,
        states=STATES,
        disputable=DISPUTABLE,
    )
