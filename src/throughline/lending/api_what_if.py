"""JSON of what events would do: a loan before and after, what differs, and the entries to come."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from throughline.lending.api_documents import InstallmentOut, PayoffOut, installment_out
from throughline.lending.state import Four, LoanState, LoanStatus
from throughline.lending.what_if import WhatIf, quote_of


class AmountsOut(BaseModel):
    """An amount by component, in minor units."""

    principal_minor: int
    interest_minor: int
    fee_minor: int
    penalty_minor: int


class StandingOut(BaseModel):
    """Where a loan stands: status, what is open, and what would settle it today (null: nothing to settle)."""

    status: LoanStatus
    outstanding: AmountsOut
    total_interest_minor: int = Field(description="Interest of all installments")
    total_penalty_minor: int = Field(description="Penalties of all installments")
    overpaid_minor: int
    charged_off_on: date | None
    quote: PayoffOut | None
    installments: list[InstallmentOut]


class ChangeOut(BaseModel):
    """An installment that differs; null where it does not exist."""

    nr: int
    before: InstallmentOut | None
    after: InstallmentOut | None


class LineOut(BaseModel):
    """A journal line; one of the two amounts is 0."""

    model_config = ConfigDict(from_attributes=True)
    account: str
    debit_minor: int
    credit_minor: int


class WhatIfOut(BaseModel):
    """A loan before and after, and the entries that recording would post on `posting_date`.

    `event_lines` are what the events move, `accrual_lines` the income that they make or take back.
    """

    currency: str
    as_of: date
    posting_date: date
    before: StandingOut
    after: StandingOut
    changes: list[ChangeOut]
    event_lines: list[LineOut]
    accrual_lines: list[LineOut]


def what_if_out(found: WhatIf) -> WhatIfOut:
    """A what-if as JSON."""
    return WhatIfOut(
        currency=found.currency,
        as_of=found.after.as_of,
        posting_date=found.posting_date,
        before=standing_out(found.before),
        after=standing_out(found.after),
        changes=[
            ChangeOut(
                nr=one.nr,
                before=installment_out(one.before) if one.before else None,
                after=installment_out(one.after) if one.after else None,
            )
            for one in found.changes
        ],
        event_lines=[LineOut.model_validate(line) for line in found.event_lines],
        accrual_lines=[LineOut.model_validate(line) for line in found.accrual_lines],
    )


def four(amounts: Four) -> dict[str, int]:
    """An amount by component, by the names of `AmountsOut`."""
    return dict(zip(AmountsOut.model_fields, amounts, strict=True))


def standing_out(state: LoanState) -> StandingOut:
    """Where a loan stands, as JSON."""
    quote = quote_of(state)
    return StandingOut(
        status=state.status,
        outstanding=AmountsOut(**four(state.outstanding)),
        total_interest_minor=sum(row.due[1] for row in state.installments),
        total_penalty_minor=sum(row.due[3] for row in state.installments),
        overpaid_minor=state.overpaid_minor,
        charged_off_on=state.charged_off_on,
        quote=PayoffOut.model_validate(quote) if quote else None,
        installments=[installment_out(row) for row in state.installments],
    )
