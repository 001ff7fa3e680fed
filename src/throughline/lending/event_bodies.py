"""The events that staff may record, as JSON bodies told apart by `type`.

Amounts are in minor units, rates in percent a year, dates are value dates: the day that counts for the
borrower, today or earlier. Protection (variations) is not here: `continuity` grants it, by its rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from throughline.lending.history import (
    AppliesTo,
    Calculation,
    ChargeKind,
    ChargeRule,
    EventType,
    NewTerms,
)
from throughline.lending.recording import NewEvent
from throughline.lending.terms import MAX_INSTALLMENTS, Frequency, FutureInstallments, Grace, PeriodUnit

Amount = Annotated[int, Field(gt=0, le=10**12, description="In minor units")]
Count = Annotated[int, Field(ge=0, le=MAX_INSTALLMENTS)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Percent = Annotated[Decimal, Field(ge=0, le=1000, max_digits=8, decimal_places=4)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    value_date: date = Field(description="The day that counts for the borrower, today or earlier")
    reason: Reason | None = Field(
        None, description="Why, for the second person; only where one is needed, and needed there"
    )


class MoneyBody(_Body):
    """Money that moved, or debt that is given up: `waive_interest` takes away accrued interest.

    A `repayment` that covers the pay-off quote of its day is recorded as `pay_off`. A `recovery` needs a
    loan that is charged off or written off, a `refund_of_overpayment` that much overpayment.
    """

    type: Literal[
        "disbursement",
        "repayment",
        "goodwill_credit",
        "payout_refund",
        "merchant_refund",
        "recovery",
        "refund_of_overpayment",
        "waive_interest",
    ]
    amount_minor: Amount


class PayOffBody(_Body):
    """Full repayment; without an amount exactly the quote of its day."""

    type: Literal["pay_off"]
    amount_minor: Amount | None = None


class ChargebackBody(_Body):
    """The provider took a payment back, or a part of it; `target` is the payment's event."""

    type: Literal["chargeback"]
    amount_minor: Amount
    target: UUID


class AboutBody(_Body):
    """A reversal of an event, a waiver of a charge, or a waiver undone.

    `target` is the event that is reversed; for a waiver and its undo it is the charge.
    """

    type: Literal["reversal", "waiver", "undo_waiver"]
    target: UUID


class PlainBody(_Body):
    """What needs no more than a day. `re_amortize` spreads overdue principal over what is to come."""

    type: Literal["re_amortize", "write_off", "undo_write_off", "undo_charge_off", "delinquency_resume"]


class ChargeOffBody(_Body):
    """The lender expects no more; accrual stops, the loan stays collectable."""

    type: Literal["charge_off"]
    fraud: bool = False


class FutureRuleBody(_Body):
    """Which installment money in advance reaches from that day on."""

    type: Literal["set_future_installments"]
    rule: FutureInstallments


class ChargeBody(_Body):
    """A fee or penalty that the borrower agreed to: `charge_code` is its item in the cost table.

    A flat charge has an amount, one by percentage a `percent` and no amount. `due_date` is for a charge
    that `applies_to` a due date; without it the value date.
    """

    type: Literal["charge"]
    charge_kind: ChargeKind
    charge_code: Annotated[str, Field(min_length=1, max_length=80)]
    amount_minor: Amount | None = None
    due_date: date | None = None
    calculation: Calculation = Calculation.FLAT
    applies_to: AppliesTo = AppliesTo.DUE_DATE
    percent: Percent | None = None


class FrequencyBody(BaseModel):
    """A period of `count` units."""

    model_config = ConfigDict(extra="forbid")
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    unit: PeriodUnit = PeriodUnit.MONTHS


class RescheduleBody(_Body):
    """Other terms from a due date on. What is left out stays; nothing given at all is refused."""

    type: Literal["reschedule"]
    annual_rate_percent: Percent | None = None
    new_due_date: date | None = Field(None, description="Where the next due date moves; later ones follow")
    extra_installments: Count = 0
    grace_on_principal: Count = 0
    grace_on_interest: Count = 0
    interest_free: Count = 0


class ReAgeBody(_Body):
    """All that is owed as a new plan of `installments`, the first due on `first_due_date`."""

    type: Literal["re_age"]
    first_due_date: date
    installments: Annotated[int, Field(ge=1, le=MAX_INSTALLMENTS)]
    repay_every: FrequencyBody | None = None


EventBody = Annotated[
    MoneyBody
    | PayOffBody
    | ChargebackBody
    | AboutBody
    | PlainBody
    | ChargeOffBody
    | FutureRuleBody
    | ChargeBody
    | RescheduleBody
    | ReAgeBody,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[EventBody] = TypeAdapter(EventBody)

# What a refusal of the history calls a member, and what the body calls it.
_NAMES = {
    "date": "value_date",
    "amount": "amount_minor",
    "of": "target",
    "kind": "charge_kind",
}


def body_field(body: _Body, field: str) -> str:
    """How the body names the field that a refusal is about."""
    name = _NAMES.get(field, field)
    if isinstance(body, RescheduleBody) and field == "first_due_date":
        name = "new_due_date"
    return name if name in type(body).model_fields else "type"


def read_event_body(document: Mapping[str, object]) -> EventBody:
    """A body from its JSON or from the fields of a form. Raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(document)


def new_event(body: _Body, *, key: str, actor: str) -> NewEvent:
    """The event that a body describes."""
    kind = EventType(getattr(body, "type"))  # noqa: B009 - every body of the union has one
    plain = NewEvent(
        kind,
        body.value_date,
        key,
        amount_minor=getattr(body, "amount_minor", None),
        target=getattr(body, "target", None),
        actor=actor,
    )
    if isinstance(body, ChargeBody):
        return _charge(plain, body)
    if isinstance(body, FutureRuleBody):
        return replace(plain, future=body.rule)
    if isinstance(body, ChargeOffBody):
        return replace(plain, fraud=body.fraud)
    if isinstance(body, RescheduleBody):
        grace = Grace(body.grace_on_principal, body.grace_on_interest, body.interest_free)
        terms = NewTerms(body.annual_rate_percent, body.new_due_date, body.extra_installments, grace=grace)
        return replace(plain, new_terms=terms)
    if isinstance(body, ReAgeBody):
        every = body.repay_every
        frequency = Frequency(every.count, every.unit) if every else None
        terms = NewTerms(None, body.first_due_date, body.installments, frequency)
        return replace(plain, new_terms=terms)
    return plain


def _charge(plain: NewEvent, body: ChargeBody) -> NewEvent:
    return replace(
        plain,
        charge_kind=body.charge_kind,
        charge_code=body.charge_code,
        due_date=body.due_date,
        charge_rule=ChargeRule(body.calculation, body.applies_to, body.percent),
    )
