"""HTTP of statements: of a borrower's own loan, and of any loan for staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from throughline.kernel import http
from throughline.kernel.http import BorrowerId, Reading, problems
from throughline.kernel.i18n import Text
from throughline.lending import service
from throughline.lending.api_documents import InstallmentOut, NextDueOut, installment_out
from throughline.lending.state import LoanStatus
from throughline.lending.statement_words import Words

router = APIRouter()
READER = [Depends(http.require_scope("lending:read")), Depends(http.require_scope("parties:read"))]
_FILE = {"schema": {"type": "string", "format": "binary"}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The statement in the format that was asked for",
        "content": {"application/pdf": _FILE, "text/csv": {"schema": {"type": "string"}}},
    },
    **problems(401, 403, 404, 409, 422, 503),
}


class OwedOut(BaseModel):
    """What is owed, or a change of it, by component; a minus lowers the debt."""

    model_config = ConfigDict(from_attributes=True)
    principal_minor: int
    interest_minor: int
    fee_minor: int
    penalty_minor: int
    credit_minor: int
    total_minor: int


class LineOut(BaseModel):
    """One change of the debt. `kind` is stable, `what` says it in the language of the statement."""

    value_date: date
    kind: str
    what: str
    change: OwedOut
    principal_after_minor: int
    installment: int | None


class StatementPayoffOut(BaseModel):
    """What would have settled the loan on the last day; one more day adds `per_day_minor`."""

    model_config = ConfigDict(from_attributes=True)
    total_minor: int
    per_day_minor: int


class ProtectionOut(BaseModel):
    """A change in force that touches the period; of a moved due date the old and the new one."""

    kind: str
    first_day: date
    last_day: date
    what: str
    reason: Text


class TakenBackOut(BaseModel):
    """A payment or payout that was taken back and does not count."""

    type: str
    value_date: date
    amount_minor: int
    taken_back_on: date


class TotalsOut(BaseModel):
    """Sums of the period, and what pauses spared the borrower in it."""

    model_config = ConfigDict(from_attributes=True)
    charged: OwedOut
    paid: OwedOut
    waived: OwedOut
    interest_spared_minor: int
    penalty_spared_minor: int


class StatementOut(BaseModel):
    """A loan's statement of a period, both days inside. Opening plus the lines is closing, by component."""

    loan_id: UUID
    borrower: str
    product: Text
    currency: str
    principal_minor: int
    annual_rate_percent: Decimal
    rate: str
    status: LoanStatus
    disbursed_on: date
    closed_on: date | None
    from_date: date
    to_date: date
    opening: OwedOut
    lines: list[LineOut]
    closing: OwedOut
    overdue_minor: int
    past_due_days: int
    delinquent_days: int
    next_due: NextDueOut | None
    payoff: StatementPayoffOut | None
    installments: list[InstallmentOut]
    protections: list[ProtectionOut]
    taken_back: list[TakenBackOut]
    totals: TotalsOut


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which statement is asked for."""

    from_date: date | None
    to_date: date | None
    as_: service.StatementFormat
    locale: str


def _wanted(
    request: Request,
    from_date: Annotated[
        date | None, Query(alias="from", description="First day; without it that of the payout")
    ] = None,
    to_date: Annotated[date | None, Query(alias="to", description="Last day; today without it")] = None,
    as_: Annotated[
        str, Query(alias="format", max_length=20, description="`json`, `pdf` or `csv`")
    ] = service.StatementFormat.JSON.value,
    locale: Annotated[
        str | None,
        Query(max_length=20, description="`zh-CN` or `en`; without it as for every other answer"),
    ] = None,
) -> Wanted:
    return Wanted(
        from_date,
        to_date,
        service.read_format(as_),
        http.locale_of(request) if locale is None else service.read_locale(locale),
    )


Asked = Annotated[Wanted, Depends(_wanted)]


@router.get("/me/loans/{loan_id}/statement", response_model=StatementOut, responses=ANSWERS)
def my_statement(loan_id: UUID, borrower_id: BorrowerId, session: Reading, asked: Asked) -> Response:
    """The statement of one of my loans."""
    return _answer(
        service.loan_statement(session, loan_id, asked.from_date, asked.to_date, borrower_id=borrower_id),
        asked,
    )


@router.get("/loans/{loan_id}/statement", response_model=StatementOut, responses=ANSWERS, dependencies=READER)
def read_statement(loan_id: UUID, session: Reading, asked: Asked) -> Response:
    """The statement of a loan as its borrower sees it."""
    return _answer(service.loan_statement(session, loan_id, asked.from_date, asked.to_date), asked)


def _answer(statement: service.Statement, asked: Wanted) -> Response:
    if asked.as_ is service.StatementFormat.JSON:
        return JSONResponse(
            statement_out(statement, asked.locale).model_dump(mode="json"),
            headers={"Cache-Control": "no-store", "Content-Language": asked.locale},
        )
    file = service.statement_file(statement, asked.as_, asked.locale)
    return Response(
        file.content,
        media_type=file.media_type,
        headers=file.headers | {"Content-Language": asked.locale},
    )


def statement_out(statement: service.Statement, locale: str) -> StatementOut:
    """A statement as JSON, its words in one language."""
    head = statement.heading
    words = Words(locale, head.currency)
    return StatementOut(
        loan_id=head.loan_id,
        borrower=head.borrower,
        product=head.product,
        currency=head.currency,
        principal_minor=head.principal_minor,
        annual_rate_percent=head.annual_rate_percent,
        rate=words.rate(statement),
        status=head.status,
        disbursed_on=head.disbursed_on,
        closed_on=head.closed_on,
        from_date=statement.from_date,
        to_date=statement.to_date,
        opening=OwedOut.model_validate(statement.opening),
        lines=[
            LineOut(
                value_date=one.value_date,
                kind=one.kind.value,
                what=words.line(one),
                change=OwedOut.model_validate(one.change),
                principal_after_minor=one.principal_after_minor,
                installment=one.installment,
            )
            for one in statement.lines
        ],
        closing=OwedOut.model_validate(statement.closing),
        overdue_minor=statement.overdue_minor,
        past_due_days=statement.past_due_days,
        delinquent_days=statement.delinquent_days,
        next_due=NextDueOut.model_validate(statement.next, from_attributes=True) if statement.next else None,
        payoff=StatementPayoffOut.model_validate(statement.payoff) if statement.payoff else None,
        installments=[installment_out(row) for row in statement.installments],
        protections=[
            ProtectionOut(
                kind=one.kind.value,
                first_day=one.first_day,
                last_day=one.last_day,
                what=words.protection(one),
                reason=one.reason,
            )
            for one in statement.protections
        ],
        taken_back=[
            TakenBackOut(
                type=one.type.value,
                value_date=one.value_date,
                amount_minor=one.amount_minor,
                taken_back_on=one.taken_back_on,
            )
            for one in statement.taken_back
        ],
        totals=TotalsOut.model_validate(statement.totals),
    )
