"""The dated events of a loan and what is left of them in force (lending.md sections 2 and 7).

Events are kept in the order in which they were recorded; what counts is their value date. A reversed
event and a revoked variation are simply not there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from throughline.lending.periods import DueDateShift
from throughline.lending.rates import Span, merge
from throughline.lending.terms import Frequency, FutureInstallments, Grace

ONE_DAY = timedelta(days=1)


class EventType(StrEnum):
    """What can happen to a loan; `repayment_at_disbursement` is only a transaction, made by a charge."""

    DISBURSEMENT = "disbursement"
    REPAYMENT = "repayment"
    PAY_OFF = "pay_off"
    GOODWILL_CREDIT = "goodwill_credit"
    PAYOUT_REFUND = "payout_refund"
    MERCHANT_REFUND = "merchant_refund"
    RECOVERY = "recovery"
    REFUND_OF_OVERPAYMENT = "refund_of_overpayment"
    CHARGEBACK = "chargeback"
    REVERSAL = "reversal"
    CHARGE = "charge"
    WAIVE_CHARGE = "waiver"
    UNDO_WAIVER = "undo_waiver"
    WAIVE_INTEREST = "waive_interest"
    SET_FUTURE_RULE = "set_future_installments"
    RESCHEDULE = "reschedule"
    RE_AGE = "re_age"
    RE_AMORTIZE = "re_amortize"
    CHARGE_OFF = "charge_off"
    UNDO_CHARGE_OFF = "undo_charge_off"
    WRITE_OFF = "write_off"
    UNDO_WRITE_OFF = "undo_write_off"
    VARIATION = "variation"
    DELINQUENCY_RESUME = "delinquency_resume"
    END_VARIATIONS = "end_variations"
    REVOKE_VARIATIONS = "revoke_variations"
    REPAYMENT_AT_DISBURSEMENT = "repayment_at_disbursement"


RECEIPTS = frozenset(
    {
        EventType.REPAYMENT,
        EventType.PAY_OFF,
        EventType.PAYOUT_REFUND,
        EventType.MERCHANT_REFUND,
    }
)
PAYMENTS = RECEIPTS | {EventType.GOODWILL_CREDIT}
REVERSIBLE = PAYMENTS | {
    EventType.DISBURSEMENT,
    EventType.RECOVERY,
    EventType.REFUND_OF_OVERPAYMENT,
    EventType.CHARGEBACK,
    EventType.WAIVE_INTEREST,
    EventType.RESCHEDULE,
    EventType.RE_AGE,
    EventType.RE_AMORTIZE,
}
# Terms that change at a date; they are part of the contract, so they count also before that date has come.
PLAN_CHANGES = frozenset({EventType.RESCHEDULE, EventType.SET_FUTURE_RULE})
# What undoes the newest event of another type (of the same target, where it has one).
UNDOES = {
    EventType.UNDO_WAIVER: EventType.WAIVE_CHARGE,
    EventType.UNDO_CHARGE_OFF: EventType.CHARGE_OFF,
    EventType.UNDO_WRITE_OFF: EventType.WRITE_OFF,
}

# On one value date: terms, disbursement, charges, waivers, payments and credits, charge-off; then the order
# of recording.
_RANK = {
    EventType.RESCHEDULE: 0,
    EventType.SET_FUTURE_RULE: 0,
    EventType.RE_AGE: 0,
    EventType.RE_AMORTIZE: 0,
    EventType.DISBURSEMENT: 1,
    EventType.CHARGE: 2,
    EventType.WAIVE_CHARGE: 3,
    EventType.WAIVE_INTEREST: 3,
    EventType.CHARGE_OFF: 5,
    EventType.WRITE_OFF: 5,
} | dict.fromkeys(PAYMENTS | {EventType.RECOVERY, EventType.REFUND_OF_OVERPAYMENT, EventType.CHARGEBACK}, 4)
MONEY = frozenset(_RANK)


class ChargeKind(StrEnum):
    """What kind of debt a charge is."""

    FEE = "fee"
    PENALTY = "penalty"


class Calculation(StrEnum):
    """How the amount of a charge is found: as given, or a percentage of principal, interest or both."""

    FLAT = "flat"
    PERCENT_OF_AMOUNT = "percent_of_amount"
    PERCENT_OF_INTEREST = "percent_of_interest"
    PERCENT_OF_AMOUNT_AND_INTEREST = "percent_of_amount_and_interest"


class AppliesTo(StrEnum):
    """When a charge falls due."""

    DUE_DATE = "due_date"
    EACH_INSTALLMENT = "each_installment"
    DISBURSEMENT = "disbursement"
    OVERDUE_INSTALLMENT = "overdue_installment"


@dataclass(frozen=True, slots=True)
class ChargeRule:
    """What is not plain about a charge; `percent` belongs to the calculations by percentage."""

    calculation: Calculation = Calculation.FLAT
    applies_to: AppliesTo = AppliesTo.DUE_DATE
    percent: Decimal | None = None


PLAIN_CHARGE = ChargeRule()


@dataclass(frozen=True, slots=True)
class NewTerms:
    """Terms from a due date on (reschedule), or a new plan of `installments` from `first_due_date` (re-age).

    A None or 0 changes nothing.
    """

    annual_rate_percent: Decimal | None = None
    first_due_date: date | None = None
    installments: int = 0
    repay_every: Frequency | None = None
    grace: Grace = field(default_factory=Grace)


class VariationKind(StrEnum):
    """What a variation changes."""

    INTEREST_PAUSE = "interest_pause"
    DELINQUENCY_PAUSE = "delinquency_pause"
    PENALTY_PAUSE = "penalty_pause"
    DUE_DATE_SHIFT = "due_date_shift"


class Treatment(StrEnum):
    """What becomes of the interest of paused days: it is not charged, or collected with the last installment."""

    FORGIVE = "forgive"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class Variation:
    """A dated change. The counting of the dates belongs to the kind.

    interest and penalty pause: both days inside. Delinquency pause: `to_date` is the day on which the
    clock runs again. Due-date shift: from the old to the new due date. `treatment` belongs to interest pauses.
    """

    kind: VariationKind
    from_date: date
    to_date: date
    shift_following: bool = True
    treatment: Treatment = Treatment.FORGIVE


@dataclass(frozen=True, slots=True)
class LoanEvent:
    """One recorded event.

    `target` is the event that a reversal or a waiver is about, `case` groups variations that were
    granted together. A pay-off without an amount pays exactly the quote of its day.
    """

    id: str
    type: EventType
    value_date: date
    amount_minor: int | None = None
    target: str | None = None
    charge_kind: ChargeKind | None = None
    due_date: date | None = None
    variation: Variation | None = None
    case: str | None = None
    charge_rule: ChargeRule = PLAIN_CHARGE
    new_terms: NewTerms | None = None
    future: FutureInstallments | None = None
    fraud: bool = False


@dataclass(frozen=True, slots=True)
class Pauses:
    """Merged pauses. Interest and penalty: both days inside; delinquency: up to the day before its end.

    Interest of `interest` days is forgiven, also where they are among the `deferred` ones.
    """

    interest: tuple[Span, ...]
    penalty: tuple[Span, ...]
    delinquency: tuple[Span, ...]  # (from, to) as granted: `to` is the first day that counts again
    deferred: tuple[Span, ...] = ()

    def delinquency_paused(self, on: date) -> bool:
        """Whether the clock of delinquency stands on that day."""
        return any(first <= on < until for first, until in self.delinquency)


@dataclass(frozen=True, slots=True)
class InForce:
    """What is left when reversals and revocations are applied: money in the order of replay, and variations."""

    money: tuple[LoanEvent, ...]
    pauses: Pauses
    shifts: tuple[DueDateShift, ...]


def in_force(events: Sequence[LoanEvent], *, as_of: date) -> InForce:
    """Sort out the events. Money counts up to `as_of`; variations, being part of the contract, always."""
    gone = cancelled(events)
    money = [
        event
        for event in events
        if event.type in MONEY
        and event.id not in gone
        and (event.value_date <= as_of or event.type in PLAN_CHANGES)
    ]
    money.sort(key=order)  # stable: on one day and rank the order of recording stays
    variations = variations_in_force(events)
    shifts = tuple(
        DueDateShift(one.from_date, one.to_date, one.shift_following)
        for one in variations
        if one.kind is VariationKind.DUE_DATE_SHIFT
    )
    return InForce(tuple(money), _pauses(variations), shifts)


def order(event: LoanEvent) -> tuple[date, int]:
    """Where an event that moves money or terms stands among the others, before the order of recording."""
    return event.value_date, _RANK[event.type]


def cancelled(events: Sequence[LoanEvent]) -> set[str]:
    """The ids of events that a reversal or an undo has taken away, a chargeback with the payment that it is of."""
    gone: set[str] = set()
    for place, event in enumerate(events):
        if event.type is EventType.REVERSAL and event.target is not None:
            gone.add(event.target)
        elif event.type in UNDOES:
            undone = last_standing(events[:place], UNDOES[event.type], event.target, gone)
            if undone is not None:
                gone.add(undone.id)
    return gone | {one.id for one in events if one.type is EventType.CHARGEBACK and one.target in gone}


def last_standing(
    events: Sequence[LoanEvent], kind: EventType, target: str | None, gone: Collection[str]
) -> LoanEvent | None:
    """The newest event of a type (and of a target, if one is given) that has not been taken away."""
    for event in reversed(events):
        if event.type is kind and event.id not in gone and (target is None or event.target == target):
            return event
    return None


def variations_in_force(events: Sequence[LoanEvent]) -> tuple[Variation, ...]:
    """The variations that stand after ends, resumptions and revocations, in the order of recording."""
    standing: list[tuple[str | None, Variation]] = []
    for event in events:
        if event.type is EventType.VARIATION and event.variation is not None:
            standing.append((event.case, event.variation))
        elif event.type is EventType.REVOKE_VARIATIONS:
            standing = [(case, one) for case, one in standing if case != event.case]
        elif event.type is EventType.END_VARIATIONS:
            standing = [
                (case, one)
                for case, whole in standing
                if (one := _ended(whole, event.value_date) if case == event.case else whole) is not None
            ]
        elif event.type is EventType.DELINQUENCY_RESUME:
            standing = [(case, _resumed(one, event.value_date)) for case, one in standing]
    return tuple(one for _, one in standing)


def _ended(variation: Variation, last_day: date) -> Variation | None:
    """The variation cut so that `last_day` is its last day; a moved due date stays, it was promised."""
    if variation.kind is VariationKind.DUE_DATE_SHIFT:
        return variation
    if variation.from_date > last_day:
        return None
    last = last_day + ONE_DAY if variation.kind is VariationKind.DELINQUENCY_PAUSE else last_day
    return replace(variation, to_date=min(variation.to_date, last))


def _resumed(variation: Variation, on: date) -> Variation:
    if variation.kind is VariationKind.DELINQUENCY_PAUSE and variation.from_date <= on < variation.to_date:
        return replace(variation, to_date=on)
    return variation


def _pauses(variations: Sequence[Variation]) -> Pauses:
    def spans(
        kind: VariationKind, cut: timedelta = timedelta(), treatment: Treatment = Treatment.FORGIVE
    ) -> list[Span]:
        return [
            (one.from_date, one.to_date - cut)
            for one in variations
            if one.kind is kind and one.treatment is treatment
        ]

    # No penalty accrues while the clock of delinquency stands: its days are from … to-1.
    penalty = spans(VariationKind.PENALTY_PAUSE) + spans(VariationKind.DELINQUENCY_PAUSE, ONE_DAY)
    return Pauses(
        interest=merge(spans(VariationKind.INTEREST_PAUSE)),
        penalty=merge([(first, last) for first, last in penalty if first <= last]),
        delinquency=merge(
            [(first, until) for first, until in spans(VariationKind.DELINQUENCY_PAUSE) if first < until]
        ),
        deferred=merge(spans(VariationKind.INTEREST_PAUSE, treatment=Treatment.DEFER)),
    )
