"""What it takes to pay a loan off on a day (lending.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from throughline.lending.accrual import interest_to
from throughline.lending.history import ChargeKind
from throughline.lending.plan_rows import accrued_in
from throughline.lending.rates import add_ratios, round_to
from throughline.lending.state import Four, InstallmentState, LoanState, LoanStatus
from throughline.lending.terms import Preclosure, Rest


@dataclass(frozen=True, slots=True)
class PayoffQuote:
    """The amount that leaves nothing owed when it is paid on `valid_through`.

    `per_day_minor` is what one more day adds. Interest runs to the day itself or to the next due date,
    as the terms say (Civil Code of China art. 677: interest for the time really used, unless agreed
    otherwise).
    """

    valid_through: date
    principal_minor: int
    interest_minor: int
    fee_minor: int
    penalty_minor: int
    overpaid_minor: int
    per_day_minor: int

    @property
    def total_minor(self) -> int:
        owed = self.principal_minor + self.interest_minor + self.fee_minor + self.penalty_minor
        return max(0, owed - self.overpaid_minor)


def payoff_quote(state: LoanState, on: date) -> PayoffQuote:
    """The pay-off amount of a loan replayed to `on`."""
    principal, interest, fee, penalty = _owed(state, on)
    tomorrow = sum(kept - paid for kept, paid in _interest(state, on + timedelta(days=1)))
    return PayoffQuote(
        valid_through=on,
        principal_minor=principal,
        interest_minor=interest,
        fee_minor=fee,
        penalty_minor=penalty,
        overpaid_minor=state.overpaid_minor,
        per_day_minor=tomorrow - interest + _late_day(state, on),
    )


def _owed(state: LoanState, on: date) -> Four:
    """What is owed on the day of a pay-off, by component: interest that is earned, charges that are due."""
    interest = sum(kept - paid for kept, paid in _interest(state, on))
    later = [charge for charge in state.charges if charge.due_date > on]
    not_due = {
        kind: sum(
            charge.amount_minor - charge.paid_minor - charge.waived_minor
            for charge in later
            if charge.kind is kind
        )
        for kind in ChargeKind
    }
    principal, _, fee, penalty = state.outstanding
    return principal, interest, fee - not_due[ChargeKind.FEE], penalty - not_due[ChargeKind.PENALTY]


def _late_day(state: LoanState, on: date) -> int:
    """What one more day adds to the last installment when overdue principal goes on bearing interest after it."""
    rules = state.terms.recalculation
    last = next((row for row in state.installments if _is_last(row)), None)
    late = rules.enabled and rules.rest is Rest.DAILY and last is not None and last.due_date <= on
    if not late or last is None or last.plan is None or state.schedule is None:
        return 0
    clock, rounding = state.schedule.clock, state.terms.rounding
    numerator, denominator = clock.factor(last.plan, on, on + timedelta(days=1))
    day = state.outstanding[0] * numerator, denominator
    whole = add_ratios(accrued_in(last.plan, clock, on), day)
    return round_to(*whole, rounding.mode, rounding.unit_minor) - last.accrual_minor


def _is_last(row: InstallmentState) -> bool:
    return row.plan is not None and row.plan.last and not row.plan.settled


def covers_quote(state: LoanState, amount_minor: int) -> bool:
    """Whether an amount paid on the day of the state leaves nothing owed on a loan that is being repaid."""
    if state.status is not LoanStatus.ACTIVE:
        return False
    return amount_minor >= max(0, sum(_owed(state, state.as_of)) - state.overpaid_minor)


def settled_interest(state: LoanState, on: date) -> list[int]:
    """For each installment the interest that it keeps when the loan is paid off on a day.

    Installments that are due keep theirs, the running one what has accrued, later ones nothing; what is
    paid already is never taken back here.
    """
    return [owed for owed, _ in _interest(state, on)]


def _interest(state: LoanState, on: date) -> list[tuple[int, int]]:
    """(interest kept, interest paid or waived) of each installment for a pay-off on a day."""
    through = on
    if state.terms.recalculation.preclosure is Preclosure.TILL_REST_DATE:
        # A due date that has moved behind a day off carries no interest for the days after its period.
        through = max(on, next((row.through_date for row in state.installments if row.due_date >= on), on))
    left = interest_to(state, through)
    rows = []
    for row in state.installments:
        settled = row.paid[1] + row.waived[1] + row.written_off[1]
        # The first installment after the day takes all that has accrued, interest carried over with it.
        back = row.credited[1]
        kept = max(row.due[1] if row.due_date <= through else left + back, settled)
        left = max(0, left + back - kept)
        rows.append((kept, settled))
    return rows
