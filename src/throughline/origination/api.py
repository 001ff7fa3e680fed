"""HTTP of origination: a borrower's application from draft to money. Staff's part is in `api_staff`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.contracts import service as contracts
from throughline.identity.browsers import browser_of
from throughline.kernel import clock
from throughline.kernel.http import (
    BorrowerId,
    Paged,
    PageParams,
    Reading,
    Writing,
    locale_of,
    paged,
    problems,
)
from throughline.origination import service
from throughline.origination.api_documents import ApplicationOut, application_out
from throughline.origination.api_staff import router as staff_router
from throughline.risk import service as risk

router = APIRouter(prefix="/api/v1", tags=["origination"])
Amount = Annotated[int, Field(ge=0, le=10**12, description="Minor units a month")]
WRITES = problems(401, 403, 404, 409, 422)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewApplicationIn(_Body):
    """What I ask for, my account, and my means."""

    product_code: Annotated[str, Field(min_length=1, max_length=40)]
    principal_minor: Annotated[int, Field(gt=0, le=10**12)]
    installments: Annotated[int, Field(ge=1, le=600)]
    payee_account_id: UUID
    monthly_income_minor: Amount
    monthly_debt_minor: Amount
    monthly_living_minor: Amount
    employment_months: Annotated[int, Field(ge=0, le=900)]


class SignIn(_Body):
    """`proof_id`: my factor's approval of exactly the contract's signing action."""

    proof_id: UUID


class ShowingOut(BaseModel):
    """The cost table, and how long it must stay open before it can be confirmed."""

    costs: dict[str, Any]
    min_read_s: int
    shown_at: datetime


class SigningOut(BaseModel):
    """The drafted contract: approve `action` with a factor (/me/step-up), then sign with the proof."""

    contract_id: UUID
    action: dict[str, Any]


class SignedOut(BaseModel):
    """The contract is concluded and the payout ordered."""

    loan_id: UUID


@router.post(
    "/me/applications",
    response_model=ApplicationOut,
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
)
def begin_application(body: NewApplicationIn, borrower_id: BorrowerId, write: Writing) -> Response:
    """Begin an application as a draft."""

    def verb(session: Session) -> BaseModel:
        application_id = service.start(
            session,
            borrower_id,
            service.NewApplication(
                product_code=body.product_code,
                principal_minor=body.principal_minor,
                installments=body.installments,
                payee_account_id=body.payee_account_id,
                facts=risk.ApplicationFacts(
                    monthly_income_minor=body.monthly_income_minor,
                    monthly_debt_minor=body.monthly_debt_minor,
                    monthly_living_minor=body.monthly_living_minor,
                    employment_months=body.employment_months,
                ),
                channel="api",
            ),
            now=clock.now(),
        )
        return _mine(session, borrower_id, application_id)

    return write.once(verb, status=201)


@router.get("/me/applications", responses=problems(401, 403, 422))
def my_applications(borrower_id: BorrowerId, session: Reading, page: PageParams) -> Paged[ApplicationOut]:
    """My applications, newest first."""
    rows = service.applications(session, borrower_id=borrower_id, after=page.after, limit=page.limit + 1)
    return paged([application_out(session, row) for row in rows], page, lambda row: row.id)


@router.get("/me/applications/{application_id}", responses=problems(401, 403, 404, 422))
def my_application(application_id: UUID, borrower_id: BorrowerId, session: Reading) -> ApplicationOut:
    """One of my applications."""
    return _mine(session, borrower_id, application_id)


@router.post("/me/applications/{application_id}/submit", response_model=ApplicationOut, responses=WRITES)
def submit_application(application_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """Hand it in: rules and scorecard decide, and the answer says what and why."""

    def verb(session: Session) -> BaseModel:
        service.submit(session, borrower_id, application_id, now=clock.now())
        return _mine(session, borrower_id, application_id)

    return write.once(verb)


@router.post("/me/applications/{application_id}/costs", response_model=ShowingOut, responses=WRITES)
def open_costs(application_id: UUID, borrower_id: BorrowerId, request: Request, write: Writing) -> Response:
    """Open the cost table: its reading time starts now."""

    def verb(session: Session) -> BaseModel:
        showing = service.show_costs(
            session,
            borrower_id,
            application_id,
            locale=locale_of(request),
            device=browser_of(request).label,
            channel="api",
            now=clock.now(),
            real_now=clock.real_now(),
        )
        table = contracts.cost_table(session, borrower_id, showing.cost_table_id)
        return ShowingOut(costs=table.content, min_read_s=showing.min_read_s, shown_at=showing.shown_at)

    return write.once(verb)


@router.post("/me/applications/{application_id}/costs/confirm", response_model=SigningOut, responses=WRITES)
def confirm_costs(application_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """I have read the costs: the contract is drafted. 409 while the reading time is not over."""

    def verb(session: Session) -> BaseModel:
        contract_id = service.confirm_costs(
            session, borrower_id, application_id, now=clock.now(), real_now=clock.real_now()
        )
        return SigningOut(
            contract_id=contract_id, action=service.signing_action(session, borrower_id, application_id)
        )

    return write.once(verb)


@router.get("/me/applications/{application_id}/signing", responses=problems(401, 403, 404, 409, 422))
def read_signing(application_id: UUID, borrower_id: BorrowerId, session: Reading) -> SigningOut:
    """The drafted contract once more: signing can be taken up on another device."""
    contract_id = service.application(session, borrower_id, application_id).contract_id
    action = service.signing_action(session, borrower_id, application_id)
    if contract_id is None:
        raise RuntimeError("an application that is being signed has a contract")
    return SigningOut(contract_id=contract_id, action=action)


@router.post("/me/applications/{application_id}/sign", response_model=SignedOut, responses=WRITES)
def sign_application(application_id: UUID, body: SignIn, borrower_id: BorrowerId, write: Writing) -> Response:
    """Conclude the contract; the loan is opened and the payout ordered in the same transaction."""

    def verb(session: Session) -> BaseModel:
        loan_id = service.sign(
            session,
            borrower_id,
            application_id,
            proof_id=body.proof_id,
            now=clock.now(),
            real_now=clock.real_now(),
        )
        return SignedOut(loan_id=loan_id)

    return write.once(verb, for_ever=True)


@router.post("/me/applications/{application_id}/withdraw", response_model=ApplicationOut, responses=WRITES)
def withdraw_application(application_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """Give it up before it is signed."""

    def verb(session: Session) -> BaseModel:
        service.withdraw(session, borrower_id, application_id, now=clock.now())
        return _mine(session, borrower_id, application_id)

    return write.once(verb)


def _mine(session: Session, borrower_id: UUID, application_id: UUID) -> ApplicationOut:
    return application_out(session, service.application(session, borrower_id, application_id))


router.include_router(staff_router)
