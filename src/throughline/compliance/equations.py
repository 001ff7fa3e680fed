"""The equations of annual rates, solved by bracketing and bisection.

Both functions of the rate fall from above 0 at a rate of 0; each stops after a bounded number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum, log1p

Term = tuple[float, float, int]  # whole periods, the fraction of one, and the amount: payments above 0

_FIRST_GUESS = 0.01
_STEPS = 200  # a double has no more digits than half as many halvings tell apart


def actuarial(terms: Sequence[Term]) -> Callable[[float], float]:
    """Present value of all flows at a rate a period: Σ amount / ((1 + fraction·i)(1 + i)^whole).

    Regulation Z, Appendix J (b)(8). With whole years or months and no fraction it is the equation of the
    EU directives and of the internal rate of return.
    """

    def excess(rate: float) -> float:
        power = log1p(rate)
        return fsum(amount * exp(-whole * power) / (1 + part * rate) for whole, part, amount in terms)

    return excess


def us_rule(terms: Sequence[Term]) -> Callable[[float], float]:
    """What is overpaid at the end at a rate a period with simple interest between flows.

    Regulation Z, Appendix J (a)(3): a payment first covers interest, unpaid interest waits and bears none.
    """
    ordered = sorted((whole + part, amount) for whole, part, amount in terms)

    def excess(rate: float) -> float:
        balance = waiting = 0.0
        before = ordered[0][0]
        for at, amount in ordered:
            waiting += balance * rate * (at - before)
            before = at
            covered = min(max(amount, 0), max(waiting, 0.0))
            waiting -= covered
            balance -= amount - covered
        return -(balance + waiting)

    return excess


def solve(excess: Callable[[float], float], highest: float) -> float | None:
    """The lowest rate above 0 at which nothing is left over; None if there is none up to `highest`."""
    low, high = 0.0, min(_FIRST_GUESS, highest)
    while excess(high) > 0:
        if high >= highest:
            return None
        low, high = high, min(high * 2, highest)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if not low < middle < high or high - low < 1e-17:
            break
        if excess(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
