"""Credit reports: what is not said and what is missing, corrections on their way, disputes by deadline."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.lending.bureau import answers, disputes, sending, views
from throughline.lending.bureau.settings import set_up
from throughline.web import forms
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("lending:read", "parties:read"))]
Writer = Annotated[Caller, Depends(staff_with("lending:write"))]
PATH = "/console/credit-reports"
OPEN_DISPUTES = 50
FILES = 10


@router.get(PATH)
def reports_page(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    which: Annotated[str | None, Query(pattern="^(held|corrections|refused|waiting)$")] = None,
) -> HTMLResponse:
    """Disputes by deadline, then a page of reports, newest first, with what is missing."""
    rows = views.reports(session, which=which, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    waiting = views.dispute_list(session, state="open", limit=OPEN_DISPUTES, now=clock.now())
    people = {row.borrower_id for row in found.items} | {row.borrower_id for row in waiting}
    return show(
        request,
        "credit_reports.html",
        rows=found.items,
        disputes=waiting,
        files=views.files(session, limit=FILES),
        runs=views.runs(session, limit=6),
        names=masked_names(session, people),
        which=which,
        lists=views.LISTS,
        set_up=set_up(),
        may="lending:write" in caller.scopes,
        next_cursor=found.next_cursor,
    )


@router.post(PATH + "/{item_id}/retry")
def retry(request: Request, item_id: UUID, caller: Writer, form: Form) -> Response:
    """Send a refused report again."""

    def verb(session: Session) -> str:
        answers.retry(session, item_id, now=clock.now())
        return f"{PATH}?which=waiting"

    return forms.once(request, caller, form, verb)


@router.post(PATH + "/files/{file_id}/ask")
def ask(request: Request, file_id: UUID, caller: Writer, form: Form) -> Response:
    """Ask the bureau about a file now."""

    def verb(session: Session) -> str:
        sending.ask_again(session, file_id, now=clock.now())
        return PATH

    return forms.once(request, caller, form, verb)


@router.get(PATH + "/disputes/{dispute_id}")
def dispute_page(request: Request, dispute_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One dispute: the words, the report, the clock, and the decision."""
    return _dispute(request, session, dispute_id, caller)


@router.post(PATH + "/disputes/{dispute_id}")
def decide(request: Request, dispute_id: UUID, session: Reading, caller: Writer, form: Form) -> Response:
    """Decide a dispute with its reason in both languages."""
    reason = {"zh-CN": form.get("reason_zh", ""), "en": form.get("reason_en", "")}
    decision = disputes.Resolution(form.get("decision") == "upheld", reason, f"staff:{caller.id}")

    def verb(inner: Session) -> str:
        disputes.resolve(inner, dispute_id, decision, now=clock.now())
        return f"{PATH}/disputes/{dispute_id}"

    try:
        return forms.once(request, caller, form, verb)
    except disputes.ReasonNeeded as error:
        said = forms.explain(request, error)
        return _dispute(request, session, dispute_id, caller, said=said, typed=reason)


def _dispute(
    request: Request,
    session: Session,
    dispute_id: UUID,
    caller: Caller,
    *,
    said: str = "",
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    one = views.dispute(session, dispute_id, now=clock.now())
    return show(
        request,
        "credit_dispute.html",
        status=422 if said else 200,
        one=one,
        item=views.report(session, one.item_id),
        names=masked_names(session, {one.borrower_id}),
        may="lending:write" in caller.scopes and one.state == "open",
        said=said,
        typed=typed or {"zh-CN": "", "en": ""},
    )
