"""HTTP of lending for staff: loans, what happened to them, and the business day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from throughline.kernel import http
from throughline.kernel.http import Paged, PageParams, Reading, problems
from throughline.lending import service
from throughline.lending.api_documents import LoanOut, LoanSummaryOut, OnDay, loan_out
from throughline.lending.state import LoanStatus

router = APIRouter()
READER = [Depends(http.require_scope("lending:read"))]


class StaffLoanSummaryOut(LoanSummaryOut):
    """A loan in a list, with whose it is."""

    borrower_id: UUID


class EventOut(BaseModel):
    """A dated event of a loan: what happened to it, by whom, with its record in the notary's log.

    `approved_by` is the second person, where one was needed.
    """

    model_config = ConfigDict(from_attributes=True)
    seq: int
    id: UUID
    type: str
    value_date: date
    posting_date: date
    recorded_at: datetime
    amount_minor: int | None
    target: UUID | None
    case_id: UUID | None
    actor: str
    approved_by: str | None = None
    record_id: UUID | None


class EventsOut(BaseModel):
    """One page of events, oldest first; go on with `after_seq`."""

    items: list[EventOut]


class TransactionOut(BaseModel):
    """What an event did to the books: the newest row for an event counts, `replay_of` names the one before."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    event_id: UUID
    type: str
    value_date: date
    posting_date: date
    amount_minor: int
    principal_minor: int
    interest_minor: int
    fee_minor: int
    penalty_minor: int
    overpayment_minor: int
    principal_balance_minor: int
    replay_of: UUID | None
    reversal_of: UUID | None


class RunOut(BaseModel):
    """One run of the close of business, and how far it is. `steps` counts what each step did, by name."""

    model_config = ConfigDict(from_attributes=True)
    business_date: date
    state: str
    started_at: datetime
    finished_at: datetime | None
    loans: int
    failures: int
    chunks: int
    chunks_done: int
    loans_done: int
    steps: dict[str, int]


class BusinessDayOut(BaseModel):
    """The open business day with the newest 30 runs of the close of business."""

    business_date: date
    runs: list[RunOut]


@router.get("/loans", responses=problems(401, 403, 422), dependencies=READER)
def list_loans(
    session: Reading,
    page: PageParams,
    status: Annotated[LoanStatus | None, Query(description="Only loans of this status")] = None,
) -> Paged[StaffLoanSummaryOut]:
    """All loans, oldest first."""
    rows = service.loans(session, status=status, after=page.after, limit=page.limit + 1)
    found = [StaffLoanSummaryOut.model_validate(row, from_attributes=True) for row in rows]
    return http.paged(found, page, lambda row: row.id)


@router.get("/loans/{loan_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_loan(loan_id: UUID, session: Reading, on: OnDay = None) -> LoanOut:
    """One loan as of a day; a past day shows what is known of it now."""
    return loan_out(service.loan_view(session, loan_id, on))


@router.get("/loans/{loan_id}/events", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_loan_events(
    loan_id: UUID,
    session: Reading,
    after_seq: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> EventsOut:
    """The events of a loan, oldest first: what everything else about it follows from."""
    rows = service.event_rows(session, loan_id, after_seq=after_seq, limit=limit)
    seconds = service.approvers(session, [row.id for row in rows])
    found = [EventOut.model_validate(row) for row in rows]
    return EventsOut(items=[one.model_copy(update={"approved_by": seconds.get(one.id)}) for one in found])


@router.get("/loans/{loan_id}/transactions", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_loan_transactions(loan_id: UUID, session: Reading, page: PageParams) -> Paged[TransactionOut]:
    """What the events of a loan did to the books, oldest first, every generation of a replay."""
    rows = service.transaction_rows(session, loan_id, after=page.after, limit=page.limit + 1)
    return http.paged([TransactionOut.model_validate(row) for row in rows], page, lambda row: row.id)


@router.get("/business-day", responses=problems(401, 403), dependencies=READER)
def read_business_day(session: Reading) -> BusinessDayOut:
    """The open business day, and how the close of the days before went."""
    runs = [RunOut.model_validate(row) for row in service.cob_runs(session)]
    return BusinessDayOut(business_date=service.business_date(session), runs=runs)
