"""The accrual plan of a loan: stretches of days over which income is a straight line (lending.md section 11).

Between two events the income of a loan by date is known in advance. Interest is a line between the ends of
periods and pauses; the penalty interest of an unpaid installment is a line from its due date and grace on;
a charge is a step. SQL then only multiplies and rounds. The plan is derived from a state and proved against
a replay of a later day; a loan for which that fails has no plan and is replayed night by night.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

from throughline.kernel.money import Rounding
from throughline.lending.accrual import Accrued, accrued_to
from throughline.lending.allocation import Component
from throughline.lending.history import PAYMENTS, PLAN_CHANGES, AppliesTo, ChargeKind, EventType, LoanEvent
from throughline.lending.plan_rows import accrued_in
from throughline.lending.rates import Span, rate_ratio, round_ratio
from throughline.lending.replay import replay
from throughline.lending.state import InstallmentState, LoanState, LoanStatus
from throughline.lending.terms import LoanTerms, OverdueBase, YearBasis

VERSION = 2  # of the rules in this file; plans of another version are derived again
PLAIN = PAYMENTS | {
    EventType.DISBURSEMENT,
    EventType.REVERSAL,
    EventType.CHARGE,
    EventType.WAIVE_CHARGE,
    EventType.UNDO_WAIVER,
    EventType.VARIATION,
    EventType.END_VARIATIONS,
    EventType.REVOKE_VARIATIONS,
    EventType.DELINQUENCY_RESUME,
}
AHEAD_OF_TIME = PLAN_CHANGES | {EventType.VARIATION, EventType.END_VARIATIONS}  # may be dated after today
ONE_DAY = timedelta(days=1)
REMIND_DAYS = 3
AHEAD = timedelta(days=1_500)  # how far a plan with leap years reaches; then it is derived again
PROBE = timedelta(days=40)  # after the last due date everything that a plan says has begun


class SegmentKind(StrEnum):
    """Which income a segment is about."""

    INTEREST = "interest"
    FEE = "fee"
    PENALTY = "penalty"


@dataclass(frozen=True, slots=True)
class Segment:
    """Income of one kind on the days from `from_date` to `to_date`, both inside (None: open).

    After k days: base + min(cap, round((n0 + k * n1) / d)), in minor units, cumulative since the payout.
    The segments of one kind and installment follow each other; a loan's income of a kind is the sum over
    its installments. `charged_minor` is what stands beside the meter in the installment's penalty.
    """

    kind: SegmentKind
    from_date: date
    to_date: date | None
    base_minor: int = 0
    n0: int = 0
    n1: int = 0
    d: int = 1
    cap_minor: int | None = None
    installment_nr: int | None = None
    charged_minor: int = 0

    def holds(self, day: date) -> bool:
        """Whether the day lies in the segment."""
        return self.from_date <= day and (self.to_date is None or day <= self.to_date)

    def at(self, day: date, mode: Rounding) -> int:
        """Cumulative income by the close of a day of the segment."""
        value = round_ratio(self.n0 + (day - self.from_date).days * self.n1, self.d, mode)
        return self.base_minor + (value if self.cap_minor is None else min(self.cap_minor, value))


@dataclass(frozen=True, slots=True)
class AccrualPlan:
    """What the days from `valid_from` to `valid_until` bring if nothing is recorded.

    The limits are what the loan charges in all (penalty: without the meters). Before `watch_from` no
    installment falls due, none is late and no pause of delinquency begins.
    """

    valid_from: date
    valid_until: date | None
    mode: Rounding
    segments: tuple[Segment, ...]
    interest_limit_minor: int
    fee_limit_minor: int
    penalty_charged_minor: int
    watch_from: date | None

    def covers(self, day: date) -> bool:
        """Whether the plan speaks of that day."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def at(self, day: date) -> Accrued:
        """Income by date: what `accrued_to` says of the loan replayed to that day, closed or not."""
        sums = dict.fromkeys(SegmentKind, 0)
        for one in self.segments:
            if one.holds(day):
                sums[one.kind] += one.at(day, self.mode)
        return Accrued(sums[SegmentKind.INTEREST], sums[SegmentKind.FEE], sums[SegmentKind.PENALTY])

    def meters(self, day: date) -> dict[int, tuple[int, int]]:
        """Penalty interest by installment on a day, and the penalty charges beside it."""
        return {
            one.installment_nr: (one.at(day, self.mode), one.charged_minor)
            for one in self.segments
            if one.installment_nr is not None and one.holds(day)
        }

    def rolled(self, state: LoanState, day: date) -> LoanState:
        """The state on a later day, of which only the penalty interest has moved."""
        meters = self.meters(day)
        return replace(
            state,
            as_of=day,
            overdue_penalty_minor=sum(amount for amount, _ in meters.values()),
            installments=tuple(
                replace(row, due=(*row.due[:3], sum(meters[row.nr]))) if row.nr in meters else row
                for row in state.installments
            ),
        )


class _NoPlan(Exception):
    """The loan does something that lines do not describe."""


def accrual_plan(terms: LoanTerms, events: Sequence[LoanEvent], state: LoanState) -> AccrualPlan | None:
    """The plan of an active loan from its state, which is not older than its last event.

    None when there is no such plan: the loan is not active, or lines do not describe it, or a replay of a
    later day says something else.
    """
    if state.status is not LoanStatus.ACTIVE:
        return None
    try:
        plan = _derived(events, state)
        _prove(plan, state, state, state.as_of)
        probe = max(state.as_of, *(row.due_date for row in state.installments)) + PROBE
        if plan.valid_until is not None:
            probe = min(probe, plan.valid_until)
        if probe > state.as_of:
            _prove(plan, state, replay(terms, events, as_of=probe), probe)
    except _NoPlan:
        return None
    return plan


def _derived(events: Sequence[LoanEvent], state: LoanState) -> AccrualPlan:
    if not _plain(events, state):
        raise _NoPlan
    valid_from = max(event.value_date for event in events if event.type not in AHEAD_OF_TIME)
    if valid_from > state.as_of:
        raise _NoPlan
    valid_until = _horizon(state, valid_from)
    segments = (
        *_interest(state),
        *_steps(state, ChargeKind.FEE, SegmentKind.FEE),
        *_steps(state, ChargeKind.PENALTY, SegmentKind.PENALTY),
        *_penalties(state, valid_until),
    )
    open_from = [row.due_date - timedelta(days=REMIND_DAYS + 1) for row in _open(state)]
    pauses = [first for first, until in state.pauses.delinquency if until > valid_from]
    return AccrualPlan(
        valid_from,
        valid_until,
        state.terms.rounding.mode,
        tuple(one for one in segments if one.to_date is None or one.to_date >= valid_from),
        interest_limit_minor=sum(row.due[1] for row in state.installments),
        fee_limit_minor=sum(row.due[2] for row in state.installments),
        penalty_charged_minor=sum(row.due[3] for row in state.installments) - state.overdue_penalty_minor,
        watch_from=min([*open_from, *pauses], default=None),
    )


def _plain(events: Sequence[LoanEvent], state: LoanState) -> bool:
    """Whether the history is of the kind that the lines below describe; the rest is replayed night by night."""
    payouts = sum(one.type is EventType.DISBURSEMENT for one in state.transactions)
    repeated = AppliesTo.OVERDUE_INSTALLMENT
    return (
        payouts == 1
        and state.terms.rounding.unit_minor == 1
        and all(one.type in PLAIN and one.charge_rule.applies_to is not repeated for one in events)
    )


def _open(state: LoanState) -> list[InstallmentState]:
    return [row for row in state.installments if row.outstanding_minor > 0]


def _prove(plan: AccrualPlan, before: LoanState, state: LoanState, day: date) -> None:
    """Raise _NoPlan unless the plan says of a day what its replay says."""
    rolled = plan.rolled(before, day)
    if (
        state.status is not LoanStatus.ACTIVE
        or plan.at(day) != accrued_to(state, day, closed=False)
        or rolled.overdue_penalty_minor != state.overdue_penalty_minor
        or rolled.installments != state.installments
    ):
        raise _NoPlan


# --- interest ---------------------------------------------------------------------------------------


def _interest(state: LoanState) -> Iterator[Segment]:
    """Each period by itself: rounded from its start, at its end what the installment says."""
    schedule = state.schedule
    if schedule is None:
        raise _NoPlan
    clock = schedule.clock
    earned, end = 0, state.disbursed_on
    for row in state.installments:
        planned = row.plan
        if planned is None or planned.down_payment:
            continue
        if row.from_date != end or planned.settled:
            raise _NoPlan
        last = row.through_date
        cuts = {row.from_date, last, *_edges(clock.pauses, row.from_date, last)}
        cuts |= {one.after for one in planned.stretches} | set(_grid_dates(state, row))
        for low, high in pairwise(sorted(cuts)):
            done = Fraction(*accrued_in(planned, clock, low))
            more = Fraction(*accrued_in(planned, clock, high)) - done
            n0, n1, d = _line(done, more / (high - low).days)
            yield Segment(
                SegmentKind.INTEREST, low, high - ONE_DAY, earned, n0, n1, d, cap_minor=row.accrual_minor
            )
        earned, end = earned + row.accrual_minor, last
    if end is not None:
        yield Segment(SegmentKind.INTEREST, end, None, earned)


def _grid_dates(state: LoanState, row: InstallmentState) -> Iterator[date]:
    """Contractual due dates inside the period: only a moved due date has any."""
    if state.schedule is None:
        return
    nr = 1
    while (day := state.schedule.clock.grid.due_on(nr)) < row.through_date:
        if day > row.from_date:
            yield day
        nr += 1


def _edges(spans: Sequence[Span], after: date, through: date | None) -> Iterator[date]:
    """Days after which a paused stretch begins or ends."""
    for first, last in spans:
        for day in (first - ONE_DAY, last):
            if day > after and (through is None or day < through):
                yield day


def _line(start: Fraction, slope: Fraction) -> tuple[int, int, int]:
    """start + k * slope as (n0 + k * n1) / d in whole numbers."""
    d = lcm(start.denominator, slope.denominator)
    n0 = start.numerator * (d // start.denominator)
    n1 = slope.numerator * (d // slope.denominator)
    common = gcd(n0, n1, d)
    return n0 // common, n1 // common, d // common


# --- charges ----------------------------------------------------------------------------------------


def _steps(state: LoanState, charges: ChargeKind, kind: SegmentKind) -> Iterator[Segment]:
    """Charges become income on their due dates."""
    amounts: dict[date, int] = {}
    for charge in state.charges:
        if charge.kind is charges:
            amounts[charge.due_date] = amounts.get(charge.due_date, 0) + charge.amount_minor
    days = sorted(amounts)
    earned = 0
    for nr, day in enumerate(days):
        earned += amounts[day]
        yield Segment(kind, day, days[nr + 1] - ONE_DAY if nr + 1 < len(days) else None, earned)


# --- penalty interest -------------------------------------------------------------------------------


def _horizon(state: LoanState, valid_from: date) -> date | None:
    """The last day that the plan can speak of; None when there is no end.

    Where each day counts by its own calendar year, the lines are cut next to leap years, so they have one.
    """
    rule = state.terms.overdue_interest
    if state.terms.recalculation.enabled:
        # Unpaid principal goes on bearing interest after its due date: no line reaches beyond it.
        due = min((row.due_date for row in state.installments if row.outstanding[0]), default=None)
        if due is None or due <= valid_from:
            raise _NoPlan
        return due
    if rule is None or state.terms.day_count.year is not YearBasis.ACTUAL:
        return None
    return max(state.as_of, *(row.due_date for row in state.installments)) + AHEAD


def _leap_cuts(after: date, through: date) -> Iterator[date]:
    """Last days of years next to which a day has another weight."""
    for year in range(after.year, through.year + 1):
        day = date(year, 12, 31)
        if after < day < through and isleap(year) != isleap(year + 1):
            yield day


def _penalties(state: LoanState, until: date | None) -> Iterator[Segment]:
    if state.terms.overdue_interest is None:
        return
    for row in state.installments:
        segments = list(_meter(state, row, until))
        if any(one.n0 or one.n1 for one in segments):
            known = sum(
                one.at(state.as_of, state.terms.rounding.mode) for one in segments if one.holds(state.as_of)
            )
            yield from (replace(one, charged_minor=row.due[3] - known) for one in segments)


def _meter(state: LoanState, row: InstallmentState, until: date | None) -> Iterator[Segment]:
    """The penalty interest of one installment from its due date and grace on, if it stays as it is paid now."""
    terms, rule = state.terms, state.terms.overdue_interest
    if rule is None or row.waived[0] or row.waived[1]:
        raise _NoPlan
    paid = _paid(state, row)
    start = terms.in_time_through(row.due_date) + timedelta(days=rule.grace_days)
    cuts = {start, *(day for day in paid if day > start), *_edges(state.pauses.penalty, start, None)}
    if terms.day_count.year is YearBasis.ACTUAL and until is not None:
        cuts |= set(_leap_cuts(start, until))
    days = sorted(cuts)
    rate = Fraction(*rate_ratio(rule.annual_rate_percent))
    run = Fraction(0)
    yield Segment(
        SegmentKind.PENALTY, state.disbursed_on or row.from_date, start - ONE_DAY, installment_nr=row.nr
    )
    for nr, low in enumerate(days):
        first = low + ONE_DAY
        base = row.due[0] - sum(amounts[0] for day, amounts in paid.items() if day <= low)
        if rule.base is OverdueBase.PRINCIPAL_AND_INTEREST:
            base += row.due[1] - sum(amounts[1] for day, amounts in paid.items() if day <= low)
        paused = any(begin <= first <= last for begin, last in state.pauses.penalty)
        slope = Fraction(0) if paused else base * rate / _days_of_year(first, terms.day_count.year)
        n0, n1, d = _line(run, slope)
        high = days[nr + 1] if nr + 1 < len(days) else None
        yield Segment(
            SegmentKind.PENALTY,
            low,
            high - ONE_DAY if high is not None else None,
            0,
            n0,
            n1,
            d,
            installment_nr=row.nr,
        )
        if high is not None:
            run += slope * (high - low).days


def _days_of_year(day: date, basis: YearBasis) -> int:
    if basis is YearBasis.ACTUAL:
        return 366 if isleap(day.year) else 365
    return int(basis.value)


def _paid(state: LoanState, row: InstallmentState) -> dict[date, tuple[int, int]]:
    """Principal and interest of an installment as they were paid, by value date."""
    paid: dict[date, tuple[int, int]] = {}
    for one in state.transactions:
        for line in one.lines:
            if line.installment == row.nr and line.component in {Component.PRINCIPAL, Component.INTEREST}:
                principal, interest = paid.get(one.value_date, (0, 0))
                if line.component is Component.PRINCIPAL:
                    principal += line.amount_minor
                else:
                    interest += line.amount_minor
                paid[one.value_date] = principal, interest
    sums = [sum(amounts[part] for amounts in paid.values()) for part in (0, 1)]
    if sums != [row.paid[0], row.paid[1]]:
        raise _NoPlan
    return paid
