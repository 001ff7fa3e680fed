"""Due dates and the interest grid of a loan (lending.md section 3).

The grid is what the contract says: the k-th date is the anchor plus k periods, never the date before
plus one. A moved due date regroups the interest days of the grid; it does not change what a day costs.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from throughline.lending.rates import (
    ZERO,
    Ratio,
    Span,
    add_ratios,
    days_inside,
    period_share,
    rate_ratio,
    times,
)
from throughline.lending.terms import DueDates, Frequency, LoanTerms, PeriodUnit


class ScheduleError(ValueError):
    """A change that the schedule cannot take. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class DueDateShift:
    """The due date `from_due` moves to `to_due`; with `following` all later ones are counted from there."""

    from_due: date
    to_due: date
    following: bool


def add_periods(anchor: date, every: Frequency, count: int) -> date:
    """The anchor plus that many periods; months keep the day of the anchor or end with the month."""
    if every.unit is PeriodUnit.MONTHS:
        return _add_months(anchor, every.count * count)
    days = every.count * (7 if every.unit is PeriodUnit.WEEKS else 1)
    return anchor + timedelta(days=days * count)


def _add_months(anchor: date, months: int) -> date:
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = anchor.day if anchor.day <= 28 else min(anchor.day, monthrange(year, month + 1)[1])
    return date(year, month + 1, day)


def count_on(anchor: date, every: Frequency, count: int, due_dates: DueDates) -> date:
    """As `add_periods`; with `month_end` an anchor that ends its month goes on from month's end to month's end."""
    due = add_periods(anchor, every, count)
    months = due_dates is DueDates.MONTH_END and every.unit is PeriodUnit.MONTHS
    return _month_end(due) if months and anchor == _month_end(anchor) else due


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


@dataclass(slots=True)
class Grid:
    """The contractual dates from the payout on, and the share of a year between any two days of them."""

    terms: LoanTerms
    paid_out_on: date
    _rate: Ratio = field(init=False)
    _dates: list[date] = field(init=False)
    _shares: list[Ratio] = field(init=False)

    def __post_init__(self) -> None:
        self._rate = rate_ratio(self.terms.annual_rate_percent)
        self._dates = [self.paid_out_on]
        self._shares = [ZERO]
        first = self.terms.first_due_date
        if first is not None and first <= self.paid_out_on:
            raise ScheduleError(
                "first_due_before_payout", f"first_due_date {first} is not after {self.paid_out_on}"
            )

    def due_on(self, nr: int) -> date:
        """The contractual due date of installment `nr`; 0 is the payout."""
        while len(self._dates) <= nr:
            self._extend()
        return self._dates[nr]

    def ends_on(self, nr: int) -> date:
        """The last interest day of period `nr`, which a day off may have moved; 0 is the payout."""
        day = self.due_on(nr)
        return self.terms.ends_on(day) if nr else day

    def share(self, nr: int) -> Ratio:
        """The whole contractual period `nr` as a share of a year."""
        self.due_on(nr)
        return self._shares[nr]

    def factor(self, nr: int) -> Ratio:
        """ρ of the whole contractual period `nr` at the contract rate."""
        return times(self._rate, self.share(nr))

    def _extend(self) -> None:
        terms, nr = self.terms, len(self._dates)
        before = self._dates[-1]
        every, first = terms.repay_every, terms.first_due_date
        due = add_periods(self.paid_out_on, every, nr) if first is None else add_periods(first, every, nr - 1)
        if terms.due_dates is DueDates.MONTH_END:
            due = _month_end(due)
            whole = nr > 1 or (
                before == _month_end(before) and due == _month_end(add_periods(before, every, 1))
            )
        else:
            # From 31 January to 28 February is a month whether one counts on or back.
            whole = nr > 1 or add_periods(before, every, 1) == due or add_periods(due, every, -1) == before
        self._dates.append(due)
        self._shares.append(period_share(before, due, whole=whole, terms=terms))

    def between(self, after: date, through: date, pauses: Sequence[Span], start_nr: int = 1) -> Ratio:
        """The rate factor of the interest days after+1 … through without the paused ones, at the contract rate."""
        return times(self._rate, self.share_between(after, through, pauses, start_nr))

    def share_between(self, after: date, through: date, pauses: Sequence[Span], start_nr: int = 1) -> Ratio:
        """The share of a year of the interest days after+1 … through without the paused ones.

        A part of a period is the whole period's share times part days over period days. `start_nr` is
        a period that begins no later than `after`; it only saves steps.
        """
        total = ZERO
        nr = start_nr
        if not pauses and self.due_on(nr) == through and self._dates[nr - 1] == after:
            return self._shares[nr]  # a whole period, which most are
        while nr > 1 and self.due_on(nr - 1) > after:
            nr -= 1
        while self.due_on(nr - 1) < through:
            first, last = self._dates[nr - 1], self.due_on(nr)
            low, high = max(after, first), min(through, last)
            if low < high:
                days = (high - low).days - (days_inside(low, high, pauses) if pauses else 0)
                period_days = (last - first).days
                numerator, denominator = self._shares[nr]
                if days == period_days:
                    total = (
                        add_ratios(total, (numerator, denominator)) if total[0] else (numerator, denominator)
                    )
                elif days:
                    total = add_ratios(total, (numerator * days, denominator * period_days))
            nr += 1
        return total
