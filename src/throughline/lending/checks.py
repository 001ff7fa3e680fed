"""Whether an event fits a loan's history: asked before it is recorded, so that a replay never has to guess."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from throughline.kernel.i18n import N_, gettext
from throughline.kernel.money import MAX_MINOR
from throughline.lending.history import (
    MONEY,
    PAYMENTS,
    REVERSIBLE,
    UNDOES,
    AppliesTo,
    Calculation,
    EventType,
    LoanEvent,
    NewTerms,
    Treatment,
    VariationKind,
    cancelled,
    last_standing,
)
from throughline.lending.state import LoanState
from throughline.lending.terms import MAX_INSTALLMENTS, MAX_RATE_PERCENT, LoanTerms

PLAN_EVENTS = frozenset({EventType.RESCHEDULE, EventType.RE_AGE, EventType.RE_AMORTIZE})
NEEDS_DEBT = PLAN_EVENTS | {
    EventType.CHARGE_OFF,
    EventType.WRITE_OFF,
    EventType.WAIVE_INTEREST,
    EventType.PAY_OFF,
}
WITHOUT_AMOUNT = PLAN_EVENTS | {
    EventType.PAY_OFF,
    EventType.CHARGE_OFF,
    EventType.WRITE_OFF,
    EventType.SET_FUTURE_RULE,
}
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
    _check_standing(events, new)
    if new.type is EventType.DISBURSEMENT:
        _check_disbursement(terms, events, payout, new)
    elif new.type is EventType.REVERSAL:
        _check_reversal(events, new)
    elif new.type is EventType.WAIVE_CHARGE:
        _check_waiver(events, new)
    elif new.type in UNDOES:
        _check_undo(events, new)
    elif new.type is EventType.CHARGE:
        _check_charge(payout, new)
    elif new.type in MONEY:
        _check_money(payout, new)
        if new.type is EventType.CHARGEBACK:
            _check_chargeback(events, new)
        elif new.type in PLAN_EVENTS:
            _check_new_terms(new)
    elif new.type is EventType.VARIATION:
        _check_variation(payout, new)


def _check_standing(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    """What a written-off or charged-off loan still takes."""
    gone = cancelled(events)
    written_off = last_standing(events, EventType.WRITE_OFF, None, gone)
    charged_off = last_standing(events, EventType.CHARGE_OFF, None, gone)
    if new.type is EventType.CHARGE_OFF and charged_off is not None:
        raise HistoryError("type", "already_charged_off", N_("The loan is charged off already"))
    if new.type is EventType.RECOVERY and written_off is None and charged_off is None:
        raise HistoryError(
            "type", "not_charged_off", N_("A recovery needs a loan that is charged off or written off")
        )
    if written_off is None:
        return
    after = new.value_date >= written_off.value_date
    if new.type in MONEY and new.type is not EventType.RECOVERY and after:
        raise HistoryError(
            "type", "loan_written_off", N_("The loan is written off: only a recovery can be recorded")
        )


def check_state(before: LoanState, new: LoanEvent) -> None:
    """Raise HistoryError when the loan as it stands before `new` does not take it.

    Asked once, when the event is recorded: what a later replay makes of the loan is a matter of the walk.
    """
    if new.type is EventType.REFUND_OF_OVERPAYMENT and (new.amount_minor or 0) > before.overpaid_minor:
        raise HistoryError(
            "amount",
            "more_than_overpaid",
            N_("The refund must not exceed the overpayment of %(most)s minor units"),
            most=before.overpaid_minor,
        )
    needs_debt = new.type in NEEDS_DEBT or new.type is EventType.VARIATION
    if needs_debt and before.closed and before.closed_on is not None and new.value_date >= before.closed_on:
        raise HistoryError("type", "loan_closed", N_("The loan is closed: nothing is owed on it"))


def payout_in_force(events: Sequence[LoanEvent]) -> LoanEvent | None:
    """The first disbursement that has not been reversed."""
    gone = cancelled(events)
    payouts = [event for event in events if event.type is EventType.DISBURSEMENT and event.id not in gone]
    return min(payouts, key=lambda event: event.value_date, default=None)


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


def _check_disbursement(
    terms: LoanTerms, events: Sequence[LoanEvent], payout: LoanEvent | None, new: LoanEvent
) -> None:
    gone = cancelled(events)
    given = sum(
        event.amount_minor or 0
        for event in events
        if event.type is EventType.DISBURSEMENT and event.id not in gone
    )
    if new.amount_minor is None or given + new.amount_minor > terms.principal_minor:
        raise HistoryError("amount", "more_than_principal", N_("The payout must not exceed the principal"))
    if payout is not None and new.value_date < payout.value_date:
        raise HistoryError(
            "date",
            "before_disbursement",
            N_("The date must not be before the payout on %(day)s"),
            day=payout.value_date,
        )
    if terms.first_due_date is not None and new.value_date >= terms.first_due_date:
        raise HistoryError("date", "after_first_due_date", N_("The payout must be before the first due date"))


def _check_money(payout: LoanEvent | None, new: LoanEvent, *, amount_needed: bool = True) -> None:
    if new.type in WITHOUT_AMOUNT:
        amount_needed = False
    if amount_needed and new.amount_minor is None:
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


def _check_charge(payout: LoanEvent | None, new: LoanEvent) -> None:
    rule = new.charge_rule
    if new.charge_kind is None:
        raise HistoryError("kind", "charge_kind_missing", N_("A charge is a fee or a penalty"))
    if (rule.calculation is Calculation.FLAT) != (rule.percent is None):
        raise HistoryError(
            "percent",
            "percent_mismatch",
            N_("A percentage belongs to a calculation by percentage, and only there"),
        )
    if rule.percent is None and new.amount_minor is None:
        raise HistoryError("amount", "amount_missing", N_("An amount is required"))
    if rule.percent is not None and not 0 < rule.percent <= MAX_RATE_PERCENT:
        raise HistoryError(
            "percent",
            "percent_out_of_range",
            N_("The percentage must be above 0 and at most %(most)s"),
            most=MAX_RATE_PERCENT,
        )
    if rule.applies_to is AppliesTo.DISBURSEMENT:
        if payout is not None and new.value_date > payout.value_date:
            raise HistoryError(
                "date", "after_disbursement", N_("A charge on the payout cannot be dated after it")
            )
        return
    if payout is None:
        if rule.applies_to is AppliesTo.DUE_DATE:
            raise HistoryError("type", "not_disbursed", N_("The loan has not been paid out"))
        return
    _check_money(payout, new, amount_needed=False)
    if new.due_date is not None and new.due_date < payout.value_date:
        raise HistoryError(
            "due_date",
            "before_disbursement",
            N_("The date must not be before the payout on %(day)s"),
            day=payout.value_date,
        )


def _check_chargeback(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    gone = cancelled(events)
    target = next((event for event in events if event.id == new.target), None)
    if target is None or target.type not in PAYMENTS or target.id in gone:
        raise HistoryError("of", "payment_not_found", N_("There is no such payment on this loan"))
    _check_not_before(target, new)
    back = sum(
        event.amount_minor or 0
        for event in events
        if event.type is EventType.CHARGEBACK and event.target == target.id and event.id not in gone
    )
    if target.amount_minor is not None and back + (new.amount_minor or 0) > target.amount_minor:
        raise HistoryError(
            "amount", "more_than_payment", N_("A chargeback must not exceed the payment that it takes back")
        )


def _check_undo(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    undone = last_standing(events, UNDOES[new.type], new.target, cancelled(events))
    if undone is None:
        field = "of" if new.type is EventType.UNDO_WAIVER else "type"
        raise HistoryError(field, "nothing_to_undo", N_("There is nothing to undo"))
    _check_not_before(undone, new, field="date")


def _check_new_terms(new: LoanEvent) -> None:
    change = new.new_terms
    if new.type is EventType.RE_AMORTIZE:
        return
    if change is None:
        raise HistoryError("type", "terms_missing", N_("New terms are required"))
    if change.annual_rate_percent is not None and not 0 <= change.annual_rate_percent <= MAX_RATE_PERCENT:
        raise HistoryError(
            "annual_rate_percent",
            "rate_out_of_range",
            N_("The rate must be from 0 to %(most)s percent"),
            most=MAX_RATE_PERCENT,
        )
    field = "extra_installments" if new.type is EventType.RESCHEDULE else "installments"
    least = 0 if new.type is EventType.RESCHEDULE else 1
    if not least <= change.installments <= MAX_INSTALLMENTS:
        raise HistoryError(
            field,
            "installments_out_of_range",
            N_("The number must be from %(least)s to %(most)s"),
            least=least,
            most=MAX_INSTALLMENTS,
        )
    first = change.first_due_date
    if new.type is EventType.RE_AGE and (first is None or first <= new.value_date):
        raise HistoryError(
            "first_due_date", "not_after_date", N_("The first due date must be after the date")
        )
    if new.type is EventType.RESCHEDULE and change == NewTerms():
        raise HistoryError("type", "no_change", N_("Say what changes: rate, date, installments or grace"))
    if any(
        not 0 <= count <= MAX_INSTALLMENTS
        for count in (change.grace.principal, change.grace.interest_payment, change.grace.interest_free)
    ):
        raise HistoryError(
            "grace_on_principal",
            "grace_out_of_range",
            N_("The number must be from %(least)s to %(most)s"),
            least=0,
            most=MAX_INSTALLMENTS,
        )


def _check_not_before(target: LoanEvent, new: LoanEvent, field: str = "date") -> None:
    if new.value_date < target.value_date:
        raise HistoryError(
            field,
            "before_target",
            N_("The date must not be before %(day)s, the date of what it is about"),
            day=target.value_date,
        )


def _check_reversal(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    target = next((event for event in events if event.id == new.target), None)
    if target is None or target.type not in REVERSIBLE:
        raise HistoryError(
            "of", "not_reversible", N_("Only money that moved, waived interest or new terms can be reversed")
        )
    if any(event.type is EventType.REVERSAL and event.target == new.target for event in events):
        raise HistoryError("of", "already_reversed", N_("This is reversed already"))
    _check_not_before(target, new)
    if target.type is EventType.DISBURSEMENT:
        _check_payout_reversal(events, target)


def _check_payout_reversal(events: Sequence[LoanEvent], target: LoanEvent) -> None:
    """A payout that later payouts stand on goes last."""
    gone = cancelled(events)
    later = [
        event
        for event in events
        if event.type is EventType.DISBURSEMENT
        and event.id not in gone
        and event.value_date > target.value_date
    ]
    if later:
        raise HistoryError("of", "later_payout", N_("Reverse the later payout first"))


def _check_waiver(events: Sequence[LoanEvent], new: LoanEvent) -> None:
    target = next((event for event in events if event.id == new.target), None)
    if target is None or target.type is not EventType.CHARGE:
        raise HistoryError("of", "charge_not_found", N_("There is no such charge on this loan"))
    _check_not_before(target, new)


def _check_variation(payout: LoanEvent | None, new: LoanEvent) -> None:
    one = new.variation
    if one is None:
        raise HistoryError("variation", "variation_missing", N_("A variation is required"))
    if payout is None:
        raise HistoryError("type", "not_disbursed", N_("The loan has not been paid out"))
    if one.treatment is not Treatment.FORGIVE and one.kind is not VariationKind.INTEREST_PAUSE:
        raise HistoryError(
            "treatment",
            "not_an_interest_pause",
            N_("Only an interest pause can defer: leave the treatment out"),
        )
    if one.kind is VariationKind.DUE_DATE_SHIFT:
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
    if one.to_date < payout.value_date:
        raise HistoryError(
            "to",
            "before_disbursement",
            N_("The date must not be before the payout on %(day)s"),
            day=payout.value_date,
        )
