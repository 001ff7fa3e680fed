"""How the rows of a plan repay what is owed: an equal installment, equal shares, all at the end, flat (lending.md
section 4). Amounts are minor units."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Context, Decimal, localcontext

from throughline.kernel.money import Rounding, round_minor
from throughline.lending.periods import ScheduleError
from throughline.lending.plan_rows import InterestClock, Move, PlanRow
from throughline.lending.rates import (
    ZERO,
    Ratio,
    add_ratios,
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
    LoanTerms,
    ScheduleType,
)

PRECISION = Context(prec=28)


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
        standard = times(clock.rate_of_row_due(rows[-1].due_date), standard_share(terms, rows[-1].every))
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
        one, year = standard_share(terms, rows[-1].every)
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
    """How many of the rows repay the principal at a given installment: stop when what remains fits into one.

    Interest above the installment waits for the next one, as it does in the plan.
    """
    mode = clock.grid.terms.rounding.mode
    balance, waiting = principal, 0
    for place, row in enumerate(rows, 1):
        numerator, denominator = clock.factor(row, row.from_date, row.due_date, paused=False)
        interest = round_ratio(balance * numerator, denominator, mode)
        if row.no_principal:
            continue
        interest += waiting
        if balance + interest <= installment:
            return place
        covered = min(interest, installment)
        waiting = interest - covered
        balance -= installment - covered
    if waiting:
        raise ScheduleError("installment_too_small", "the installment does not even cover the interest")
    raise ScheduleError("installment_too_small", f"more than {MAX_INSTALLMENTS} installments")
