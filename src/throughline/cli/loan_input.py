"""Reading the events of a loan document (docs/batch-commands.md, `lending replay`) and checking each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from throughline.cli.loan_books import LoanBooks
from throughline.lending.checks import HistoryError, check, check_state
from throughline.lending.history import (
    AppliesTo,
    Calculation,
    ChargeKind,
    ChargeRule,
    EventType,
    LoanEvent,
    NewTerms,
    Treatment,
    Variation,
    VariationKind,
)
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import FutureInstallments, Grace
from throughline.lending.terms_json import read_frequency

_MONEY = {
    one.value: one
    for one in (
        EventType.DISBURSEMENT,
        EventType.REPAYMENT,
        EventType.PAY_OFF,
        EventType.GOODWILL_CREDIT,
        EventType.PAYOUT_REFUND,
        EventType.MERCHANT_REFUND,
        EventType.RECOVERY,
        EventType.CHARGEBACK,
        EventType.REFUND_OF_OVERPAYMENT,
        EventType.WAIVE_INTEREST,
    )
}
_ABOUT_ANOTHER = {
    one.value: one for one in (EventType.REVERSAL, EventType.WAIVE_CHARGE, EventType.UNDO_WAIVER)
}
_PLAIN = {
    one.value: one
    for one in (
        EventType.DELINQUENCY_RESUME,
        EventType.UNDO_CHARGE_OFF,
        EventType.WRITE_OFF,
        EventType.UNDO_WRITE_OFF,
        EventType.RE_AMORTIZE,
    )
}
_PAUSES = {
    "interest_pause": VariationKind.INTEREST_PAUSE,
    "penalty_pause": VariationKind.PENALTY_PAUSE,
    "delinquency_pause": VariationKind.DELINQUENCY_PAUSE,
}
CLOSE = "close_of_business"
# How documents call the day of an event.
_DAYS = ("date", "effective_from", "from", "from_due_date")


def read_event(node: Node, number: int, currency: str) -> LoanEvent | date:
    """One event; a close of business is only its date. Raises InputError.

    An event without an id is called by its place: "#1" is the first.
    """
    kind = node.text("type")
    name = node.text("id") if node.has("id") else f"#{number}"
    if kind == CLOSE:
        node.only("type", "id", "date")
        return node.day("date")
    if kind in _MONEY:
        node.only("type", "id", "date", "amount", "of")
        amount = node.amount("amount", currency) if kind != "pay_off" or node.has("amount") else None
        target = node.text("of") if kind == "chargeback" or node.has("of") else None
        return LoanEvent(name, _MONEY[kind], node.day("date"), amount, target=target)
    if kind in _ABOUT_ANOTHER:
        node.only("type", "id", "date", "of")
        return LoanEvent(name, _ABOUT_ANOTHER[kind], node.day("date"), target=node.text("of"))
    if kind in _PLAIN:
        node.only("type", "id", "date")
        return LoanEvent(name, _PLAIN[kind], node.day("date"))
    readers = {
        "charge": _charge,
        "charge_off": _charge_off,
        "set_future_installments": _future,
        "reschedule": _reschedule,
        "re_age": _re_age,
    }
    if kind in readers:
        return readers[kind](node, name, currency)
    return _variation(
        node, kind, name, sorted({*_MONEY, *_ABOUT_ANOTHER, *_PLAIN, *_PAUSES, *readers, CLOSE})
    )


def _charge(node: Node, name: str, currency: str) -> LoanEvent:
    node.only("type", "id", "kind", "date", "due_date", "amount", "calculation", "applies_to", "percent")
    node.require("kind")
    calculation = node.choice("calculation", Calculation, Calculation.FLAT)
    plain = calculation is Calculation.FLAT
    return LoanEvent(
        name,
        EventType.CHARGE,
        node.day("date"),
        node.amount("amount", currency) if plain else None,
        charge_kind=node.choice("kind", ChargeKind, ChargeKind.FEE),
        due_date=node.day_or_none("due_date"),
        charge_rule=ChargeRule(
            calculation,
            node.choice("applies_to", AppliesTo, AppliesTo.DUE_DATE),
            node.percent("percent") if not plain or node.has("percent") else None,
        ),
    )


def _charge_off(node: Node, name: str, currency: str) -> LoanEvent:
    del currency
    node.only("type", "id", "date", "fraud")
    return LoanEvent(name, EventType.CHARGE_OFF, node.day("date"), fraud=node.yes("fraud", default=False))


def _future(node: Node, name: str, currency: str) -> LoanEvent:
    del currency
    node.only("type", "id", "date", "rule")
    node.require("rule")
    rule = node.choice("rule", FutureInstallments, FutureInstallments.NEXT)
    return LoanEvent(name, EventType.SET_FUTURE_RULE, node.day("date"), future=rule)


def _reschedule(node: Node, name: str, currency: str) -> LoanEvent:
    del currency
    node.only(
        "type",
        "id",
        "date",
        "effective_from",
        "annual_rate_percent",
        "new_due_date",
        "extra_installments",
        "grace_on_principal",
        "grace_on_interest",
        "interest_free",
    )
    terms = NewTerms(
        annual_rate_percent=node.percent("annual_rate_percent") if node.has("annual_rate_percent") else None,
        first_due_date=node.day_or_none("new_due_date"),
        installments=node.whole("extra_installments", 0),
        grace=Grace(
            node.whole("grace_on_principal", 0),
            node.whole("grace_on_interest", 0),
            node.whole("interest_free", 0),
        ),
    )
    return LoanEvent(name, EventType.RESCHEDULE, node.day("effective_from"), new_terms=terms)


def _re_age(node: Node, name: str, currency: str) -> LoanEvent:
    del currency
    node.only("type", "id", "date", "first_due_date", "installments", "repay_every")
    every = node.child("repay_every") if node.has("repay_every") else None
    terms = NewTerms(
        first_due_date=node.day("first_due_date"),
        installments=node.whole("installments"),
        repay_every=read_frequency(every) if every is not None else None,
    )
    return LoanEvent(name, EventType.RE_AGE, node.day("date"), new_terms=terms)


def _variation(node: Node, kind: str, name: str, known: Sequence[str]) -> LoanEvent:
    if kind == "due_date_shift":
        node.only("type", "id", "from_due_date", "to_due_date", "shift_following")
        variation = Variation(
            VariationKind.DUE_DATE_SHIFT,
            node.day("from_due_date"),
            node.day("to_due_date"),
            node.yes("shift_following", default=True),
        )
    elif kind in _PAUSES:
        treats = ["treatment"] if _PAUSES[kind] is VariationKind.INTEREST_PAUSE else []
        node.only("type", "id", "from", "to", "recorded_on", *treats)
        node.day_or_none("recorded_on")  # when it was recorded changes no result, only when it is known
        variation = Variation(
            _PAUSES[kind],
            node.day("from"),
            node.day("to"),
            treatment=node.choice("treatment", Treatment, Treatment.FORGIVE),
        )
    else:
        raise InputError(node.at("type"), f"expected one of {', '.join([*known, 'due_date_shift'])}")
    return LoanEvent(name, EventType.VARIATION, variation.from_date, variation=variation)


def check_event(node: Node, books: LoanBooks, new: LoanEvent) -> None:
    """Raise InputError at the field that does not fit the history so far."""
    try:
        check(books.terms, books.events, new)
        check_state(books.state(new.value_date), new)  # an event after the document's day counts from its own
    except HistoryError as error:
        field = error.field
        if field == "date":
            field = next((name for name in _DAYS if name in node.values), field)
        raise InputError(node.at(field), error.expected) from None
