"""Penalty interest on what is overdue (lending.md section 9): base x rate x days after the grace, without
paused days. It runs exactly, in one fraction for each installment, and is rounded only when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from throughline.lending.rates import (
    ZERO,
    Ratio,
    Span,
    add_ratios,
    rate_ratio,
    round_ratio,
    unpaused_share,
)
from throughline.lending.terms import LoanTerms, OverdueBase


@dataclass(slots=True)
class PenaltyMeter:
    """Counts the penalty interest of one installment from the last day on which paying it is in time."""

    terms: LoanTerms
    due_date: date
    pauses: tuple[Span, ...]
    in_time: date = field(init=False)
    _through: date = field(init=False)
    _sum: Ratio = field(init=False, default=ZERO)

    def __post_init__(self) -> None:
        rule = self.terms.overdue_interest
        self.in_time = self.terms.in_time_through(self.due_date)
        self._through = self.in_time + timedelta(days=rule.grace_days if rule else 0)

    def run(self, to: date, principal_minor: int, interest_minor: int) -> None:
        """Count the days up to `to` on the base that stood meanwhile."""
        rule = self.terms.overdue_interest
        if rule is None or to <= self._through:
            return
        base = principal_minor
        if rule.base is OverdueBase.PRINCIPAL_AND_INTEREST:
            base += interest_minor
        after, self._through = self._through, to
        if base == 0:
            return
        share, year = unpaused_share(after, to, self.terms.day_count.year, self.pauses)
        if share:
            rate, scale = rate_ratio(rule.annual_rate_percent)
            self._sum = add_ratios(self._sum, (base * rate * share, scale * year))

    @property
    def amount_minor(self) -> int:
        """The penalty interest so far, rounded once."""
        return round_ratio(*self._sum, self.terms.rounding.mode) if self._sum[0] else 0
