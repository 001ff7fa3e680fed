"""Reading the events of a loan document (docs/batch-commands.md, `lending replay`) and checking each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from throughline.lending.checks import HistoryError, check
from throughline.lending.history import ChargeKind, EventType, LoanEvent, Variation, VariationKind
from throughline.lending.reading_json import InputError, Node
from throughline.lending.terms import LoanTerms

_PAYMENTS = {
    "repayment": EventType.REPAYMENT,
    "pay_off": EventType.PAY_OFF,
    "goodwill_credit": EventType.GOODWILL_CREDIT,
}
_ABOUT_ANOTHER = {"reversal": EventType.REVERSAL, "waiver": EventType.WAIVE_CHARGE}
_PAUSES = {
    "interest_pause": VariationKind.INTEREST_PAUSE,
    "penalty_pause": VariationKind.PENALTY_PAUSE,
    "delinquency_pause": VariationKind.DELINQUENCY_PAUSE,
}
CLOSE = "close_of_business"
_KNOWN = sorted(
    {
        *_PAYMENTS,
        *_ABOUT_ANOTHER,
        *_PAUSES,
        "disbursement",
        "charge",
        "delinquency_resume",
        "due_date_shift",
        CLOSE,
    }
)


def read_event(node: Node, number: int, currency: str) -> LoanEvent | date:
    """One event; a close of business is only its date. Raises InputError.

    An event without an id is called by its place: "#1" is the first.
    """
    kind = node.text("type")
    name = node.text("id") if node.has("id") else f"#{number}"
    if kind == CLOSE:
        node.only("type", "id", "date")
        return node.day("date")
    if kind == "disbursement" or kind in _PAYMENTS:
        node.only("type", "id", "date", "amount")
        amount = node.amount("amount", currency) if kind != "pay_off" or node.has("amount") else None
        return LoanEvent(name, _PAYMENTS.get(kind, EventType.DISBURSEMENT), node.day("date"), amount)
    if kind in _ABOUT_ANOTHER:
        node.only("type", "id", "date", "of")
        return LoanEvent(name, _ABOUT_ANOTHER[kind], node.day("date"), target=node.text("of"))
    if kind == "charge":
        return _charge(node, name, currency)
    if kind == "delinquency_resume":
        node.only("type", "id", "date")
        return LoanEvent(name, EventType.DELINQUENCY_RESUME, node.day("date"))
    return _variation(node, kind, name)


def _charge(node: Node, name: str, currency: str) -> LoanEvent:
    node.only("type", "id", "kind", "date", "due_date", "amount", "calculation", "applies_to", "percent")
    for field, built in (("calculation", "flat"), ("applies_to", "due_date")):
        if node.has(field) and node.text(field) != built:
            raise InputError(node.at(field), f"this version calculates {built}")
    if node.has("percent"):
        raise InputError(node.at("percent"), "this version calculates null")
    node.require("kind")
    return LoanEvent(
        name,
        EventType.CHARGE,
        node.day("date"),
        node.amount("amount", currency),
        charge_kind=node.choice("kind", ChargeKind, ChargeKind.FEE),
        due_date=node.day_or_none("due_date"),
    )


def _variation(node: Node, kind: str, name: str) -> LoanEvent:
    if kind == "due_date_shift":
        node.only("type", "id", "from_due_date", "to_due_date", "shift_following")
        variation = Variation(
            VariationKind.DUE_DATE_SHIFT,
            node.day("from_due_date"),
            node.day("to_due_date"),
            node.yes("shift_following", default=True),
        )
    elif kind in _PAUSES:
        node.only("type", "id", "from", "to", "recorded_on")
        node.day_or_none("recorded_on")  # when it was recorded changes no result, only when it is known
        variation = Variation(_PAUSES[kind], node.day("from"), node.day("to"))
    else:
        raise InputError(node.at("type"), f"this version calculates {', '.join(_KNOWN)}")
    return LoanEvent(name, EventType.VARIATION, variation.from_date, variation=variation)


def check_event(node: Node, terms: LoanTerms, known: Sequence[LoanEvent], new: LoanEvent) -> None:
    """Raise InputError at the field that does not fit the history so far."""
    try:
        check(terms, known, new)
    except HistoryError as error:
        raise InputError(node.at(error.field), error.expected) from None
