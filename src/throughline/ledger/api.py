"""JSON API of the ledger, for staff."""

from __future__ import annotations

import csv
from datetime import date, datetime
from io import StringIO
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Invalid
from throughline.kernel.http import (
    Caller,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import N_
from throughline.ledger import service

router = APIRouter(prefix="/api/v1/ledger", tags=["ledger"])
Reader = Annotated[Caller, Depends(require_scope("ledger:read"))]
Writer = Annotated[Caller, Depends(require_scope("ledger:write"))]
Reason = Annotated[str, Field(min_length=1, max_length=500, description="Why; kept for ever")]
CSV_ROWS = 100_000


class LineOut(BaseModel):
    """A line of an entry; one of the two amounts is 0."""

    account: str
    debit_minor: int
    credit_minor: int
    loan_id: UUID | None


class EntryOut(BaseModel):
    """A journal entry."""

    id: UUID
    key: str
    source: str
    value_date: date
    posting_date: date
    currency: str
    lines: list[LineOut]


class BalanceOut(BaseModel):
    """An account's sums; `balance_minor` is positive on the side on which the account grows."""

    account: str
    nature: str
    currency: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


@router.get("/entries", responses=problems(401, 403))
def list_entries(
    caller: Reader,
    session: Reading,
    page: PageParams,
    source: Annotated[str | None, Query(max_length=100, description='Such as "loan:<id>"')] = None,
) -> Paged[EntryOut]:
    """Journal entries in the order of posting."""
    del caller
    rows = service.entries(session, source=source, after=page.after, limit=page.limit + 1)
    return paged(
        [EntryOut.model_validate(row, from_attributes=True) for row in rows], page, lambda row: row.id
    )


@router.get("/trial-balance", responses=problems(401, 403))
def read_trial_balance(
    caller: Reader,
    session: Reading,
    on: Annotated[date | None, Query(description="Up to this posting date; all without it")] = None,
) -> list[BalanceOut]:
    """The sums of all accounts."""
    del caller
    return [
        BalanceOut.model_validate(row, from_attributes=True) for row in service.trial_balance(session, on=on)
    ]


class DayOut(BaseModel):
    """The sums of one account on one posting date that is over."""

    posting_date: date
    account: str
    currency: str
    debit_minor: int
    credit_minor: int


class DaysOut(BaseModel):
    """A page of the daily summary; `next_after` goes into `after` for the page that follows."""

    items: list[DayOut]
    next_after: str | None


class LockIn(BaseModel):
    """Lock the books through a posting date that is over."""

    through: date
    reason: Reason


class UnlockIn(BaseModel):
    """Take the lock back so that `back_to` is the last locked day; without it nothing is locked."""

    back_to: date | None = None
    reason: Reason


class PeriodActOut(BaseModel):
    """A lock or an unlock."""

    action: str
    locked_through: date | None
    actor: str
    reason: str
    recorded_at: datetime


class PeriodOut(BaseModel):
    """How far the books are locked, and the acts behind it, newest first."""

    locked_through: date | None
    acts: list[PeriodActOut]


After = Annotated[
    str | None,
    Query(
        pattern=r"^\d{4}-\d{2}-\d{2}/[a-z_]{1,60}/[A-Z]{3}$", description="`next_after` of the page before"
    ),
]
First = Annotated[date | None, Query(alias="from", description="From this posting date on")]


@router.get("/loans/{loan_id}/balances", responses=problems(401, 403, 422))
def read_loan_balances(caller: Reader, session: Reading, loan_id: UUID) -> list[BalanceOut]:
    """The accounts of one loan. A loan that is not in the books has none."""
    del caller
    rows = service.loan_balances(session, loan_id)
    return [BalanceOut.model_validate(row, from_attributes=True) for row in rows]


@router.get("/days", responses=problems(401, 403, 422))
def list_days(
    caller: Reader,
    session: Reading,
    first: First = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DaysOut:
    """The daily summary for the general ledger: closed days by account and currency."""
    del caller
    rows = service.day_sums(session, first=first, after=_place(after), limit=limit + 1)
    items = [DayOut.model_validate(row, from_attributes=True) for row in rows[:limit]]
    last = items[-1] if len(rows) > limit else None
    return DaysOut(
        items=items, next_after=f"{last.posting_date}/{last.account}/{last.currency}" if last else None
    )


@router.get(
    "/days.csv",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **problems(401, 403, 422)},
    response_class=Response,
)
def list_days_csv(caller: Reader, session: Reading, first: First = None) -> Response:
    """The daily summary as CSV, amounts in minor units; at most 100,000 rows."""
    del caller
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(("posting_date", "account", "currency", "debit_minor", "credit_minor"))
    for row in service.day_sums(session, first=first, limit=CSV_ROWS):
        writer.writerow((row.posting_date, row.account, row.currency, row.debit_minor, row.credit_minor))
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


def _place(after: str | None) -> tuple[date, str, str] | None:
    if after is None:
        return None
    day, account, currency = after.split("/")
    try:
        return date.fromisoformat(day), account, currency
    except ValueError as error:
        raise Invalid(N_("No such place in the list"), field="after") from error


@router.get("/period", responses=problems(401, 403))
def read_period(caller: Reader, session: Reading) -> PeriodOut:
    """How far the books are locked."""
    del caller
    return _period(session)


@router.post("/period/lock", responses=problems(400, 401, 403, 409, 422), response_model=PeriodOut)
def lock_period(caller: Writer, write: Writing, body: LockIn) -> Response:
    """Refuse every posting up to and with a closed day."""

    def verb(session: Session) -> PeriodOut:
        service.lock_period(
            session, body.through, actor=f"{caller.kind}:{caller.id}", reason=body.reason, now=clock.now()
        )
        return _period(session)

    return write.once(verb)


@router.post("/period/unlock", responses=problems(400, 401, 403, 409, 422), response_model=PeriodOut)
def unlock_period(caller: Writer, write: Writing, body: UnlockIn) -> Response:
    """Take a lock back, whole or to an earlier day."""

    def verb(session: Session) -> PeriodOut:
        service.unlock_period(
            session, body.back_to, actor=f"{caller.kind}:{caller.id}", reason=body.reason, now=clock.now()
        )
        return _period(session)

    return write.once(verb)


def _period(session: Session) -> PeriodOut:
    acts = [PeriodActOut.model_validate(row, from_attributes=True) for row in service.period_acts(session)]
    return PeriodOut(locked_through=service.locked_through(session), acts=acts)
