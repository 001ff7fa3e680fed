"""Loans: who stands where, and for one everything that it is made of."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from throughline.continuity import service as continuity
from throughline.kernel import clock
from throughline.kernel.http import Caller, PageParams, Reading, locale_of, paged
from throughline.lending import service as lending
from throughline.lending.second_person import ProposalState
from throughline.lending.state import LoanStatus
from throughline.web import statements, texts
from throughline.web.console import changes, figures, finding, loan_journal
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("lending:read", "parties:read"))]

EVENTS = 50
WAITING = 10


@router.get("/console/loans")
def loan_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    status: Annotated[LoanStatus | None, Query()] = None,
    late: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9+_-]{1,20}$")] = None,
) -> HTMLResponse:
    """Loans, newest first; `late` is a range of delinquent days."""
    del caller
    rows = finding.loans(session, status=status, late=late, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "loans.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        wanted=status.value if status else None,
        statuses=[one.value for one in LoanStatus],
        late=late,
        ranges=sorted({name for name, _, _ in figures.loans_by_range(session)}),
        next_cursor=found.next_cursor,
    )


@router.get("/console/loans/{loan_id}")
def loan_page(
    request: Request,
    loan_id: UUID,
    session: Reading,
    caller: Reader,
    after: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """One loan as of today. `after`: its events are read on from this number."""
    loan = lending.loan_view(session, loan_id)
    events = lending.event_rows(session, loan_id, after_seq=after, limit=EVENTS + 1)
    shown, locale = events[:EVENTS], locale_of(request)
    effects = lending.effects(session, loan_id, shown)
    may_see_cases = "continuity:read" in caller.scopes
    source = lending.source_of(loan_id)
    may_see_books = "ledger:read" in caller.scopes
    return show(
        request,
        "loan.html",
        loan=loan,
        source=source,
        names=masked_names(session, {loan.borrower_id}),
        events=shown,
        effects=effects,
        seconds=lending.approvers(session, [row.id for row in shown]),
        waiting=lending.proposals(
            session, state=ProposalState.WAITING, loan_id=loan_id, limit=WAITING, now=clock.now()
        ),
        said={
            key: changes.sentences(one, loan.currency, locale, lambda on: texts.show_day(on, locale))
            for key, one in effects.items()
        },
        versions=lending.schedule_versions(session, loan_id),
        journal=loan_journal.read(session, source) if may_see_books else loan_journal.LoanJournal(),
        later=events[EVENTS - 1].seq if len(events) > EVENTS else None,
        cases=continuity.protections_of_loan(session, loan_id) if may_see_cases else [],
    )


@router.get("/console/loans/{loan_id}/statement")
def statement(
    request: Request, loan_id: UUID, session: Reading, caller: Reader, asked: statements.Asked
) -> Response:
    """The statement that the borrower can take, as a file in the language of the console."""
    del caller
    return statements.statement_answer(request, session, loan_id, asked)
