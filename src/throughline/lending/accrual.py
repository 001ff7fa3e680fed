"""Income earned to a day: interest by cumulative rounding, charges on their due date (lending.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from throughline.lending.history import ChargeKind
from throughline.lending.plan_rows import accrued_in
from throughline.lending.rates import round_to
from throughline.lending.schedule import Schedule
from throughline.lending.state import InstallmentState, LoanState, LoanStatus

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Accrued:
    """Income earned since the payout, in minor units, before waivers."""

    interest_minor: int = 0
    fee_minor: int = 0
    penalty_minor: int = 0


def interest_in_period(schedule: Schedule, row: InstallmentState, on: date) -> int:
    """Interest of one installment's period from its start to a day, both as closes of business.

    Rounded from the start of the period, never day by day, so that nothing drifts; on the due date it
    is what accrues in the whole period. The last period goes on while overdue principal bears interest.
    """
    if row.plan is None or on <= row.from_date:
        return 0
    if on >= row.plan.borne_through:
        return row.accrual_minor
    rules = schedule.clock.grid.terms.rounding
    return min(
        row.accrual_minor,
        round_to(*accrued_in(row.plan, schedule.clock, on), rules.mode, rules.unit_minor),
    )


def interest_to(state: LoanState, on: date) -> int:
    """Interest accrued from the payout to a day."""
    if state.schedule is None:
        return 0
    return sum(
        interest_in_period(state.schedule, row, on)
        for row in state.installments
        if row.from_date < on and not row.additional
    )


def deferred_to(state: LoanState, on: date) -> int:
    """The part of the interest accrued to a day that is due with the last installment."""
    clock = state.schedule.clock if state.schedule is not None else None
    if state.schedule is None or clock is None or clock.of_dues is clock:
        return 0
    rules = state.terms.rounding
    total = 0
    for row in state.installments:
        if row.plan is None or row.plan.last or row.from_date >= on:
            continue
        if row.plan.settled or on >= row.plan.borne_through:
            total += row.plan.deferred
            continue
        own = round_to(*accrued_in(row.plan, clock.of_dues, on), rules.mode, rules.unit_minor)
        total += max(0, interest_in_period(state.schedule, row, on) - own)
    return total


def accrued_to(state: LoanState, on: date, *, closed: bool = True) -> Accrued:
    """What is earned by the close of a day that is not after `state.as_of`.

    A loan that is paid in full has earned all that it was charged; with `closed` False that is left out
    and only the calendar counts.
    """
    if state.status is LoanStatus.APPROVED:
        return Accrued()
    if closed and state.closed_on is not None and state.closed_on <= on and state.charged_off_on is None:
        return charged(state)
    if state.charged_off_on is not None and on >= state.charged_off_on:
        on = state.charged_off_on - ONE_DAY  # accrual stops from the day of charge-off
    due = [charge for charge in state.charges if charge.due_date <= on]
    return Accrued(
        interest_minor=interest_to(state, on),
        fee_minor=sum(charge.amount_minor for charge in due if charge.kind is ChargeKind.FEE),
        penalty_minor=state.overdue_penalty_minor
        + sum(charge.amount_minor for charge in due if charge.kind is ChargeKind.PENALTY),
    )


def charged(state: LoanState) -> Accrued:
    """All income that the loan as it stands will ever bring; what a chargeback put back is none."""
    return Accrued(
        interest_minor=sum(row.due[1] - row.credited[1] for row in state.installments),
        fee_minor=sum(row.due[2] - row.credited[2] for row in state.installments),
        penalty_minor=sum(row.due[3] - row.credited[3] for row in state.installments),
    )
