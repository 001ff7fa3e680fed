"""Whether an event fits a loan's history: asked before it is recorded, so that a replay never has to guess."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from throughline.kernel.i18n import N_, gettext
from throughline.kernel.money import MAX_MINOR
from throughline.lending.history import (
    PAYMENTS,
    REVERSIBLE,
    EventType,
    LoanEvent,
    VariationKind,
)
from throughline.lending.terms import LoanTerms

EARLIEST = date(1970, 1, 1)
LATEST = date(2199, 12, 31)


class HistoryError(ValueError):
    """An event that cannot be. `field` is the wrong member of the event, `code` stable.

    `detail` is a message id; `params` fill its places.
    """

    def __init__(self, field: str, code: str, detail: str, **params: object) -> None:
        super().__init__(f"{field}: {detail % params if params else detail}")
        self.field = field
        self.code = code
        self.detail = detail
        self.params = params

    @property
    def expected(self) -> str:
        """The message in English."""
        return gettext(self.detail, "en", **self.params)


def check(terms: LoanTerms, events: Sequence[LoanEvent], new: LoanEvent) -> None:
    """Raise HistoryError unless `new` may follow the recorded events."""
    if any(event.id == new.id for event in events):
        raise HistoryError("id", "event_id_taken", N_("The id is taken by another event"))
    _check_dates(new)
    if new.amount_minor is not None and not 0 < new.amount_minor <= MAX_MINOR:
        raise HistoryError(
            "amount",
            "amount_out_of_range",
            N_("The amount must be from 1 to %(most)s minor units"),
            most=MAX_MINOR,
        )
    payout = payout_in_force(events)
    if new.type is EventType.DISBURSEMENT:
        _check_disbursement(terms, payout, new)
    elif new.type is EventType.REVERSAL:
        _check_reversal(events, new)
    elif new.type is EventType.WAIVE_CHARGE:
        _check_waiver(events, new)
    elif new.type in PAYMENTS or new.type is EventType.CHARGE:
        _check_money(payout, new)
    elif new.type is EventType.VARIATION:
        _check_variation(payout, new)


def payout_in_force(events: Sequence[LoanEvent]) -> LoanEvent | None:
    """The disbursement that has not been reversed."""
    reversed_ids = {event.target for event in events if event.type is EventType.REVERSAL}
    return next(
        (event for event in events if event.type is EventType.DISBURSEMENT and event.id not in reversed_ids),
        None,
    )


def _check_dates(new: LoanEvent) -> None:
    dates = [("date", new.value_date), ("due_date", new.due_date)]
    if new.variation is not None:
        dates += [("from", new.variation.from_date), ("to", new.variation.to_date)]
    for field, day in dates:
        if day is not None and not EARLIEST <= day <= LATEST:
            raise HistoryError(
                field,
                "date_out_of_range",
                N_("The date must be from %(first)s to %(last)s"),
                first=EARLIEST,
                last=LATEST,
            )


def _check_disbursement(terms: LoanTerms, payout: LoanEvent | None, new: LoanEvent) -> None:
    if payout is not None:
        raise HistoryError("type", "already_disbursed", N_("The loan has been paid out already"))
    if new.amount_minor is None or new.amount_minor > terms.principal_minor:
        raise HistoryError("amount", "more_than_principal", N_("The payout must not exceed the principal"))
    if terms.first_due_date is not None and new.value_date >= terms.first_due_date:
        raise HistoryError("date", "after_first_due_date", N_("The payout must be before the first due date"))


def _check_money(payout: LoanEvent | None, new: LoanEvent) -> None:
    if new.amount_minor is None and new.type is not EventType.PAY_OFF:
        raise HistoryError("amount", "amount_missing", N_("An amount is required"))
    if payout is None:
        raise HistoryError("type", "not_disbursed", N_("The loan has not been paid out"))
    if new.value_date < payout.value_date:
        raise HistoryError(
            "date",
            "before_disbursement",
            N_("The date must not be before the payout on %(day)s"),
            day=payout.value_date,
        )
    if new.type is EventType.CHARGE:
        if new.charge_kind is None:
            raise HistoryError("kind", "charge_kind_missing", N_("A charge is a fee or a penalty"))
        if new.due_date is not None and new.due_date < payout.value_date:
            raise HistoryError(
                "due_date",
                "before_disbursement",
                N_("The date must not be before the payout on %(day)s"),
                day=payout.value_date,
            )


def _check_reversal(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    target = next((event for event in events if event.id == new.target), None)
    if target is None or target.type not in REVERSIBLE:
        raise HistoryError("of", "not_reversible", N_("Only a payment, a credit or a payout can be reversed"))
    if any(event.type is EventType.REVERSAL and event.target == new.target for event in events):
        raise HistoryError("of", "already_reversed", N_("This is reversed already"))
    if new.value_date < target.value_date:
        raise HistoryError(
            "date",
            "before_target",
            N_("The date must not be before %(day)s, the date of what it is about"),
            day=target.value_date,
        )


def _check_waiver(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    target = next((event for event in events if event.id == new.target), None)
    if target is None or target.type is not EventType.CHARGE:
        raise HistoryError("of", "charge_not_found", N_("There is no such charge on this loan"))
    if new.value_date < target.value_date:
        raise HistoryError(
            "date",
            "before_target",
            N_("The date must not be before %(day)s, the date of what it is about"),
            day=target.value_date,
        )


def _check_variation(payout: LoanEvent | None, new: LoanEvent) -> None:
    one = new.variation
    if one is None:
        raise HistoryError("variation", "variation_missing", N_("A variation is required"))
    if one.kind is VariationKind.DUE_DATE_SHIFT:
        if payout is None:
            raise HistoryError("type", "not_disbursed", N_("The loan has not been paid out"))
        if one.from_date == one.to_date:
            raise HistoryError(
                "to_due_date", "no_change", N_("The new due date must differ from the old one")
            )
        return
    empty = one.to_date < one.from_date or (
        one.kind is VariationKind.DELINQUENCY_PAUSE and one.to_date == one.from_date
    )
    if empty:
        raise HistoryError("to", "empty_pause", N_("The end must be after the beginning"))
    if payout is not None and one.to_date < payout.value_date:
        raise HistoryError(
            "to",
            "before_disbursement",
            N_("The date must not be before the payout on %(day)s"),
            day=payout.value_date,
        )
