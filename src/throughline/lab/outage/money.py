"""What an installment costs: interest, penalty interest and the late fee, exact in whole minor units.

The loan is one of equal principal, so that a pause of interest touches its own period only. The figures are those
of `lending.replay` for the same loan, events and pauses (a test holds that).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from throughline.lab.outage.population.chance import Indices

INTEREST_PERCENT = 18
PENALTY_PERCENT = 27  # a year, on overdue principal
GRACE_DAYS = 3
LATE_FEE_MINOR = 2_000  # once an installment, on the day after the grace
YEAR_DAYS = 365
REPORT_DAYS = 15  # of delay, until a negative report
NEVER = 10**6  # a day that does not come

Window = tuple[int, int]  # days from START, both included


@dataclass(frozen=True, slots=True)
class Charged:
    """What is charged for a delay, in minor units, and the days of delay that count."""

    fee_minor: int
    penalty_minor: int
    late_days: int

    @property
    def all_minor(self) -> int:
        """Fee and penalty interest."""
        return self.fee_minor + self.penalty_minor


def halves_even(numerator: int, denominator: int) -> int:
    """The quotient of whole numbers from 0 up, a tie to the even one."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def interest_minor(balance_minor: int, days: int) -> int:
    """Interest of a period on the balance of the plan."""
    return halves_even(balance_minor * INTEREST_PERCENT * days, 100 * YEAR_DAYS)


def charged(principal_minor: int, due: int, paid: int, pauses: Sequence[Window] = ()) -> Charged:
    """What a delay costs if it is paid, or looked at, on the day `paid`; `pauses` are merged windows."""
    first = due + GRACE_DAYS + 1
    late = max(0, paid - due) - _inside(pauses, due + 1, paid)
    if paid < first:
        return Charged(0, 0, max(0, late))
    counted = paid - first + 1 - _inside(pauses, first, paid)
    fee = 0 if any(low <= first <= high for low, high in pauses) else LATE_FEE_MINOR
    penalty = halves_even(principal_minor * PENALTY_PERCENT * counted, 100 * YEAR_DAYS)
    return Charged(fee, penalty, max(0, late))


def charged_minor(principal_minor: Indices, due: Indices, paid: Indices) -> Indices:
    """Fee and penalty interest of many installments without pauses."""
    counted = np.maximum(paid - due - GRACE_DAYS, 0)
    numerator, denominator = principal_minor * PENALTY_PERCENT * counted, 100 * YEAR_DAYS
    whole, rest = np.divmod(numerator, denominator)
    whole += (2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1))
    all_: Indices = whole + np.where(counted > 0, LATE_FEE_MINOR, 0)
    return all_


def merged(windows: Sequence[Window]) -> tuple[Window, ...]:
    """Windows that touch or overlap become one; empty ones go."""
    whole: list[Window] = []
    for low, high in sorted(one for one in windows if one[1] >= one[0]):
        if whole and low <= whole[-1][1] + 1:
            whole[-1] = (whole[-1][0], max(whole[-1][1], high))
        else:
            whole.append((low, high))
    return tuple(whole)


def _inside(pauses: Sequence[Window], first: int, last: int) -> int:
    """Days of the pauses from `first` to `last`."""
    return sum(max(0, min(high, last) - max(low, first) + 1) for low, high in pauses)


def forgone_interest_minor(balance_minor: int, due: int, days: int, pauses: Sequence[Window]) -> int:
    """Interest that pauses take from the period of an installment."""
    paused = _inside(pauses, due - days + 1, due)
    return interest_minor(balance_minor, days) - interest_minor(balance_minor, days - paused) if paused else 0
