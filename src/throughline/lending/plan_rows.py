"""A row of a plan, and how much interest a balance bears in it over days. Amounts are minor units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from throughline.lending.periods import Grid
from throughline.lending.rates import (
    ZERO,
    Ratio,
    Span,
    add_ratios,
    days_inside,
    merge,
    standard_share,
    times,
)
from throughline.lending.terms import (
    Frequency,
    InterestPeriod,
    ScheduleType,
)

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
    `waiting` is interest moved here from elsewhere, bearing none itself; `every` is the length of its period
    where it is not the contract's. The second block is what the
    borrower has paid and what a chargeback has put back. The third is calculated; `deferred` is the part of
    the accrual that is due with the last row.
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
    every: Frequency | None = None
    last: bool = False
    settled: bool = False

    paid_principal: int = 0
    settled_interest: int = 0
    credited: int = 0

    opening: int = 0
    principal: int = 0
    interest: int = 0
    accrual: int = 0
    deferred: int = 0
    stretches: tuple[Stretch, ...] = ()

    @property
    def principal_ahead(self) -> int:
        """Principal of the plan that has been paid on this row."""
        return max(0, self.paid_principal - self.credited)

    @property
    def borne_through(self) -> date:
        """The last day on which something bears interest in the row: the last row may outlive its due date."""
        if self.settled or not self.stretches:
            return self.due_date
        return self.stretches[-1].through

    def settle(self, principal: int, interest: int, accrual: int, deferred: int = 0) -> None:
        """Fix the figures: what is still owed has moved to a new plan, but for what is deferred."""
        self.settled = True
        self.principal, self.interest, self.accrual = principal, interest, accrual
        self.deferred = deferred


@dataclass(slots=True)
class InterestClock:
    """How much interest a balance bears over days: contract rate, later rates, pauses.

    `rates` are (first interest day, rate) in order; before the first the contract rate counts. Interest of
    `deferred` days accrues, but is due with the last row.
    """

    grid: Grid
    base_rate: Ratio
    pauses: tuple[Span, ...] = ()
    rates: list[tuple[date, Ratio]] = field(default_factory=list)
    deferred: tuple[Span, ...] = ()

    @property
    def of_dues(self) -> InterestClock:
        """The clock by which interest falls due with its own row: it stands on deferred days too."""
        if not self.deferred:
            return self
        return InterestClock(self.grid, self.base_rate, merge([*self.pauses, *self.deferred]), self.rates)

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
            share, year = standard_share(self.grid.terms, row.every)
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
