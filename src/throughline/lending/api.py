"""HTTP of lending: a borrower's own loans and their repayment. Staff's part is in `api_staff`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.http import BorrowerId, Reading, Writing, problems
from throughline.lending import service
from throughline.lending.api_borrower_repayments import router as borrower_router
from throughline.lending.api_documents import LoanOut, LoanSummaryOut, OnDay, PayoffOut, loan_out
from throughline.lending.api_events import router as events_router
from throughline.lending.api_products import router as products_router
from throughline.lending.api_proposals import router as proposals_router
from throughline.lending.api_staff import router as staff_router
from throughline.lending.api_statement import router as statement_router
from throughline.lending.borrower_repayment import MoreThanOwed
from throughline.lending.bureau.api import router as bureau_router
from throughline.payments import service as payments

router = APIRouter(prefix="/api/v1", tags=["lending"])


class NewRepayment(BaseModel):
    """How much to pay back, in minor units, at most what is still open."""

    model_config = ConfigDict(extra="forbid")
    amount_minor: Annotated[int, Field(gt=0, le=10**12)]


class RepaymentOut(BaseModel):
    """The payment order; its QR code stands in /me/payment-orders/{id} as soon as the provider gave it."""

    id: UUID
    amount_minor: int
    currency: str


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
    return loan_out(service.loan_view(session, loan_id, on, borrower_id=borrower_id))


@router.get("/me/loans/{loan_id}/payoff", responses=problems(401, 403, 404, 409, 422))
def my_payoff(loan_id: UUID, borrower_id: BorrowerId, session: Reading, on: OnDay = None) -> PayoffOut:
    """What settles the loan on a day."""
    day = on or service.business_date(session)
    return PayoffOut.model_validate(service.payoff(session, loan_id, day, borrower_id=borrower_id))


@router.post(
    "/me/loans/{loan_id}/repayments",
    response_model=RepaymentOut,
    status_code=201,
    responses=problems(401, 403, 404, 409, 422, 503),
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


router.include_router(staff_router)
router.include_router(events_router)
router.include_router(borrower_router)
router.include_router(products_router)
router.include_router(proposals_router)
router.include_router(statement_router)
router.include_router(bureau_router)
