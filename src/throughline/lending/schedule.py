"""The repayment schedule of what has been paid out (lending.md section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from throughline.compliance.working_days import Convention
from throughline.lending.periods import DueDateShift, Grid, ScheduleError, count_on
from throughline.lending.plan import RealBalance, calculate, lent
from throughline.lending.plan_rows import InterestClock, PlanRow
from throughline.lending.rates import Span, merge, rate_ratio, round_to
from throughline.lending.spread import count_of, spread
from throughline.lending.terms import MAX_INSTALLMENTS, Amortization, Frequency, LoanTerms


@dataclass(frozen=True, slots=True)
class Tranche:
    """Money paid out on a day."""

    date: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InterestPause:
    """No interest for the interest days from `first` to `last`, both inside."""

    first: date
    last: date


Change = InterestPause | DueDateShift


@dataclass(frozen=True, slots=True)
class Installment:
    """One planned installment.

    `interest_minor` is what is due with it, `accrual_minor` what accrues in its period; they differ
    while interest is carried or collected later. `balance_minor` is the principal left after it,
    `opening_minor` before it. `through_date` is the last interest day of its period: the due date, unless
    that has moved away from a day off and interest has not.
    """

    nr: int
    from_date: date
    due_date: date
    opening_minor: int
    balance_minor: int
    principal_minor: int
    interest_minor: int
    accrual_minor: int
    through_date: date


@dataclass(frozen=True, slots=True)
class Schedule:
    """A plan: installments, the equal installment (0 where there is none), and what it was made from."""

    installments: tuple[Installment, ...]
    installment_minor: int
    clock: InterestClock = field(compare=False)

    @property
    def total_interest_minor(self) -> int:
        return sum(row.interest_minor for row in self.installments)


def build_schedule(terms: LoanTerms, tranches: Sequence[Tranche], changes: Sequence[Change] = ()) -> Schedule:
    """The schedule of what has been paid out.

    Without a tranche it is a draft of the whole principal from `expected_disbursement_date`. The
    installment is computed from the contract; a pause or a moved date leaves it as signed and the last
    installment absorbs the difference. Raises ScheduleError.
    """
    if not tranches:
        if terms.expected_disbursement_date is None:
            raise ScheduleError("no_disbursement", "a draft needs expected_disbursement_date")
        tranches = (Tranche(terms.expected_disbursement_date, terms.principal_minor),)
    pauses = merge([(one.first, one.last) for one in changes if isinstance(one, InterestPause)])
    shifts = [one for one in changes if isinstance(one, DueDateShift)]
    plan = Plan.start(terms, tranches[0].date, pauses, shifts)
    for one in tranches:
        plan.pay_out(one.date, one.amount_minor)
    plan.check_shifts()
    plan.calculate()
    return plan.schedule()


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where due dates are counted from: the regular row at a place, its date, and the time between two dates."""

    place: int
    date: date
    every: Frequency


@dataclass(slots=True)
class Plan:
    """A schedule while tranches, moved dates and new terms change it.

    `anchor` is None as long as the dates are those of the contract.
    """

    terms: LoanTerms
    clock: InterestClock
    rows: list[PlanRow]
    pending: list[DueDateShift]
    tranches: list[tuple[date, int]] = field(default_factory=list)
    installment: int = 0
    real: RealBalance | None = None
    anchor: Anchor | None = None

    @staticmethod
    def start(
        terms: LoanTerms,
        paid_out_on: date,
        pauses: tuple[Span, ...],
        shifts: Sequence[DueDateShift],
        deferred: tuple[Span, ...] = (),
    ) -> Plan:
        """Rows from the first payout on, without amounts; interest of `deferred` days is due at the end."""
        grid = Grid(terms, paid_out_on)
        clock = InterestClock(grid, rate_ratio(terms.annual_rate_percent), pauses, deferred=deferred)
        counted = terms.installments if terms.installment_minor is None else 0
        rows = [_row(terms, grid, nr) for nr in range(1, counted + 1)]
        plan = Plan(terms, clock, rows, list(shifts))
        plan.check_adjusted(paid_out_on)
        return plan

    def pay_out(self, on: date, amount: int) -> None:
        """A tranche: what is left is spread anew over the rows from its day on."""
        terms = self.terms
        first = not self.tranches
        if first and terms.installment_minor is not None:
            self._rows_for_installment(amount)
        self.tranches.append((on, amount))
        self.tranches.sort()
        if terms.down_payment_percent is not None:
            self._add_down_payment(on, amount)
        if first:
            dates = None
            if self.pending:
                dates = [(row.from_date, row.due_date) for row in self.regular() if not row.no_principal]
                self.apply_shifts()
            balance = amount - sum(row.principal_fixed for row in self.rows if row.down_payment)
            self.installment = spread(self.regular(), self.clock, balance, (), terms.installment_minor, dates)
            return
        left = [row for row in self.regular() if min(row.due_date, self.payable_on(row)) > on]
        if not left:
            raise ScheduleError("tranche_after_maturity", "no installment is left after the payout")
        signed = terms.installment_minor
        if signed is None or signed != self.installment:
            self.respread(left)
        else:
            self._lengthen(left, signed)

    def respread(self, left: Sequence[PlanRow], installment: int | None = None) -> None:
        """Spread what is owed at the start of these rows over them; `installment` keeps a given one."""
        for row in left:
            row.settled = False
        balance, inside = self.owed_before(left[0])
        self.installment = spread(left, self.clock, balance, inside, installment)
        self.apply_shifts()

    def _lengthen(self, left: list[PlanRow], installment: int) -> None:
        """Keep the installment that was signed, and add rows until what remains fits into the last one."""
        while True:
            self.respread(left, installment)
            self.calculate()
            last = left[-1]
            if last.principal + last.interest <= installment:
                return
            count = len(self.regular())
            if count == MAX_INSTALLMENTS:
                raise ScheduleError("installment_too_small", f"more than {MAX_INSTALLMENTS} installments")
            left.append(PlanRow(last.nr + 1, last.due_date, self.date_of(count), every=last.every))
            self.rows.append(left[-1])

    def owed_before(self, row: PlanRow) -> tuple[int, list[tuple[date, int]]]:
        """The planned balance at the start of a row, and the tranches paid out after that."""
        self.calculate()
        start = row.from_date
        moves = lent(self.rows, self.tranches)
        given = sum(amount for day, amount in moves if day <= start)
        taken = 0
        for one in self.rows:
            if one is row:
                break
            if not one.down_payment:
                taken += one.principal
        return given - taken, [(day, amount) for day, amount in moves if day > start]

    def regular(self) -> list[PlanRow]:
        """The rows but for down payments."""
        return [row for row in self.rows if not row.down_payment]

    def apply_shifts(self) -> None:
        """Move the due dates that are there; others may come with later terms.

        Raises ScheduleError `due_date_out_of_order` when dates would meet or pass each other.
        """
        for shift in list(self.pending):
            rows = self.regular()
            at = next(
                (place for place, row in enumerate(rows) if self.payable_on(row) == shift.from_due), None
            )
            if at is None:
                continue
            self.pending.remove(shift)
            self.move(rows, at, shift.to_due, following=shift.following)

    def move(self, rows: Sequence[PlanRow], at: int, to: date, *, following: bool) -> None:
        """Move the due date of the row at a place; with `following` the later ones are counted from it."""
        rows[at].due_date = self.terms.ends_on(to)
        if following:
            every = self.anchor.every if self.anchor else self.terms.repay_every
            self.anchor = Anchor(at, to, every)
            for place in range(at + 1, len(rows)):
                rows[place].due_date = self.date_of(place)
        for one, other in pairwise(rows):
            other.from_date = one.due_date
        self.check_order()

    def date_of(self, place: int) -> date:
        """The last interest day that belongs to a place among the regular rows, also beyond the last."""
        start = self.anchor
        if start is None:
            return self.clock.grid.ends_on(place + 1)
        return self.terms.ends_on(
            count_on(start.date, start.every, place - start.place, self.terms.due_dates)
        )

    def payable_on(self, row: PlanRow) -> date:
        """When a row is due: at the end of its period, or on the working day to which that moves."""
        return row.due_date if row.down_payment else self.terms.payable_on(row.due_date)

    def check_order(self) -> None:
        """Raise ScheduleError `due_date_out_of_order` when dates meet or pass each other."""
        before = date.min
        for row in self.regular():
            due = self.payable_on(row)
            if not row.settled and (row.from_date >= row.due_date or due <= before):
                raise ScheduleError("due_date_out_of_order", f"{due} would meet another due date")
            before = date.min if row.settled else due

    def check_adjusted(self, paid_out_on: date) -> None:
        """Raise ScheduleError `due_dates_meet` when days off move due dates together or onto the payout."""
        before = paid_out_on
        for row in self.rows if self.terms.adjustment.convention is not Convention.NONE else ():
            due = self.payable_on(row)
            if due <= before or row.due_date <= row.from_date:
                raise ScheduleError("due_dates_meet", f"by the calendar {due} would meet {before}")
            before = due

    def check_shifts(self) -> None:
        """Raise ScheduleError `installment_not_found` when a moved date is that of no installment."""
        if self.pending:
            raise ScheduleError(
                "installment_not_found", f"no installment is due on {self.pending[0].from_due}"
            )

    def calculate(self) -> None:
        """Figures of all rows, by the planned balance or by the real one."""
        calculate(self.rows, self.clock, self.tranches, self.real)

    def schedule(self) -> Schedule:
        """The plan as a frozen value."""
        return Schedule(
            tuple(
                Installment(
                    row.nr,
                    row.from_date,
                    self.payable_on(row),
                    row.opening,
                    self.balance_after(row),
                    row.principal,
                    row.interest,
                    row.accrual,
                    row.due_date,
                )
                for row in self.rows
            ),
            self.installment,
            self.clock,
        )

    def balance_after(self, row: PlanRow) -> int:
        """The principal that is left after a row, in minor units."""
        if len(self.tranches) == 1:
            return row.opening - row.principal
        moves = lent(self.rows, self.tranches)
        inside = sum(amount for day, amount in moves if row.from_date < day < row.due_date)
        return row.opening + inside - row.principal

    def _rows_for_installment(self, amount: int) -> None:
        terms, grid = self.terms, self.clock.grid
        down = _share_of(terms, amount)
        rows = [_row(terms, grid, nr) for nr in range(1, MAX_INSTALLMENTS + 1)]
        count = count_of(self.clock, rows, amount - down, terms.installment_minor or 0)
        self.rows = rows[:count]

    def _add_down_payment(self, on: date, amount: int) -> None:
        row = PlanRow(0, on, on, principal_fixed=_share_of(self.terms, amount), down_payment=True)
        row.principal = row.principal_fixed
        place = next((nr for nr, one in enumerate(self.rows) if one.due_date > on), len(self.rows))
        self.rows.insert(place, row)
        for nr, one in enumerate(self.rows, 1):
            one.nr = nr


def _row(terms: LoanTerms, grid: Grid, nr: int) -> PlanRow:
    grace = terms.grace
    return PlanRow(
        nr,
        grid.ends_on(nr - 1),
        grid.ends_on(nr),
        no_principal=nr <= grace.principal and terms.amortization is not Amortization.BULLET,
        held=nr <= grace.interest_payment,
        free=nr <= grace.interest_free,
    )


def _share_of(terms: LoanTerms, amount: int) -> int:
    """The down payment of a tranche."""
    if terms.down_payment_percent is None:
        return 0
    numerator, denominator = terms.down_payment_percent.as_integer_ratio()
    return round_to(amount * numerator, denominator * 100, terms.rounding.mode, terms.rounding.unit_minor)
