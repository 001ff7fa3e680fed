"""A loan in JSON, as borrower and staff read it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from throughline.kernel.i18n import Text
from throughline.lending import service
from throughline.lending.history import Treatment, VariationKind
from throughline.lending.state import InstallmentState, LoanStatus

OnDay = Annotated[date | None, Query(description="As of this day; today without it")]


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
    due_date_provisional: bool = Field(
        False, description="The due date was moved by a list of days off that was not official yet"
    )
    deferred_minor: int = Field(
        0, description="Interest of its period that is due with the last installment and bears none itself"
    )


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


class VariationOut(BaseModel):
    """A dated change in force, such as a pause; the counting of the dates belongs to the kind (docs/lending.md)."""

    kind: str
    from_date: date
    to_date: date
    treatment: Treatment | None = Field(
        None, description="Of an interest pause: `defer` collects its interest with the last installment"
    )


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


def installment_out(row: InstallmentState) -> InstallmentOut:
    """An installment as JSON."""
    return InstallmentOut(
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
        due_date_provisional=row.provisional,
        deferred_minor=row.deferred_minor,
    )


def loan_out(view: service.LoanView) -> LoanOut:
    """A loan as JSON."""
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
        installments=[installment_out(row) for row in view.installments],
        variations=[
            VariationOut(
                kind=row.kind.value,
                from_date=row.from_date,
                to_date=row.to_date,
                treatment=row.treatment if row.kind is VariationKind.INTEREST_PAUSE else None,
            )
            for row in view.variations
        ],
        report_holds=[HoldOut.model_validate(row, from_attributes=True) for row in view.holds],
    )
