"""The figures of a plan: all rows gone through for opening, principal and interest, by the planned balance or by
the real one (lending.md sections 4 and 5). Amounts are minor units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from throughline.kernel.money import Rounding
from throughline.lending.plan_rows import InterestClock, Move, PlanRow, Stretch
from throughline.lending.rates import (
    Ratio,
    days_inside,
    round_ratio,
    round_to,
)
from throughline.lending.terms import (
    InterestRounding,
    Rest,
)


@dataclass(frozen=True, slots=True)
class RealBalance:
    """The balance as it really was: moves up to `horizon`, in any order; afterwards the plan is kept, and what
    is overdue counts as paid on that day."""

    moves: Sequence[Move]
    horizon: date

    def at(self, day: date) -> int:
        """The balance at the close of a day."""
        return sum(amount for on, amount in self.moves if on <= day)


def lent(rows: Sequence[PlanRow], tranches: Sequence[Move]) -> Sequence[Move]:
    """What the plan has to repay: the tranches in order, each without the down payments of its day."""
    down = [(row.due_date, -row.principal) for row in rows if row.down_payment]
    return sorted([*tranches, *down]) if down else tranches


def calculate(
    rows: Sequence[PlanRow], clock: InterestClock, tranches: Sequence[Move], real: RealBalance | None = None
) -> None:
    """Fill in opening, principal, interest and accrual of every row.

    Without `real` interest follows the planned balance. Interest larger than the installment is carried to
    the next row and bears none itself, deferred interest waits for the last one. A row whose principal was paid
    ahead keeps the interest that was paid with it; the rest of its interest goes to the next row.
    """
    terms = clock.grid.terms
    exact = terms.rounding.interest is InterestRounding.NONE
    drift = Fraction(0)  # by how much the exact balance lies above the shown one
    given = taken = carried = held = unpaid = deferred = 0
    of_dues = clock.of_dues
    place = 0
    # Principal that was paid ahead on later rows is not there to be repaid by earlier ones.
    ahead = sum(row.principal_ahead for row in rows if not row.settled and not row.down_payment)
    for row in rows:
        if row.down_payment and not row.settled:
            row.principal = row.principal_fixed
    gross, down, tranches = tranches, 0, lent(rows, tranches)
    for row in rows:
        start, end = row.from_date, row.due_date
        if row.down_payment:
            row.opening = sum(amount for day, amount in gross if day <= end) - down - taken
            row.interest = row.accrual = 0
            down += row.principal
            unpaid += row.principal + row.credited - row.paid_principal
            continue
        if row.settled:
            while place < len(tranches) and tranches[place][0] <= start:
                given += tranches[place][1]
                place += 1
            row.opening = given - taken
            taken += row.principal
            unpaid += row.principal + row.credited - row.paid_principal
            deferred += row.deferred
            continue
        while place < len(tranches) and tranches[place][0] <= start:
            given += tranches[place][1]
            place += 1
        opening = given - taken
        inside = []
        while place < len(tranches) and tranches[place][0] < end:
            inside.append(tranches[place])
            given += tranches[place][1]
            place += 1
        if real is not None:
            if row.last and terms.recalculation.rest is Rest.DAILY:
                end = max(end, real.horizon)  # what is overdue after the last due date has no other row
            stretches = _real_stretches(row, real, unpaid, end)
        else:
            stretches = _planned_stretches(row, opening, inside)
        accrual, whole = _interest(row, clock, stretches, end, drift)
        collected = accrual
        if of_dues is not clock and not row.last:
            collected, whole = _interest(row, of_dues, stretches, end, drift)
        if exact:
            drift += Fraction(*whole) - collected
        row.opening, row.accrual, row.stretches = opening, accrual, tuple(stretches)
        row.deferred = accrual - collected
        deferred += row.deferred
        ahead -= row.principal_ahead
        left = max(0, given - taken - ahead)
        due = collected + carried + row.waiting
        carried = 0
        if row.held and not row.last:
            held += due
            row.interest = 0
            fixed = row.principal_fixed if row.installment is None else max(0, row.installment - collected)
            row.principal = min(left, fixed)
        elif row.last:
            row.interest, row.principal = due + held + deferred, left
            held = 0
        else:
            _share_out(row, due, left, follows=real is not None)
            carried = due - row.interest
            row.interest += held
            held = 0
        row.interest = max(row.interest, row.settled_interest)
        # Later rows may hold payments of a tranche that was not paid out yet: what is paid here stays.
        row.principal = max(min(left, row.principal), row.principal_ahead)
        taken += row.principal
        unpaid += row.principal + row.credited - row.paid_principal


def _interest(
    row: PlanRow, clock: InterestClock, stretches: Sequence[Stretch], end: date, drift: Fraction
) -> tuple[int, Ratio]:
    """The interest of a row, rounded and exactly.

    `drift` is by how much the exact balance lies above that of the stretches.
    """
    rules = clock.grid.terms.rounding
    if row.flat_interest is not None:
        part = _flat_accrual(row, clock, rules.mode)
        return part, (part, 1)
    if len(stretches) == 1 and not drift:
        numerator, denominator = clock.factor(row, row.from_date, end)
        numerator *= stretches[0].balance_minor
        return round_to(numerator, denominator, rules.mode, rules.unit_minor), (numerator, denominator)
    owed = drift * Fraction(*clock.factor(row, row.from_date, end)) if drift else Fraction(0)
    for one in stretches:
        numerator, denominator = clock.factor(row, one.after, one.through)
        owed += Fraction(one.balance_minor * numerator, denominator)
    owed = max(owed, Fraction(0))  # a shown balance may be repaid before the exact one
    exact = owed.numerator, owed.denominator
    return round_to(*exact, rules.mode, rules.unit_minor), exact


def _share_out(row: PlanRow, due: int, left: int, *, follows: bool) -> None:
    """Interest and principal of a row that is neither the last nor collected later.

    `follows` says that interest follows the real balance.
    """
    if row.installment is None:
        row.interest, row.principal = due, min(left, row.principal_fixed)
        return
    paid = row.principal_ahead
    early = follows and paid > max(0, row.installment - due)
    row.interest = row.settled_interest if early else min(due, row.installment)
    row.principal = min(left, max(row.installment - row.interest, paid))


def _planned_stretches(row: PlanRow, opening: int, inside: Sequence[Move]) -> list[Stretch]:
    if not inside:
        return [Stretch(row.from_date, row.due_date, opening)]
    stretches, start = [], row.from_date
    for day, amount in inside:
        if day > start:
            stretches.append(Stretch(start, day, opening))
        opening += amount
        start = day
    stretches.append(Stretch(start, row.due_date, opening))
    return stretches


def _real_stretches(row: PlanRow, real: RealBalance, unpaid_before: int, end: date) -> list[Stretch]:
    """Stretches of the real balance up to the horizon, then of what the plan expects, to the end of the row."""
    stretches: list[Stretch] = []
    start = row.from_date
    until = min(max(real.horizon, start), end)
    days = sorted({day for day, _ in real.moves if start < day < until})
    for first, last in zip([start, *days], [*days, until], strict=True):
        if first < last:
            stretches.append(Stretch(first, last, max(0, real.at(first))))
    if until < end:
        expected = max(0, real.at(until) - unpaid_before)
        if stretches and stretches[-1].balance_minor == expected:
            stretches[-1] = Stretch(stretches[-1].after, end, expected)
        else:
            stretches.append(Stretch(until, end, expected))
    return stretches


def _flat_accrual(row: PlanRow, clock: InterestClock, mode: Rounding) -> int:
    """The share of a flat loan's interest, without its paused days."""
    interest = row.flat_interest or 0
    days = (row.due_date - row.from_date).days
    paused = days_inside(row.from_date, row.due_date, clock.pauses) if clock.pauses else 0
    return round_ratio(interest * (days - paused), days, mode) if paused else interest
