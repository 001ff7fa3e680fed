"""Protection cases that wait for a person: the queue, one case with its evidence, the decision; and taking back."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import service as continuity
from throughline.continuity.evidence import standing
from throughline.continuity.models import ProtectionCase
from throughline.kernel import clock
from throughline.kernel.errors import Invalid, NotFound, Problem
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.kernel.i18n import N_
from throughline.lending import service as lending
from throughline.notary import service as notary
from throughline.web import forms
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("continuity:read", "lending:read", "parties:read"))]
Decider = Annotated[Caller, Depends(staff_with("continuity:write"))]
FIRST = 20  # of the reports whose evidence waits; the rest has a list of its own
ACTS = ("grant", "refuse", "uphold", "dismiss", "revoke")


@router.get("/console/reviews")
def review_list(request: Request, session: Reading, page: PageParams, caller: Reader) -> HTMLResponse:
    """Cases that wait for a person, oldest first."""
    del caller
    rows = continuity.queue(session, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    waiting = standing.queue(session, after=None, limit=FIRST + 1)
    appeals = {row.id: _open_appeal(session, row) for row in found.items}
    return show(
        request,
        "reviews.html",
        rows=[(row, appeals[row.id]) for row in found.items],
        proved={row.id for row in found.items if _proved(session, row, appeals[row.id])},
        evidence=waiting[:FIRST],
        more_evidence=len(waiting) > FIRST,
        names=masked_names(
            session, {row.borrower_id for row in found.items} | {row.borrower_id for row in waiting}
        ),
        now=clock.now(),
        next_cursor=found.next_cursor,
    )


@router.get("/console/reviews/{case_id}")
def review_page(request: Request, case_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One case: what was decided and why, what the borrower says, and the decision."""
    return _page(request, session, case_id, caller)


@router.post("/console/reviews/{case_id}/{act}")
def decide(
    request: Request, case_id: UUID, act: str, session: Reading, caller: Decider, form: Form
) -> Response:
    """Grant or refuse a case in review, answer an appeal, or take a grant back; once for the form."""
    if act not in ACTS:
        raise NotFound

    def verb(inner: Session) -> str:
        reason = {"zh-CN": form.get("zh", ""), "en": form.get("en", "")}
        by, now = _me(caller), clock.now()
        if act in ("grant", "refuse"):
            continuity.decide_review(inner, case_id, grant=act == "grant", reason=reason, by=by, now=now)
        elif act == "revoke":
            continuity.revoke(inner, case_id, reason=reason, by=by, now=now)
        else:
            waiting = _open_appeal(inner, continuity.case(inner, case_id))
            if waiting is None:
                raise NotFound
            continuity.decide_appeal(
                inner, waiting.id, uphold=act == "uphold", reason=reason, by=by, now=now,
                last_day=_day(form.get("last_day", "")),
            )  # fmt: skip
        return f"/console/reviews/{case_id}"

    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        return _page(request, session, case_id, caller, said=forms.explain(request, problem), typed=form)


def _page(
    request: Request,
    session: Session,
    case_id: UUID,
    caller: Caller,
    *,
    said: str = "",
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    case = continuity.case(session, case_id)
    may = "continuity:write" in caller.scopes
    appeals = [(row, continuity.words_of(session, row)) for row in continuity.appeals_of(session, case_id)]
    return show(
        request,
        "review.html",
        status=422 if said else 200,
        said=said,
        typed=typed or {},
        case=case,
        episode=continuity.episode(session, case.episode_id),
        loan=lending.loan_view(session, case.loan_id),
        record=notary.record_view(session, case.record_id) if case.record_id else None,
        names=masked_names(session, {case.borrower_id}),
        appeals=appeals,
        evidence={
            row.id: [
                (one, standing.words_of(session, one) if may else "", str(caller.id) in one.seen_by)
                for one in standing.files_of(session, case.episode_id, appeal_id=row.id)
            ]
            for row, _ in appeals
        },
        report_waits=standing.waits(session, case.episode_id),
        now=clock.now(),
        waiting=next((row for row, _ in appeals if row.state == "open"), None),
        mine=case.decided_by is not None and case.decided_by == caller.id,
        may=may,
    )


def _open_appeal(session: Session, case: ProtectionCase) -> continuity.Appeal | None:
    return next((row for row in continuity.appeals_of(session, case.id) if row.state == "open"), None)


def _proved(session: Session, case: ProtectionCase, appeal: continuity.Appeal | None) -> bool:
    """Whether evidence waits for the case: with its objection, or with its report."""
    return standing.waits(session, case.episode_id) or (
        appeal is not None and standing.waits(session, case.episode_id, appeal_id=appeal.id)
    )


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(N_("Please give the day as year-month-day, such as 2026-11-30")) from None


def _me(caller: Caller) -> UUID:
    if caller.id is None:
        raise NotFound
    return caller.id
