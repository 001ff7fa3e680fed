"""How late a loan is, by the contract and after pauses (lending.md section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from throughline.lending.history import Pauses
from throughline.lending.rates import Span
from throughline.lending.state import InstallmentState, LoanState
from throughline.lending.terms import DelinquencyRange


@dataclass(frozen=True, slots=True)
class InstallmentDelinquency:
    """One installment that is past due, without grace."""

    nr: int
    days: int
    range: str | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Delinquency:
    """Lateness on a day. `past_due_days` is contractual, `delinquent_days` after grace and pauses."""

    on: date
    past_due_days: int
    paused_days: int
    delinquent_days: int
    delinquent_since: date | None
    range: str | None
    amount_minor: int
    paused: bool
    by_installment: tuple[InstallmentDelinquency, ...]


def delinquency(state: LoanState, on: date) -> Delinquency:
    """The lateness of a loan replayed to `on`; only pause days after the due date count."""
    late = [row for row in state.installments if row.due_date < on and row.outstanding_minor > 0]
    pauses, terms = state.pauses, state.terms
    if not late:
        return Delinquency(on, 0, 0, 0, None, None, 0, pauses.delinquency_paused(on), ())
    oldest = late[0].due_date
    past_due = (on - oldest).days
    paused = paused_days(pauses.delinquency, oldest, on)
    days = max(0, past_due - terms.arrears_days - paused)
    return Delinquency(
        on=on,
        past_due_days=past_due,
        paused_days=paused,
        delinquent_days=days,
        delinquent_since=oldest + timedelta(days=terms.arrears_days),
        range=range_of(days, terms.ranges),
        amount_minor=sum(row.outstanding_minor for row in late),
        paused=pauses.delinquency_paused(on),
        by_installment=tuple(_of_installment(row, on, pauses, terms.ranges) for row in late),
    )


def paused_days(merged: Sequence[Span], due_date: date, on: date) -> int:
    """Days of merged pauses (from, to) between a due date and a day, end minus start."""
    return sum(max(0, (min(until, on) - max(first, due_date)).days) for first, until in merged)


def range_of(days: int, ranges: Sequence[DelinquencyRange]) -> str | None:
    """The name of the range in which so many delinquent days lie."""
    for row in ranges:
        if row.from_day <= days and (row.to_day is None or days <= row.to_day):
            return row.name
    return None


def frozen_range(
    before: str | None, now: str | None, ranges: Sequence[DelinquencyRange], *, paused: bool
) -> str | None:
    """The range to keep: in a pause it may improve (by payment), never worsen by time."""
    if not paused:
        return now
    order = [None, *(row.name for row in ranges)]
    known = before if before in order else None
    return min(known, now, key=order.index)


def _of_installment(
    row: InstallmentState, on: date, pauses: Pauses, ranges: Sequence[DelinquencyRange]
) -> InstallmentDelinquency:
    days = max(0, (on - row.due_date).days - paused_days(pauses.delinquency, row.due_date, on))
    return InstallmentDelinquency(row.nr, days, range_of(days, ranges), row.outstanding_minor)
