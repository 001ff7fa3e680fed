"""How late a loan is, by the contract and after pauses (lending.md section 8).

Lateness counts from the last day on which paying would have been in time: the due date or, where the terms skip
days off, the next working day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from throughline.lending.history import Pauses
from throughline.lending.rates import Span
from throughline.lending.state import LoanState
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
    pauses, terms = state.pauses, state.terms
    late = [
        Late(row.nr, in_time, row.outstanding_minor)
        for row in state.installments
        if row.due_date < on
        and row.outstanding_minor > 0
        and (in_time := terms.in_time_through(row.due_date)) < on
    ]
    counted = count_days(late, on, pauses.delinquency, terms.arrears_days, terms.floor_minor)
    return Delinquency(
        on=on,
        past_due_days=counted.past_due_days,
        paused_days=counted.paused_days,
        delinquent_days=counted.delinquent_days,
        delinquent_since=counted.delinquent_since,
        range=range_of(counted.delinquent_days, terms.ranges),
        amount_minor=sum(row.amount_minor for row in late),
        paused=pauses.delinquency_paused(on),
        by_installment=tuple(_of_installment(row, on, pauses, counted, terms.ranges) for row in late),
    )


@dataclass(frozen=True, slots=True)
class Late:
    """An installment that is past due: the last day on which paying was in time, and what is open (minor units)."""

    nr: int
    in_time: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Days of lateness. `since` is the date that they are counted from; None while nobody is delinquent over
    so little."""

    past_due_days: int = 0
    paused_days: int = 0
    delinquent_days: int = 0
    since: date | None = None
    delinquent_since: date | None = None


def count_days(
    late: Sequence[Late], on: date, pauses: Sequence[Span], arrears_days: int, floor_minor: int
) -> Counted:
    """The days of lateness of installments that are past due, oldest first.

    The days count from the installment with which the past-due amount reaches the floor: a few cents that stayed
    open on an old installment make no new delay an old one.
    """
    if not late:
        return Counted()
    past_due = (on - late[0].in_time).days
    since = _reaches(late, floor_minor)
    if since is None:
        return Counted(past_due)
    paused = paused_days(pauses, since, on)
    days = max(0, (on - since).days - arrears_days - paused)
    return Counted(past_due, paused, days, since, since + timedelta(days=arrears_days))


def _reaches(late: Sequence[Late], floor_minor: int) -> date | None:
    amount = 0
    for row in late:
        amount += row.amount_minor
        if amount >= floor_minor:
            return row.in_time
    return None


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
    row: Late, on: date, pauses: Pauses, counted: Counted, ranges: Sequence[DelinquencyRange]
) -> InstallmentDelinquency:
    """No installment is later than the loan, whatever its date: below the floor none is."""
    if counted.since is None:
        return InstallmentDelinquency(row.nr, 0, None, row.amount_minor)
    since = max(row.in_time, counted.since)
    days = max(0, (on - since).days - paused_days(pauses.delinquency, since, on))
    return InstallmentDelinquency(row.nr, days, range_of(days, ranges), row.amount_minor)
