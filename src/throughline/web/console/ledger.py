"""The books: the trial balance, whose two sides are equal, and the entries behind it."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Invalid
from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.kernel.i18n import N_
from throughline.ledger import service as ledger
from throughline.web import forms
from throughline.web.console import figures
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

ACTS = 20
router = APIRouter(route_class=ConsoleRoute, dependencies=[Depends(staff_with("ledger:read"))])
Staff = Annotated[Caller, Depends(staff_with("ledger:read"))]


@router.get("/console/ledger")
def trial_balance(
    request: Request, session: Reading, caller: Staff, on: Annotated[date | None, Query()] = None
) -> HTMLResponse:
    """Every account, up to a posting date; how far the books are locked, and what the nightly check found."""
    rows = ledger.trial_balance(session, on=on)
    return show(
        request,
        "ledger.html",
        rows=rows,
        sums=figures.sums_of(rows),
        on=on,
        locked_through=ledger.locked_through(session),
        acts=ledger.period_acts(session, limit=ACTS),
        mismatches=ledger.mismatches(session, limit=ACTS),
        may_lock="ledger:write" in caller.scopes,
    )


@router.post("/console/ledger/period")
def move_lock(
    request: Request, form: Form, caller: Annotated[Caller, Depends(staff_with("ledger:write"))]
) -> RedirectResponse:
    """Lock the books through a day, or take the lock back to one (no day: nothing is locked)."""
    actor, reason = f"{caller.kind}:{caller.id}", form.get("reason", "")
    day = _day(form.get("day", ""))

    def verb(session: Session) -> str:
        if form.get("act") == "unlock":
            ledger.unlock_period(session, day, actor=actor, reason=reason, now=clock.now())
        elif day is None:
            raise Invalid(N_("A date is needed"), field="day")
        else:
            ledger.lock_period(session, day, actor=actor, reason=reason, now=clock.now())
        return "/console/ledger"

    return forms.once(request, caller, form, verb)


def _day(given: str) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError as error:
        raise Invalid(N_("A date is needed"), field="day") from error


@router.get("/console/ledger/entries")
def entry_list(
    request: Request,
    session: Reading,
    page: PageParams,
    source: Annotated[str | None, Query(max_length=100)] = None,
) -> HTMLResponse:
    """Entries in the order of posting; of a source such as "loan:<id>", or all."""
    rows = ledger.entries(session, source=source, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(request, "entries.html", rows=found.items, source=source, next_cursor=found.next_cursor)


@router.get("/console/ledger/entries/{entry_id}")
def entry_page(request: Request, entry_id: UUID, session: Reading) -> HTMLResponse:
    """One entry."""
    return show(request, "entry.html", entry=figures.entry(session, entry_id))
