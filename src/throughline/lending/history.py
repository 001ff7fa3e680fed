"""The dated events of a loan and what is left of them in force (lending.md sections 2 and 7).

Events are kept in the order in which they were recorded; what counts is their value date. A reversed
event and a revoked variation are simply not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from throughline.lending.periods import DueDateShift
from throughline.lending.rates import Span, merge

ONE_DAY = timedelta(days=1)


class EventType(StrEnum):
    """What can happen to a loan."""

    DISBURSEMENT = "disbursement"
    REPAYMENT = "repayment"
    PAY_OFF = "pay_off"
    GOODWILL_CREDIT = "goodwill_credit"
    REVERSAL = "reversal"
    CHARGE = "charge"
    WAIVE_CHARGE = "waiver"
    VARIATION = "variation"
    DELINQUENCY_RESUME = "delinquency_resume"
    END_VARIATIONS = "end_variations"
    REVOKE_VARIATIONS = "revoke_variations"


PAYMENTS = frozenset({EventType.REPAYMENT, EventType.PAY_OFF, EventType.GOODWILL_CREDIT})
REVERSIBLE = PAYMENTS | {EventType.DISBURSEMENT}
MONEY = PAYMENTS | {EventType.DISBURSEMENT, EventType.CHARGE, EventType.WAIVE_CHARGE}

# On one value date: disbursement, charges, waivers, payments; then the order of recording.
_RANK = {
    EventType.DISBURSEMENT: 0,
    EventType.CHARGE: 1,
    EventType.WAIVE_CHARGE: 2,
    EventType.REPAYMENT: 3,
    EventType.GOODWILL_CREDIT: 3,
    EventType.PAY_OFF: 3,
}


class ChargeKind(StrEnum):
    """What kind of debt a charge is."""

    FEE = "fee"
    PENALTY = "penalty"


class VariationKind(StrEnum):
    """What a variation changes."""

    INTEREST_PAUSE = "interest_pause"
    DELINQUENCY_PAUSE = "delinquency_pause"
    PENALTY_PAUSE = "penalty_pause"
    DUE_DATE_SHIFT = "due_date_shift"


@dataclass(frozen=True, slots=True)
class Variation:
    """A dated change. The counting of the dates belongs to the kind.

    interest and penalty pause: both days inside. Delinquency pause: `to_date` is the day on which the
    clock runs again. Due-date shift: from the old to the new due date.
    """

    kind: VariationKind
    from_date: date
    to_date: date
    shift_following: bool = True


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


@dataclass(frozen=True, slots=True)
class Pauses:
    """Merged pauses. Interest and penalty: both days inside; delinquency: up to the day before its end."""

    interest: tuple[Span, ...]
    penalty: tuple[Span, ...]
    delinquency: tuple[Span, ...]  # (from, to) as granted: `to` is the first day that counts again

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
    reversed_ids = {event.target for event in events if event.type is EventType.REVERSAL}
    dated = [
        (event.value_date, _RANK[event.type], seq, event)
        for seq, event in enumerate(events)
        if event.type in MONEY and event.id not in reversed_ids and event.value_date <= as_of
    ]
    dated.sort(key=lambda row: row[:3])
    variations = variations_in_force(events)
    shifts = tuple(
        DueDateShift(one.from_date, one.to_date, one.shift_following)
        for one in variations
        if one.kind is VariationKind.DUE_DATE_SHIFT
    )
    return InForce(tuple(row[3] for row in dated), _pauses(variations), shifts)


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
    def spans(kind: VariationKind, cut: timedelta = timedelta()) -> list[Span]:
        return [(one.from_date, one.to_date - cut) for one in variations if one.kind is kind]

    # No penalty accrues while the clock of delinquency stands: its days are from … to-1.
    penalty = spans(VariationKind.PENALTY_PAUSE) + spans(VariationKind.DELINQUENCY_PAUSE, ONE_DAY)
    return Pauses(
        interest=merge(spans(VariationKind.INTEREST_PAUSE)),
        penalty=merge([(first, last) for first, last in penalty if first <= last]),
        delinquency=merge(
            [(first, until) for first, until in spans(VariationKind.DELINQUENCY_PAUSE) if first < until]
        ),
    )
