"""HTTP of lending for staff: a payment of a borrower with several loans, shared over them by the law."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.http import Caller, Reading, Writing, problems
from throughline.lending import service
from throughline.lending.api_events import ReceiptOut, receipt_out
from throughline.lending.api_proposals import actor_of
from throughline.lending.event_bodies import Amount

router = APIRouter()
READER = [Depends(http.require_scope("lending:read"))]
Recorder = Annotated[Caller, Depends(http.require_scope("lending:write"))]


class PaymentIn(BaseModel):
    """Money of a borrower. `loan_id` is the loan that the borrower names, if any; it is paid first."""

    model_config = ConfigDict(extra="forbid")
    amount_minor: Amount
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    value_date: date = Field(description="The day that counts for the borrower, today or earlier")
    loan_id: UUID | None = None


class ShareOut(BaseModel):
    """What would be paid of one loan: of what is due (`due`), or of what is not due yet, with the reasons of its
    place: since when, and what it costs a year in percent."""

    loan_id: UUID
    due: bool
    due_on: date
    burden_percent: str
    owed_minor: int
    amount_minor: int


class SharesOut(BaseModel):
    """The shares in the order of paying; they sum to the payment."""

    currency: str
    shares: list[ShareOut]


class RecordedOut(BaseModel):
    """The repayment that was recorded on one loan."""

    loan_id: UUID
    amount_minor: int
    receipt: ReceiptOut


class RepaymentsOut(BaseModel):
    """The repayments that were recorded, in the order of the loans' ids; they sum to the payment."""

    currency: str
    repayments: list[RecordedOut]


@router.post(
    "/borrowers/{borrower_id}/repayments",
    response_model=RepaymentsOut,
    status_code=201,
    responses=problems(401, 403, 409, 422, 503),
)
def repay_loans(borrower_id: UUID, body: PaymentIn, caller: Recorder, write: Writing) -> Response:
    """Record a payment that names no loan, or one loan to begin with, on the running loans of a borrower.

    In one step, a repayment on each loan that gets some: first the named loan, then what is due before what is
    not, then the dearest, then the earliest, then in proportion (Civil Code of China art. 560; all loans here are
    without security). `more-than-owed` (409) says how much can be shared; record the rest on a loan by itself.
    """

    def verb(session: Session) -> BaseModel:
        done = service.repay_borrower(
            session, borrower_id, _payment(body), key=write.key, actor=actor_of(caller), now=clock.now()
        )
        return RepaymentsOut(
            currency=body.currency,
            repayments=[
                RecordedOut(
                    loan_id=one.loan_id, amount_minor=one.amount_minor, receipt=receipt_out(one.receipt)
                )
                for one in done
            ],
        )

    return write.once(verb, status=201, for_ever=True)


@router.post(
    "/borrowers/{borrower_id}/repayments/what-if",
    responses=problems(401, 403, 409, 422),
    dependencies=READER,
)
def ask_shares(borrower_id: UUID, body: PaymentIn, session: Reading) -> SharesOut:
    """How a payment would be shared, and why. Nothing is written; a refusal is that of recording."""
    shares = service.preview_repayment(session, borrower_id, _payment(body), now=clock.now())
    return SharesOut(
        currency=body.currency,
        shares=[
            ShareOut(
                loan_id=one.claim.loan_id,
                due=one.claim.due,
                due_on=one.claim.due_on,
                burden_percent=f"{one.claim.burden_percent.normalize():f}",
                owed_minor=one.claim.owed_minor,
                amount_minor=one.amount_minor,
            )
            for one in shares
        ],
    )


def _payment(body: PaymentIn) -> service.BorrowerPayment:
    return service.BorrowerPayment(body.amount_minor, body.currency, body.value_date, body.loan_id)
