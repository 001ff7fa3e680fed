"""Asking to be called on another number, while one's own does not work."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import callbacks
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.kernel.i18n import N_
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
TOPICS = {
    "repay": N_("Repaying"),
    "application": N_("My application"),
    "sign_in": N_("I cannot sign in"),
    "outage": N_("My line or phone"),
    "complaint": N_("A complaint"),
    "other": N_("Something else"),
}
TIMES = {
    "any": N_("At any time of the day"),
    "morning": N_("In the morning"),
    "afternoon": N_("In the afternoon"),
    "evening": N_("In the evening"),
}


@router.get("/callback")
def callback_page(request: Request, borrower_id: Borrower, session: Reading) -> HTMLResponse:
    """The form, and what was asked for already."""
    return _page(request, session, borrower_id)


@router.post("/callback")
def ask(request: Request, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Ask for a call."""

    def verb(session: Session) -> str:
        callbacks.ask(
            session,
            borrower_id,
            number=form.get("number", ""),
            topic=form.get("topic", ""),
            words=form.get("words", ""),
            best_time=form.get("best_time", "any"),
            now=clock.now(),
        )
        return "/callback"

    try:
        return forms.once(request, caller, form, verb)
    except Problem as problem:
        with database().transaction() as session:
            return _page(request, session, borrower_id, problem=problem, typed=form)


@router.post("/callback/{callback_id}/withdraw")
def withdraw(
    request: Request, callback_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Take the request back."""

    def verb(session: Session) -> str:
        callbacks.withdraw(session, borrower_id, callback_id, now=clock.now())
        return "/callback"

    return forms.once(request, caller, form, verb)


def _page(
    request: Request,
    session: Session,
    borrower_id: UUID,
    *,
    problem: Problem | None = None,
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    rows = callbacks.open_of(session, borrower_id)
    return show(
        request, "callback.html", problem=problem, rows=rows, topics=TOPICS, times=TIMES, typed=typed or {}
    )
