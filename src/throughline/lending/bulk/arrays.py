"""Equal installments and equal principal of many loans at once, in whole minor units.

What `schedule.py` computes for one loan, for a group of one structure. All that is rounded is rounded as
an exact ratio of integers; only the equal installment starts from floats, and wherever these lie too near
a tie (or numbers grow too large for 64 bits) the loan is not `sure` and has to be computed one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughline.kernel.money import Rounding
from throughline.lending.bulk.dates import Ints
from throughline.lending.bulk.plain import Structure

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LIMIT = float(2**60)  # products below it can be doubled in 64 bits, and floats can't hide an overflow
EPSILON = 2.0**-53


@dataclass(frozen=True, slots=True)
class Rows:
    """Amounts in minor units: a row for each period, a column for each loan. `balance` is what is left."""

    balance: Ints
    principal: Ints
    interest: Ints

    def of(self, chosen: Bools) -> Rows:
        return Rows(self.balance[:, chosen], self.principal[:, chosen], self.interest[:, chosen])


@dataclass(frozen=True, slots=True)
class Factors:
    """Rate factors of the periods as ratios, shaped like Rows."""

    numerator: Ints
    denominator: Ints

    def of(self, chosen: Bools) -> Factors:
        return Factors(self.numerator[:, chosen], self.denominator[:, chosen])


def round_ratios(numerator: Ints, denominator: Ints, mode: Rounding) -> Ints:
    """`rates.round_ratio` for each pair; numerators are not negative."""
    whole = numerator // denominator
    if mode is Rounding.DOWN:
        return whole
    rest = numerator - whole * denominator
    if mode is Rounding.UP:
        whole += rest > 0
        return whole
    rest += rest
    if mode is Rounding.HALF_UP:
        whole += rest >= denominator
        return whole
    # A tie goes up from an odd number only: then one more than twice the rest passes the denominator.
    rest += whole & 1
    whole += rest > denominator
    return whole


def factors_of(rate: tuple[Ints, Ints], share: tuple[Ints, Ints]) -> Factors:
    """Rates (percent a year, as ratios) times shares of a year."""
    return Factors(rate[0] * share[0], rate[1] * share[1])


def small_enough(principal: Ints, rate: tuple[Ints, Ints], share: tuple[Ints, Ints]) -> Bools:
    """The loans of which no product in this module comes near 64 bits."""
    periods = share[0].shape[0]
    numerator = rate[0].astype(np.float64) * share[0].max(axis=0)
    denominator = rate[1].astype(np.float64) * share[1].max(axis=0)
    # Interest that waits may add up over all periods.
    owed = principal * (1 + periods * rate[0] / rate[1] * (share[0] / share[1]).max(axis=0))
    made: Bools = (principal * numerator < LIMIT) & (denominator < LIMIT) & (owed * (periods + 1) < LIMIT)
    return made


def plan(structure: Structure, principal: Ints, factors: Factors) -> tuple[Rows, Bools]:
    """The rows of all loans, and which of them are sure to be those of `build_schedule`."""
    if structure.equal_principal:
        return _equal_principal(structure, principal, factors), np.ones(len(principal), np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no finite number is not sure either
        first, sure = _installment(structure, principal, factors)
    rows = amortise(principal, first, factors, structure.mode)
    _smooth(structure, principal, first, factors, rows)
    return rows, sure


def _installment(structure: Structure, principal: Ints, factors: Factors) -> tuple[Ints, Bools]:
    """The equal installment before smoothing, and where its rounding is beyond doubt."""
    count = structure.installments
    multiple, mode = structure.multiple_minor, structure.multiple_mode
    if multiple == 1:
        mode = structure.mode
    if count == 1:  # the only installment is the last one: it takes whatever is owed
        return np.zeros_like(principal), np.ones(len(principal), np.bool_)
    value = _annuity(principal, factors) / multiple
    # Each step adds at most eleven roundings of one EPSILON to the relative error (see `_annuity`).
    doubt = value * (16 * (count + 2) * EPSILON)
    if mode in {Rounding.UP, Rounding.DOWN}:
        to_tie = np.abs(value - np.rint(value))
        rounded = np.ceil(value) if mode is Rounding.UP else np.floor(value)
    else:
        below = np.floor(value)
        to_tie = np.abs(value - below - 0.5)
        rounded = np.floor(value + 0.5)
    # `>` is False for what is no number, too.
    sure = (to_tie > doubt) & (value < LIMIT / multiple)
    first = np.where(sure, rounded, 0).astype(np.int64) * multiple
    free = factors.numerator[0] == 0  # no interest: principal / count, exactly
    if free.any():
        divisor = np.full(int(free.sum()), count * multiple)
        first[free] = multiple * round_ratios(principal[free], divisor, mode)
        sure |= free
    return first, sure


def _annuity(principal: Ints, factors: Factors) -> Floats:
    """`schedule.annuity` in floats. A step has a relative error of at most 4 EPSILON (two conversions, one
    division, one sum), the growth gathers 5 a period and the divisor 6."""
    growth = np.ones(len(principal))
    divisor = np.zeros(len(principal))
    for numerator, denominator in zip(factors.numerator, factors.denominator, strict=True):
        step = numerator / denominator + 1
        growth *= step
        divisor *= step
        divisor += 1
    made: Floats = principal * growth / divisor
    return made


def _smooth(structure: Structure, principal: Ints, first: Ints, factors: Factors, rows: Rows) -> None:
    """Spread the gap of the last installment once, where that makes it smaller; changes `rows`."""
    count, multiple = structure.installments, structure.multiple_minor
    gap = rows.principal[-1] + rows.interest[-1] - first
    wide = np.abs(gap) > count // 2
    if count < 2 or not wide.any():
        return
    mode = structure.mode if multiple == 1 else structure.multiple_mode
    # first + gap / count, as a ratio; not negative, since the last installment is not.
    divisor = np.full(int(wide.sum()), count * multiple)
    second = multiple * round_ratios(first[wide] * count + gap[wide], divisor, mode)
    again = amortise(principal[wide], second, factors.of(wide), structure.mode)
    other = again.principal[-1] + again.interest[-1] - second
    better = np.abs(other) < np.abs(gap[wide])
    kept = np.flatnonzero(wide)[better]
    rows.balance[:, kept] = again.balance[:, better]
    rows.principal[:, kept] = again.principal[:, better]
    rows.interest[:, kept] = again.interest[:, better]


def amortise(principal: Ints, installment: Ints, factors: Factors, mode: Rounding) -> Rows:
    """`schedule.amortise`: the last installment absorbs; interest above the installment waits."""
    rows = _empty(factors)
    balance = principal
    waiting = np.zeros_like(principal)
    last = len(factors.numerator) - 1
    for nr in range(last):
        interest = round_ratios(balance * factors.numerator[nr], factors.denominator[nr], mode)
        interest += waiting
        due = np.minimum(interest, installment, out=rows.interest[nr])
        np.subtract(interest, due, out=waiting)
        part = np.subtract(installment, due, out=rows.principal[nr])
        np.minimum(part, balance, out=part)
        balance = np.subtract(balance, part, out=rows.balance[nr])
    accrued = round_ratios(balance * factors.numerator[last], factors.denominator[last], mode)
    np.add(accrued, waiting, out=rows.interest[last])
    rows.principal[last] = balance
    rows.balance[last] = 0
    return rows


def _equal_principal(structure: Structure, principal: Ints, factors: Factors) -> Rows:
    rows = _empty(factors)
    count, mode = structure.installments, structure.mode
    share = round_ratios(principal, np.full_like(principal, count), mode)
    balance = principal
    for nr in range(count):
        rows.interest[nr] = round_ratios(balance * factors.numerator[nr], factors.denominator[nr], mode)
        rows.principal[nr] = balance if nr == count - 1 else np.minimum(share, balance)
        balance = np.subtract(balance, rows.principal[nr], out=rows.balance[nr])
    return rows


def _empty(factors: Factors) -> Rows:
    shape = factors.numerator.shape
    return Rows(np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape, np.int64))
