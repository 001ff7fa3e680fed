"""HTTP of lending: a borrower's own loans and their repayment; loans, events and the business day for staff."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.errors import Conflict
from throughline.kernel.http import BorrowerId, Paged, PageParams, Reading, Writing, problems
from throughline.kernel.i18n import N_, Text
from throughline.lending import service
from throughline.lending.state import LoanStatus
from throughline.payments import service as payments

router = APIRouter(prefix="/api/v1", tags=["lending"])
READER = [Depends(http.require_scope("lending:read"))]
OnDay = Annotated[date | None, Query(description="As of this day; today without it")]


class MoreThanOwed(Conflict):
    """A repayment above what is still open."""

    code = "more-than-owed"
    title = N_("This is more than is still owed: %(owed_minor)s in minor units")


class NextDueOut(BaseModel):
    """The oldest installment that is still open."""

    nr: int
    due_date: date
    outstanding_minor: int


class LoanSummaryOut(BaseModel):
    """A loan in a list. `range` is its delinquency range; amounts in minor units."""

    id: UUID
    contract_id: UUID
    product_code: str
    status: LoanStatus
    currency: str
    principal_minor: int
    outstanding_minor: int
    annual_rate_percent: Decimal
    disbursed_on: date | None
    closed_on: date | None
    next_due: NextDueOut | None
    range: str | None


class StaffLoanSummaryOut(LoanSummaryOut):
    """A loan in a list, with whose it is."""

    borrower_id: UUID


class InstallmentOut(BaseModel):
    """An installment: due, paid and still open, by component, in minor units."""

    nr: int
    from_date: date
    due_date: date
    principal_minor: int
    interest_minor: int
    fee_minor: int
    penalty_minor: int
    paid_minor: int
    waived_minor: int
    outstanding_minor: int
    obligations_met_on: date | None


class VariationOut(BaseModel):
    """A dated change in force, such as a pause; the counting of the dates belongs to the kind (docs/lending.md)."""

    kind: str
    from_date: date
    to_date: date


class HoldOut(BaseModel):
    """A hold on negative reports to a credit bureau; open without `until_date`."""

    from_date: date
    until_date: date | None
    reason: Text
    released_at: datetime | None


class LoanOut(LoanSummaryOut):
    """A loan as of a day. `past_due_days` is contractual, `delinquent_days` after grace and pauses."""

    as_of: date
    penalty_minor: int = Field(description="Penalty interest still open")
    overpaid_minor: int
    past_due_days: int
    delinquent_days: int
    delinquency_paused: bool
    installments: list[InstallmentOut]
    variations: list[VariationOut]
    report_holds: list[HoldOut]


class PayoffOut(BaseModel):
    """What settles a loan on `valid_through`; one more day adds `per_day_minor`."""

    model_config = ConfigDict(from_attributes=True)
    valid_through: date
    total_minor: int
    principal_minor: int
    interest_minor: int
    fee_minor: int
    penalty_minor: int
    overpaid_minor: int
    per_day_minor: int


class NewRepayment(BaseModel):
    """How much to pay back, in minor units, at most what is still open."""

    model_config = ConfigDict(extra="forbid")
    amount_minor: Annotated[int, Field(gt=0, le=10**12)]


class RepaymentOut(BaseModel):
    """The payment order; its QR code stands in /me/payment-orders/{id} as soon as the provider gave it."""

    id: UUID
    amount_minor: int
    currency: str


class EventOut(BaseModel):
    """A dated event of a loan: what happened to it, by whom, with its record in the notary's log."""

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
    record_id: UUID | None


class EventsOut(BaseModel):
    """One page of events, oldest first; go on with `after_seq`."""

    items: list[EventOut]


class RunOut(BaseModel):
    """One run of the close of business."""

    model_config = ConfigDict(from_attributes=True)
    business_date: date
    state: str
    started_at: datetime
    finished_at: datetime | None
    loans: int
    failures: int


class BusinessDayOut(BaseModel):
    """The open business day with the newest 30 runs of the close of business."""

    business_date: date
    runs: list[RunOut]


# --- the borrower ----------------------------------------------------------------------------------


@router.get("/me/loans", responses=problems(401, 403))
def my_loans(borrower_id: BorrowerId, session: Reading) -> list[LoanSummaryOut]:
    """My loans, newest first (at most 200)."""
    return [
        LoanSummaryOut.model_validate(row, from_attributes=True)
        for row in service.loans_of(session, borrower_id)
    ]


@router.get("/me/loans/{loan_id}", responses=problems(401, 403, 404, 422))
def my_loan(loan_id: UUID, borrower_id: BorrowerId, session: Reading, on: OnDay = None) -> LoanOut:
    """One of my loans: schedule, what is open, and what protects it."""
    return _loan(service.loan_view(session, loan_id, on, borrower_id=borrower_id))


@router.get("/me/loans/{loan_id}/payoff", responses=problems(401, 403, 404, 409, 422))
def my_payoff(loan_id: UUID, borrower_id: BorrowerId, session: Reading, on: OnDay = None) -> PayoffOut:
    """What settles the loan on a day."""
    day = on or service.business_date(session)
    return PayoffOut.model_validate(service.payoff(session, loan_id, day, borrower_id=borrower_id))


@router.post(
    "/me/loans/{loan_id}/repayments",
    response_model=RepaymentOut,
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
)
def repay_my_loan(loan_id: UUID, body: NewRepayment, borrower_id: BorrowerId, write: Writing) -> Response:
    """Order a QR code for a repayment. Anybody may pay it; no phone line is needed."""

    def verb(session: Session) -> BaseModel:
        loan = service.loan_view(session, loan_id, borrower_id=borrower_id)
        if body.amount_minor > loan.outstanding_minor:
            raise MoreThanOwed(MoreThanOwed.title, owed_minor=loan.outstanding_minor)
        order_id = payments.order_collection(
            session,
            borrower_id,
            body.amount_minor,
            loan.currency,
            service.source_of(loan_id),
            idempotency_key=f"repay:{write.key}",
            now=clock.now(),
        )
        return RepaymentOut(id=order_id, amount_minor=body.amount_minor, currency=loan.currency)

    return write.once(verb, status=201, for_ever=True)


# --- staff -----------------------------------------------------------------------------------------


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
    return _loan(service.loan_view(session, loan_id, on))


@router.get("/loans/{loan_id}/events", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_loan_events(
    loan_id: UUID,
    session: Reading,
    after_seq: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> EventsOut:
    """The events of a loan, oldest first: what everything else about it follows from."""
    rows = service.event_rows(session, loan_id, after_seq=after_seq, limit=limit)
    return EventsOut(items=[EventOut.model_validate(row) for row in rows])


@router.get("/business-day", responses=problems(401, 403), dependencies=READER)
def read_business_day(session: Reading) -> BusinessDayOut:
    """The open business day, and how the close of the days before went."""
    runs = [RunOut.model_validate(row) for row in service.cob_runs(session)]
    return BusinessDayOut(business_date=service.business_date(session), runs=runs)


def _loan(view: service.LoanView) -> LoanOut:
    late = view.delinquency
    summary: dict[str, Any] = {
        name: getattr(view, name) for name in LoanSummaryOut.model_fields if name != "next_due"
    }
    return LoanOut(
        **summary,
        next_due=NextDueOut.model_validate(view.next_due, from_attributes=True) if view.next_due else None,
        as_of=view.as_of,
        penalty_minor=view.outstanding[3],
        overpaid_minor=view.overpaid_minor,
        past_due_days=late.past_due_days,
        delinquent_days=late.delinquent_days,
        delinquency_paused=late.paused,
        installments=[
            InstallmentOut(
                nr=row.nr,
                from_date=row.from_date,
                due_date=row.due_date,
                principal_minor=row.due[0],
                interest_minor=row.due[1],
                fee_minor=row.due[2],
                penalty_minor=row.due[3],
                paid_minor=sum(row.paid),
                waived_minor=sum(row.waived),
                outstanding_minor=row.outstanding_minor,
                obligations_met_on=row.obligations_met_on,
            )
            for row in view.installments
        ],
        variations=[
            VariationOut(kind=row.kind.value, from_date=row.from_date, to_date=row.to_date)
            for row in view.variations
        ],
        report_holds=[HoldOut.model_validate(row, from_attributes=True) for row in view.holds],
    )
