"""The form of an event without JavaScript: which fields each type has, and what was typed as an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from throughline.kernel.i18n import N_
from throughline.kernel.money import to_minor
from throughline.lending.event_bodies import read_event_body
from throughline.lending.history import AppliesTo, Calculation, ChargeKind, EventType
from throughline.lending.terms import FutureInstallments, PeriodUnit

AMOUNT = ("amount",)
TARGET = ("target",)
FIELDS: dict[EventType, tuple[str, ...]] = {
    EventType.REPAYMENT: AMOUNT,
    EventType.PAY_OFF: AMOUNT,
    EventType.DISBURSEMENT: AMOUNT,
    EventType.GOODWILL_CREDIT: AMOUNT,
    EventType.REVERSAL: TARGET,
    EventType.CHARGEBACK: ("target", "amount"),
    EventType.CHARGE: (
        "charge_kind", "charge_code", "calculation", "amount", "percent", "applies_to", "due_date",
    ),
    EventType.WAIVE_CHARGE: TARGET,
    EventType.UNDO_WAIVER: TARGET,
    EventType.WAIVE_INTEREST: AMOUNT,
    EventType.PAYOUT_REFUND: AMOUNT,
    EventType.MERCHANT_REFUND: AMOUNT,
    EventType.REFUND_OF_OVERPAYMENT: AMOUNT,
    EventType.SET_FUTURE_RULE: ("rule",),
    EventType.RESCHEDULE: (
        "annual_rate_percent", "new_due_date", "extra_installments", "grace_on_principal", "grace_on_interest",
        "interest_free",
    ),
    EventType.RE_AGE: ("first_due_date", "installments", "repay_count", "repay_unit"),
    EventType.RE_AMORTIZE: (),
    EventType.DELINQUENCY_RESUME: (),
    EventType.CHARGE_OFF: ("fraud",),
    EventType.UNDO_CHARGE_OFF: (),
    EventType.RECOVERY: AMOUNT,
    EventType.WRITE_OFF: (),
    EventType.UNDO_WRITE_OFF: (),
}  # fmt: skip
LABELS = {
    "value_date": N_("Value date"),
    "amount": N_("Amount"),
    "target": N_("Which event"),
    "charge_kind": N_("Kind of charge"),
    "charge_code": N_("Item of the cost table"),
    "calculation": N_("How it is found"),
    "percent": N_("Percent"),
    "applies_to": N_("Falls due"),
    "due_date": N_("Due on"),
    "rule": N_("Money in advance goes to"),
    "annual_rate_percent": N_("New yearly rate in percent"),
    "new_due_date": N_("Next due date moves to"),
    "extra_installments": N_("More installments"),
    "grace_on_principal": N_("Installments without principal"),
    "grace_on_interest": N_("Installments whose interest waits"),
    "interest_free": N_("Installments without interest"),
    "first_due_date": N_("First due date"),
    "installments": N_("Number of installments"),
    "repay_count": N_("An installment every"),
    "repay_unit": N_("Unit of that period"),
    "fraud": N_("It was fraud"),
}
DATES = frozenset({"value_date", "due_date", "new_due_date", "first_due_date"})
COUNTS = frozenset({"extra_installments", "grace_on_principal", "grace_on_interest", "interest_free"})
NUMBERS = COUNTS | {"installments", "repay_count"}
PERCENTS = frozenset({"percent", "annual_rate_percent"})
FREQUENCY = frozenset({"repay_count", "repay_unit"})
OPTIONAL = COUNTS | PERCENTS | FREQUENCY | {"due_date", "new_due_date"}
CHOICES: dict[str, tuple[str, ...]] = {
    "charge_kind": tuple(ChargeKind),
    "calculation": tuple(Calculation),
    "applies_to": tuple(AppliesTo),
    "rule": tuple(FutureInstallments),
    "repay_unit": tuple(PeriodUnit),
}
# Which earlier events an event may be about.
ABOUT: dict[EventType, frozenset[EventType]] = {
    EventType.WAIVE_CHARGE: frozenset({EventType.CHARGE}),
    EventType.UNDO_WAIVER: frozenset({EventType.CHARGE}),
    EventType.CHARGEBACK: frozenset(
        {EventType.REPAYMENT, EventType.PAY_OFF, EventType.PAYOUT_REFUND, EventType.MERCHANT_REFUND}
    ),
}
# How the form calls a member of the body, where it calls it something else.
_OWN_NAMES = {
    "amount_minor": "amount",
    "count": "repay_count",
    "unit": "repay_unit",
    "repay_every": "repay_count",
}
WRONG = N_("This is missing, or not what is asked for here")


class WrongField(Exception):
    """A field of the form holds what no event can have; `problem` says what to enter (a message id)."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field
        self.problem = _asked_for(field)


def _asked_for(field: str) -> str:
    if field == "amount":
        return N_("Enter an amount above 0, such as 1250.00")
    if field in DATES:
        return N_("Enter a date")
    if field in NUMBERS:
        return N_("Enter a whole number, at most 600")
    if field in PERCENTS:
        return N_("Enter a percentage such as 12.5, at most 1000")
    return N_("Choose one of these") if field in {"target", "charge_code", *CHOICES} else WRONG


def optional(kind: EventType, name: str) -> bool:
    """Whether a field may stay empty: an amount does when a percentage stands instead, or the quote of the day."""
    return name in OPTIONAL or (name == "amount" and kind in {EventType.CHARGE, EventType.PAY_OFF})


def read_body(kind: EventType, form: Mapping[str, str], currency: str) -> Any:
    """The event body that a form describes. Raises WrongField."""
    body: dict[str, Any] = {"type": kind.value, "value_date": form.get("value_date", "")}
    for name in FIELDS[kind]:
        typed = form.get(name, "")
        if name == "fraud":
            body["fraud"] = typed == "yes"
        elif typed and name == "amount":
            try:
                body["amount_minor"] = to_minor(typed.replace(",", ""), currency)
            except ValueError:
                raise WrongField("amount") from None
        elif typed and name not in FREQUENCY:
            body[name] = typed
    if kind is EventType.RE_AGE:
        body |= _frequency(form)
    try:
        return read_event_body(body)
    except ValidationError as error:
        path = [str(part) for part in error.errors()[0]["loc"]]
        raise WrongField(form_field(path[-1] if path else "type")) from None


def _frequency(form: Mapping[str, str]) -> dict[str, Any]:
    """How often an installment falls due, if it is to change: the number and its unit belong together."""
    count, unit = form.get("repay_count", ""), form.get("repay_unit", "")
    if not count and not unit:
        return {}
    if not count or not unit:
        raise WrongField("repay_unit" if count else "repay_count")
    return {"repay_every": {"count": count, "unit": unit}}


def form_field(name: str) -> str:
    """How the form calls a field of the body."""
    return _OWN_NAMES.get(name, name)
