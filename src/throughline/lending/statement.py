"""A loan's statement (对账单) of a period: pure, from the states of the replay and the events.

A statement shows what is known today of its days: a payment that came back or a protection that was
granted later counts from its value date. So the same period may read otherwise later, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from throughline.kernel.i18n import Text
from throughline.lending.accrual import accrued_to
from throughline.lending.delinquency import delinquency
from throughline.lending.history import (
    EventType,
    LoanEvent,
    Treatment,
    Variation,
    VariationKind,
    variations_in_force,
)
from throughline.lending.quote import PayoffQuote, payoff_quote
from throughline.lending.replay import replay
from throughline.lending.state import InstallmentState, LoanState, LoanStatus
from throughline.lending.statement_lines import Line, Owed, StateOf, standing, statement_lines
from throughline.lending.terms import LoanTerms

ONE_DAY = timedelta(days=1)
_PAUSES = frozenset(
    {VariationKind.INTEREST_PAUSE, VariationKind.PENALTY_PAUSE, VariationKind.DELINQUENCY_PAUSE}
)


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose statement of which loan. `borrower` is the masked name, rates are percent a year."""

    loan_id: UUID
    borrower: str
    product: Text
    currency: str
    principal_minor: int
    annual_rate_percent: Decimal
    terms: LoanTerms
    status: LoanStatus
    disbursed_on: date
    closed_on: date | None

    @property
    def short_id(self) -> str:
        """The end of the loan number: enough to tell one's loans apart."""
        return self.loan_id.hex[-8:].upper()


@dataclass(frozen=True, slots=True)
class Protection:
    """A dated change in force that touches the period, with the reason that was given for it."""

    kind: VariationKind
    first_day: date  # of a moved due date: the old one
    last_day: date  # the last day that is protected; of a moved due date: the new one
    shift_following: bool
    reason: Text
    treatment: Treatment = Treatment.FORGIVE


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A payment or payout that was booked and then taken back: it counts no more."""

    type: EventType
    value_date: date
    amount_minor: int
    taken_back_on: date


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of the period by component (minor units), and what pauses saved the borrower in it."""

    charged: Owed
    paid: Owed
    waived: Owed
    interest_spared_minor: int
    penalty_spared_minor: int


@dataclass(frozen=True, slots=True)
class Next:
    """An installment that is the next to pay."""

    nr: int
    due_date: date
    outstanding_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Everything that a statement says, in values. Both days of the period are inside it.

    `opening` is owed by the close of the day before the first, `closing` by the close of the last.
    """

    heading: Heading
    from_date: date
    to_date: date
    opening: Owed
    lines: tuple[Line, ...]
    closing: Owed
    installments: tuple[InstallmentState, ...]
    overdue_minor: int
    past_due_days: int
    delinquent_days: int
    next: Next | None
    payoff: PayoffQuote | None
    protections: tuple[Protection, ...]
    taken_back: tuple[TakenBack, ...]
    totals: Totals


def build_statement(
    heading: Heading,
    state_of: StateOf,
    events: Sequence[LoanEvent],
    from_date: date,
    to_date: date,
    *,
    reasons: dict[tuple[VariationKind, date], Text] | None = None,
) -> Statement:
    """The statement of a loan that was paid out by the last day of the period.

    `state_of` replays the loan to a day, `reasons` are those given for variations by kind and first day.
    """
    closing, before = state_of(to_date), state_of(from_date - ONE_DAY)
    opening, end = standing(before), standing(closing)
    late = delinquency(closing, to_date)
    spared = [
        now - then
        for now, then in zip(
            _spared(closing, events, to_date), _spared(before, events, before.as_of), strict=True
        )
    ]
    return Statement(
        heading=heading,
        from_date=from_date,
        to_date=to_date,
        opening=opening.owed,
        lines=statement_lines(state_of, events, opening, closing),
        closing=end.owed,
        installments=closing.installments,
        overdue_minor=late.amount_minor,
        past_due_days=late.past_due_days,
        delinquent_days=late.delinquent_days,
        next=_next(closing),
        payoff=payoff_quote(closing, to_date) if closing.status is LoanStatus.ACTIVE else None,
        protections=_protections(events, from_date, to_date, reasons or {}),
        taken_back=_taken_back(events, from_date, to_date),
        totals=Totals(
            end.charged - opening.charged,
            end.paid - opening.paid,
            end.waived - opening.waived,
            max(0, spared[0]),
            max(0, spared[1]),
        ),
    )


def _next(state: LoanState) -> Next | None:
    """The first open installment that is not past due: what is late is said apart from it."""
    return next(
        (
            Next(row.nr, row.due_date, row.outstanding_minor)
            for row in state.installments
            if state.terms.in_time_through(row.due_date) >= state.as_of and row.outstanding_minor > 0
        ),
        None,
    )


def _spared(state: LoanState, events: Sequence[LoanEvent], on: date) -> tuple[int, int]:
    """Interest and penalties by a day that would have been charged without the pauses, in minor units."""
    plain = [one for one in events if one.variation is None or one.variation.kind not in _PAUSES]
    if len(plain) == len(events) or state.disbursed_on is None:
        return 0, 0
    # After the loan is paid off nothing runs any more, with or without a pause.
    day = min(on, state.closed_on or on)
    without = replay(state.terms, plain, as_of=day)
    would, is_ = accrued_to(without, day, closed=False), accrued_to(state, day, closed=False)
    return would.interest_minor - is_.interest_minor, would.penalty_minor - is_.penalty_minor


def _protections(
    events: Sequence[LoanEvent],
    from_date: date,
    to_date: date,
    reasons: dict[tuple[VariationKind, date], Text],
) -> tuple[Protection, ...]:
    shown = [
        Protection(
            one.kind,
            one.from_date,
            _last_day(one),
            one.shift_following,
            reasons.get((one.kind, one.from_date), {}),
            one.treatment,
        )
        for one in variations_in_force(events)
    ]
    return tuple(
        sorted(
            (
                one
                for one in shown
                if one.first_day <= one.last_day and one.first_day <= to_date and one.last_day >= from_date
            ),
            key=lambda one: (one.first_day, one.kind),
        )
    )


def _last_day(variation: Variation) -> date:
    if variation.kind is VariationKind.DELINQUENCY_PAUSE:
        return variation.to_date - ONE_DAY
    return variation.to_date


def _taken_back(events: Sequence[LoanEvent], from_date: date, to_date: date) -> tuple[TakenBack, ...]:
    known = {event.id: event for event in events}
    pairs = [
        (known[event.target], event)
        for event in events
        if event.type is EventType.REVERSAL and event.target in known
    ]
    return tuple(
        TakenBack(first.type, first.value_date, first.amount_minor or 0, back.value_date)
        for first, back in pairs
        if from_date <= first.value_date <= to_date or from_date <= back.value_date <= to_date
    )
