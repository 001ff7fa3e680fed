"""The rows of a plan: how principal is spread over them and what interest each bears (lending.md section 4).

A plan is calculated in two steps that repeat whenever it changes: `spread` says how the rows that are left
repay what is left (an equal installment, an equal share, all at the end), `calculate` goes through all
rows and finds their interest, from the planned balance or from the real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, localcontext
from fractions import Fraction

from throughline.kernel.money import Rounding, round_minor
from throughline.lending.periods import Grid, ScheduleError
from throughline.lending.rates import (
    ZERO,
    Ratio,
    Span,
    add_ratios,
    days_inside,
    round_ratio,
    round_to,
    standard_share,
    times,
)
from throughline.lending.terms import (
    MAX_INSTALLMENTS,
    Amortization,
    InterestMethod,
    InterestPeriod,
    InterestRounding,
    LoanTerms,
    ScheduleType,
)

PRECISION = Context(prec=28)

Move = tuple[date, int]  # a day and by how much the balance changes at its close


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days of a row, after+1 … through, on which one balance bears interest (in minor units)."""

    after: date
    through: date
    balance_minor: int


@dataclass(slots=True)
class PlanRow:
    """A row of a plan.

    The first block is decided when the plan is made: `installment` fixes principal and interest together,
    else `principal` fixes the principal; `held` interest is collected with the next row that is not held;
    `waiting` is interest moved here from elsewhere, bearing none itself. The second block is what the
    borrower has paid and what a chargeback has put back. The third is calculated.
    """

    nr: int
    from_date: date
    due_date: date
    installment: int | None = None
    principal_fixed: int = 0
    no_principal: bool = False
    held: bool = False
    free: bool = False
    flat_interest: int | None = None
    waiting: int = 0
    down_payment: bool = False
    last: bool = False
    settled: bool = False

    paid_principal: int = 0
    settled_interest: int = 0
    credited: int = 0

    opening: int = 0
    principal: int = 0
    interest: int = 0
    accrual: int = 0
    stretches: tuple[Stretch, ...] = ()

    @property
    def principal_ahead(self) -> int:
        """Principal of the plan that has been paid on this row."""
        return max(0, self.paid_principal - self.credited)

    def settle(self, principal: int, interest: int, accrual: int) -> None:
        """Fix the figures: what is still owed has moved to a new plan."""
        self.settled = True
        self.principal, self.interest, self.accrual = principal, interest, accrual


@dataclass(slots=True)
class InterestClock:
    """How much interest a balance bears over days: contract rate, later rates, pauses.

    `rates` are (first interest day, rate) in order; before the first the contract rate counts.
    """

    grid: Grid
    base_rate: Ratio
    pauses: tuple[Span, ...] = ()
    rates: list[tuple[date, Ratio]] = field(default_factory=list)

    @property
    def by_periods(self) -> bool:
        """Whether a period counts the same whatever its days."""
        terms = self.grid.terms
        return (
            terms.schedule_type is ScheduleType.CUMULATIVE
            and terms.interest_period is InterestPeriod.SAME_AS_REPAYMENT
        )

    def factor(self, row: PlanRow, after: date, through: date, *, paused: bool = True) -> Ratio:
        """ρ of the interest days after+1 … through, which lie in the row."""
        if row.free or after >= through:
            return ZERO
        pauses = self.pauses if paused else ()
        if self.by_periods:
            days = (through - after).days - (days_inside(after, through, pauses) if pauses else 0)
            share, year = standard_share(self.grid.terms)
            return times(
                self.rate_of_row_due(row.due_date), (share * days, year * (row.due_date - row.from_date).days)
            )
        if not self.rates:
            return times(self.base_rate, self.grid.share_between(after, through, pauses, max(row.nr, 1)))
        total = ZERO
        for first, last, rate in self._pieces(after, through):
            part = times(rate, self.grid.share_between(first, last, pauses, max(row.nr, 1)))
            total = add_ratios(total, part) if total[0] else part
        return total

    def _pieces(self, after: date, through: date) -> list[tuple[date, date, Ratio]]:
        pieces = []
        rate = self.base_rate
        start = after
        for first_day, new in self.rates:
            before = date.fromordinal(first_day.toordinal() - 1)  # the last interest day of the old rate
            if before <= start:
                rate = new
            elif before < through:
                pieces.append((start, before, rate))
                start, rate = before, new
        pieces.append((start, through, rate))
        return pieces

    def rate_of_row_due(self, due: date) -> Ratio:
        """The rate of a whole row that is due on a day."""
        rate = self.base_rate
        for first_day, new in self.rates:
            if first_day <= due:
                rate = new
        return rate


def spread(
    rows: Sequence[PlanRow],
    clock: InterestClock,
    balance: int,
    inside: Sequence[Move] = (),
    installment: int | None = None,
    dates: Sequence[tuple[date, date]] | None = None,
) -> int:
    """Say how `rows` repay `balance` and the tranches `inside` them; returns the equal installment or 0.

    `installment` keeps a given one. `dates` are the contract's dates where the rows' own have been moved.
    """
    terms = clock.grid.terms
    paying = [row for row in rows if not row.no_principal]
    for row in rows:
        row.installment, row.principal_fixed, row.last = None, 0, False
    rows[-1].last = True
    if terms.interest_method is InterestMethod.FLAT:
        return _spread_flat(rows, paying, clock, balance + sum(amount for _, amount in inside))
    if terms.amortization is Amortization.BULLET:
        return 0
    total = balance + sum(amount for _, amount in inside)
    if terms.amortization is Amortization.EQUAL_PRINCIPAL:
        share = round_to(total, len(paying), terms.rounding.mode, terms.rounding.unit_minor)
        for row in paying:
            row.principal_fixed = share
        return 0
    if installment is None:
        installment = _level(paying, clock, balance, inside, dates)
    for row in paying:
        row.installment = installment
    return installment


def _level(
    rows: Sequence[PlanRow],
    clock: InterestClock,
    balance: int,
    inside: Sequence[Move],
    dates: Sequence[tuple[date, date]] | None,
) -> int:
    """The equal installment, rounded. Progressive schedules smooth it: when the last one differs by more
    than half a minor unit for each installment, the difference is spread once, and kept if the gap shrinks."""
    terms = clock.grid.terms
    factors, grown = _factors(rows, clock, inside, dates)
    first = to_multiple(annuity(balance, factors, grown), terms)
    count = len(rows)
    if terms.schedule_type is ScheduleType.CUMULATIVE or count < 2:
        return first
    gap = _gap(balance, first, factors, grown, terms.rounding.mode)
    if abs(gap) <= count // 2:
        return first
    with localcontext(PRECISION):
        second = to_multiple(first + Decimal(gap) / count, terms)
    return second if abs(_gap(balance, second, factors, grown, terms.rounding.mode)) < abs(gap) else first


def _factors(
    rows: Sequence[PlanRow],
    clock: InterestClock,
    inside: Sequence[Move],
    dates: Sequence[tuple[date, date]] | None,
) -> tuple[list[Ratio], list[Ratio]]:
    """For each row its ρ without pauses, and the tranches in it grown to its end, as a ratio."""
    terms = clock.grid.terms
    standard: Ratio | None = None
    if terms.schedule_type is ScheduleType.CUMULATIVE:
        standard = times(clock.rate_of_row_due(rows[-1].due_date), standard_share(terms))
    factors, grown = [], []
    shifted = {row.nr: span for row, span in zip(rows, dates, strict=False)} if dates else {}
    for row in rows:
        start, end = shifted.get(row.nr, (row.from_date, row.due_date))
        if standard is not None and not row.free:
            factor = standard
        elif (start, end) == (row.from_date, row.due_date):
            factor = clock.factor(row, start, end, paused=False)
        else:
            factor = clock.factor(PlanRow(row.nr, start, end, free=row.free), start, end, paused=False)
        factors.append(factor)
        extra = ZERO
        for day, amount in inside:
            if row.from_date < day < row.due_date or (day == row.from_date and row is not rows[0]):
                part = clock.factor(row, day, row.due_date, paused=False)
                extra = add_ratios(extra, (amount * (part[0] + part[1]), part[1]))
        grown.append(extra)
    return factors, grown


def annuity(principal_minor: int, factors: Sequence[Ratio], grown: Sequence[Ratio] = ()) -> Decimal:
    """The equal installment before rounding: A = P * (g_1 … g_n) / f_n with f_k = 1 + f_(k-1) * g_k.

    `grown` are amounts that join at the end of a period.
    """
    with localcontext(PRECISION):
        owed = Decimal(principal_minor)
        divisor = Decimal(0)
        for place, (numerator, denominator) in enumerate(factors):
            step = 1 + Decimal(numerator) / denominator
            owed *= step
            if grown and grown[place][0]:
                owed += Decimal(grown[place][0]) / grown[place][1]
            divisor = 1 + divisor * step
        return owed / divisor


def _gap(
    balance: int, installment: int, factors: Sequence[Ratio], grown: Sequence[Ratio], mode: Rounding
) -> int:
    """By how much the last installment differs from the others."""
    waiting = interest = 0
    for place, (numerator, denominator) in enumerate(factors):
        add = grown[place]
        accrual = round_ratio(balance * numerator, denominator, mode)
        if add[0]:
            balance += round_ratio(*add, mode)
        interest = accrual + waiting
        if place == len(factors) - 1:
            break
        paid = min(interest, installment)
        waiting = interest - paid
        balance -= min(installment - paid, balance)
    return balance + interest - installment


def to_multiple(value: Decimal, terms: LoanTerms) -> int:
    """An installment rounded to the currency, or to the multiple of the terms by its own mode."""
    rules = terms.rounding
    multiple = rules.installment_multiple_minor
    if multiple == 1:
        return rules.unit_minor * round_minor(value / rules.unit_minor, rules.mode)
    return multiple * round_minor(value / multiple, rules.installment_multiple_mode)


def _spread_flat(rows: Sequence[PlanRow], paying: Sequence[PlanRow], clock: InterestClock, total: int) -> int:
    """Flat: interest on the whole principal for the whole term, in equal shares; the last absorbs."""
    terms = clock.grid.terms
    rules = terms.rounding
    count = len(rows)
    if terms.interest_period is InterestPeriod.DAILY:
        term = ZERO
        for row in rows:
            share = clock.grid.share_between(row.from_date, row.due_date, (), max(row.nr, 1))
            term = add_ratios(term, share) if term[0] else share
    else:
        one, year = standard_share(terms)
        term = one * count, year
    numerator, denominator = times(clock.rate_of_row_due(rows[-1].due_date), term)
    interest = round_to(total * numerator, denominator, rules.mode, rules.unit_minor)
    part = round_to(interest, count, rules.mode, rules.unit_minor)
    left = interest
    for row in rows:
        row.flat_interest = left if row.last else min(part, left)
        left -= row.flat_interest
        if row.free:
            row.flat_interest = 0
    multiple = rules.installment_multiple_minor
    if terms.amortization is Amortization.BULLET:
        return 0
    if terms.amortization is Amortization.EQUAL_INSTALLMENTS and multiple != 1:
        principal_part = to_multiple(Decimal(total) / len(paying), terms)
        installment = principal_part + to_multiple(Decimal(interest) / count, terms)
        for row in paying:
            row.installment = installment
        return installment
    share_minor = round_to(total, len(paying), rules.mode, rules.unit_minor)
    for row in paying:
        row.principal_fixed = share_minor
    return share_minor + part if terms.amortization is Amortization.EQUAL_INSTALLMENTS else 0


def count_of(clock: InterestClock, rows: Sequence[PlanRow], principal: int, installment: int) -> int:
    """How many of the rows repay the principal at a given installment: stop when what remains fits into one."""
    mode = clock.grid.terms.rounding.mode
    balance = principal
    for place, row in enumerate(rows, 1):
        numerator, denominator = clock.factor(row, row.from_date, row.due_date, paused=False)
        interest = round_ratio(balance * numerator, denominator, mode)
        if row.no_principal:
            continue
        if balance + interest <= installment:
            return place
        if installment <= interest:
            raise ScheduleError("installment_too_small", "the installment does not even cover the interest")
        balance -= installment - interest
    raise ScheduleError("installment_too_small", f"more than {MAX_INSTALLMENTS} installments")


@dataclass(frozen=True, slots=True)
class RealBalance:
    """The balance as it really was: moves up to `horizon`, in order; afterwards the plan is kept, and what
    is overdue counts as paid on that day."""

    moves: Sequence[Move]
    horizon: date

    def at(self, day: date) -> int:
        """The balance at the close of a day."""
        return sum(amount for on, amount in self.moves if on <= day)


def calculate(
    rows: Sequence[PlanRow], clock: InterestClock, tranches: Sequence[Move], real: RealBalance | None = None
) -> None:
    """Fill in opening, principal, interest and accrual of every row.

    Without `real` interest follows the planned balance. Interest larger than the installment is carried to
    the next row and bears none itself. A row whose principal was paid ahead keeps the interest that was
    paid with it; the rest of its interest goes to the next row.
    """
    terms = clock.grid.terms
    mode, unit = terms.rounding.mode, terms.rounding.unit_minor
    exact = terms.rounding.interest is InterestRounding.NONE
    drift = Fraction(0)  # by how much the exact balance lies above the shown one
    given = taken = carried = held = unpaid = 0
    place = 0
    # Principal that was paid ahead on later rows is not there to be repaid by earlier ones.
    ahead = sum(row.principal_ahead for row in rows if not row.settled)
    for row in rows:
        start, end = row.from_date, row.due_date
        if row.settled:
            taken += row.principal
            unpaid += row.principal + row.credited - row.paid_principal
            continue
        if row.down_payment:
            while place < len(tranches) and tranches[place][0] <= end:
                given += tranches[place][1]
                place += 1
            row.opening, row.principal = given - taken, row.principal_fixed
            row.interest = row.accrual = 0
            ahead -= row.principal_ahead
            taken += row.principal
            unpaid += row.principal + row.credited - row.paid_principal
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
            stretches = _real_stretches(row, real, unpaid)
        else:
            stretches = _planned_stretches(row, opening, inside)
        if row.flat_interest is not None:
            accrual = _flat_accrual(row, clock, mode)
        elif len(stretches) == 1 and not drift:
            numerator, denominator = clock.factor(row, start, end)
            base = stretches[0].balance_minor
            accrual = round_to(base * numerator, denominator, mode, unit)
            if exact and denominator:
                drift += Fraction(base * numerator, denominator) - accrual
        else:
            owed = drift * Fraction(*clock.factor(row, start, end)) if drift else Fraction(0)
            for one in stretches:
                numerator, denominator = clock.factor(row, one.after, one.through)
                owed += Fraction(one.balance_minor * numerator, denominator)
            owed = max(owed, Fraction(0))  # a shown balance may be repaid before the exact one
            accrual = round_to(owed.numerator, owed.denominator, mode, unit)
            if exact:
                drift += owed - accrual
        row.opening, row.accrual, row.stretches = opening, accrual, tuple(stretches)
        ahead -= row.principal_ahead
        left = max(0, given - taken - ahead)
        due = accrual + carried + row.waiting
        carried = 0
        if row.held and not row.last:
            held += due
            row.interest = 0
            fixed = row.principal_fixed if row.installment is None else max(0, row.installment - accrual)
            row.principal = min(left, fixed)
        elif row.last:
            row.interest, row.principal = due + held, left
            held = 0
        else:
            _share_out(row, due, left, follows=real is not None)
            carried = due - row.interest
            row.interest += held
            held = 0
        row.interest = max(row.interest, row.settled_interest)
        row.principal = min(left, max(row.principal, row.principal_ahead))
        taken += row.principal
        unpaid += row.principal + row.credited - row.paid_principal


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


def _real_stretches(row: PlanRow, real: RealBalance, unpaid_before: int) -> list[Stretch]:
    """Stretches of the real balance up to the horizon, then of what the plan expects."""
    stretches: list[Stretch] = []
    start, end = row.from_date, row.due_date
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


def accrued_in(row: PlanRow, clock: InterestClock, on: date) -> Ratio:
    """Interest of a row from its start to a day inside it, exactly."""
    if row.flat_interest is not None:
        days = (row.due_date - row.from_date).days - days_inside(row.from_date, row.due_date, clock.pauses)
        passed = (on - row.from_date).days - days_inside(row.from_date, on, clock.pauses)
        return row.accrual * passed, max(1, days)
    total = ZERO
    for one in row.stretches:
        if one.after >= on:
            break
        numerator, denominator = clock.factor(row, one.after, min(one.through, on))
        part = one.balance_minor * numerator, denominator
        total = add_ratios(total, part) if total[0] else part
    return total
