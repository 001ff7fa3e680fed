"""JSON API of the ledger, for staff."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from throughline.kernel.http import Caller, Paged, PageParams, Reading, paged, problems, require_scope
from throughline.ledger import service

router = APIRouter(prefix="/api/v1/ledger", tags=["ledger"])
Reader = Annotated[Caller, Depends(require_scope("ledger:read"))]


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
