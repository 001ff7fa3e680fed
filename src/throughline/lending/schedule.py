"""The repayment schedule: pure arithmetic on a declining balance (lending.md section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, localcontext

from throughline.kernel.money import Rounding, round_minor
from throughline.lending.periods import DueDateShift, Grid, ScheduleError, shifted
from throughline.lending.rates import Ratio, Span, merge, round_ratio
from throughline.lending.terms import MAX_INSTALLMENTS, Amortization, LoanTerms

PRECISION = Context(prec=28)


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

    `interest_minor` is what is due with it, `accrual_minor` what accrues in its period; they differ only
    while interest is carried because it is larger than the installment. `balance_minor` is the principal
    left after it, `opening_minor` before it.
    """

    nr: int
    from_date: date
    due_date: date
    opening_minor: int
    principal_minor: int
    interest_minor: int
    accrual_minor: int

    @property
    def balance_minor(self) -> int:
        return self.opening_minor - self.principal_minor


@dataclass(frozen=True, slots=True)
class Schedule:
    """A plan: installments, the equal installment (0 for equal principal), and what it was made from."""

    installments: tuple[Installment, ...]
    installment_minor: int
    grid: Grid
    interest_pauses: tuple[Span, ...]

    @property
    def total_interest_minor(self) -> int:
        return sum(row.interest_minor for row in self.installments)


def build_schedule(terms: LoanTerms, tranches: Sequence[Tranche], changes: Sequence[Change] = ()) -> Schedule:
    """The schedule of what has been paid out.

    Without a tranche it is a draft of the whole principal from `expected_disbursement_date`. The
    installment is computed once from the contract; a pause or a moved date leaves it as signed and the
    last installment absorbs the difference. Raises ScheduleError.
    """
    if not tranches:
        if terms.expected_disbursement_date is None:
            raise ScheduleError("no_disbursement", "a draft needs expected_disbursement_date")
        tranches = (Tranche(terms.expected_disbursement_date, terms.principal_minor),)
    if len(tranches) > 1:
        raise ScheduleError("several_tranches", "a loan is paid out in one sum")
    payout = tranches[0]
    grid = Grid(terms, payout.date)
    principal = payout.amount_minor
    mode = terms.rounding.mode
    if terms.installment_minor is not None and terms.amortization is Amortization.EQUAL_INSTALLMENTS:
        installment = terms.installment_minor
        count = _count_of(grid, principal, installment, mode)
    else:
        count = terms.installments
        installment = _installment(terms, grid, principal, count)

    pauses = merge([(one.first, one.last) for one in changes if isinstance(one, InterestPause)])
    shifts = [one for one in changes if isinstance(one, DueDateShift)]
    due = [grid.due_on(nr) for nr in range(1, count + 1)]
    if shifts:
        due = shifted(due, payout.date, terms.repay_every, shifts)
    if pauses or shifts:
        starts = [payout.date, *due[:-1]]
        factors = [
            grid.between(start, end, pauses, nr)
            for nr, (start, end) in enumerate(zip(starts, due, strict=True), 1)
        ]
    else:
        factors = [grid.factor(nr) for nr in range(1, count + 1)]

    if terms.amortization is Amortization.EQUAL_PRINCIPAL:
        share = round_ratio(principal, count, mode)
        rows = _equal_principal(principal, share, factors, mode)
    else:
        rows = amortise(principal, installment, factors, mode)
    return Schedule(tuple(_dated(rows, payout.date, due)), installment, grid, pauses)


Row = tuple[int, int, int, int]  # opening, principal, interest due, interest accruing


def _dated(rows: Sequence[Row], paid_out_on: date, due: Sequence[date]) -> list[Installment]:
    made = []
    start = paid_out_on
    for nr, ((opening, principal, interest, accrual), end) in enumerate(zip(rows, due, strict=True), 1):
        made.append(Installment(nr, start, end, opening, principal, interest, accrual))
        start = end
    return made


def annuity(principal_minor: int, factors: Sequence[Ratio]) -> Decimal:
    """The equal installment before rounding: A = P * (g_1 … g_n) / f_n with f_k = 1 + f_(k-1) * g_k."""
    with localcontext(PRECISION):
        growth = Decimal(1)
        divisor = Decimal(0)
        for numerator, denominator in factors:
            step = 1 + Decimal(numerator) / denominator
            growth *= step
            divisor = 1 + divisor * step
        return principal_minor * growth / divisor


def _installment(terms: LoanTerms, grid: Grid, principal: int, count: int) -> int:
    """The equal installment, rounded and smoothed: when the last one differs by more than half a minor
    unit for each installment, the difference is spread once, and kept only if the gap shrinks."""
    if terms.amortization is Amortization.EQUAL_PRINCIPAL:
        return 0
    factors = [grid.factor(nr) for nr in range(1, count + 1)]
    mode = terms.rounding.mode
    first = _to_multiple(annuity(principal, factors), terms)
    gap = _gap(principal, first, factors, mode)
    if count < 2 or abs(gap) <= count // 2:
        return first
    with localcontext(PRECISION):
        second = _to_multiple(first + Decimal(gap) / count, terms)
    return second if abs(_gap(principal, second, factors, mode)) < abs(gap) else first


def _gap(principal: int, installment: int, factors: Sequence[Ratio], mode: Rounding) -> int:
    _, last_principal, last_interest, _ = amortise(principal, installment, factors, mode)[-1]
    return last_principal + last_interest - installment


def _to_multiple(value: Decimal, terms: LoanTerms) -> int:
    multiple = terms.rounding.installment_multiple_minor
    if multiple == 1:
        return round_minor(value, terms.rounding.mode)
    return multiple * round_minor(value / multiple, terms.rounding.installment_multiple_mode)


def _count_of(grid: Grid, principal: int, installment: int, mode: Rounding) -> int:
    """How many installments of a given amount repay the principal: stop when what remains fits into one."""
    balance, nr = principal, 1
    while True:
        numerator, denominator = grid.factor(nr)
        interest = round_ratio(balance * numerator, denominator, mode)
        if balance + interest <= installment:
            return nr
        if installment <= interest:
            raise ScheduleError("installment_too_small", "the installment does not even cover the interest")
        balance -= installment - interest
        nr += 1
        if nr > MAX_INSTALLMENTS:
            raise ScheduleError("installment_too_small", f"more than {MAX_INSTALLMENTS} installments")


def amortise(principal: int, installment: int, factors: Sequence[Ratio], mode: Rounding) -> list[Row]:
    """Rows (opening, principal, interest due, interest accruing) of equal installments; the last absorbs.

    Interest larger than the installment: no principal, the rest waits for the next one and bears nothing.
    """
    rows = []
    balance, waiting = principal, 0
    last = len(factors) - 1
    for index, (numerator, denominator) in enumerate(factors):
        accrual = round_ratio(balance * numerator, denominator, mode)
        interest = accrual + waiting
        if index == last:
            part = balance
        else:
            if interest > installment:
                interest = installment
            part = installment - interest
            if part > balance:
                part = balance
        waiting += accrual - interest
        rows.append((balance, part, interest, accrual))
        balance -= part
    return rows


def _equal_principal(principal: int, share: int, factors: Sequence[Ratio], mode: Rounding) -> list[Row]:
    rows = []
    balance = principal
    last = len(factors) - 1
    for index, (numerator, denominator) in enumerate(factors):
        interest = round_ratio(balance * numerator, denominator, mode)
        part = balance if index == last else min(share, balance)
        rows.append((balance, part, interest, interest))
        balance -= part
    return rows
