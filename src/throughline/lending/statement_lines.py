"""The lines of a statement: every change of what is owed, day by day, from the states of the replay.

What stands on a line is the difference of two states, never a sum of its own: so the opening balance and
the lines always make the closing balance, and both are those of the books (lending.md section 14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from throughline.lending.accrual import accrued_to
from throughline.lending.accrual import charged as charged_in_all
from throughline.lending.history import PAYMENTS, EventType, LoanEvent, cancelled
from throughline.lending.state import LoanState, LoanStatus, Transaction
from throughline.lending.statement_kinds import KIND_OF, LineKind

StateOf = Callable[[date], LoanState]


# What a transaction of these types does to the debt: money and waivers lower it, money that goes back raises it.
_BACK = frozenset({EventType.CHARGEBACK, EventType.REFUND_OF_OVERPAYMENT})
_NO_CHANGE = frozenset({EventType.CHARGE_OFF})  # a mark: the borrower owes what was owed before
# Events that may move the debt on their day without a transaction of their own.
_NEW_PLANS = frozenset({EventType.RESCHEDULE, EventType.RE_AGE, EventType.RE_AMORTIZE})


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed, or a change of it, by component in minor units; a minus lowers the debt.

    Interest below zero is paid before it was earned. `credit_minor` is what was paid too much: never
    above zero in a balance.
    """

    principal_minor: int = 0
    interest_minor: int = 0
    fee_minor: int = 0
    penalty_minor: int = 0
    credit_minor: int = 0

    @property
    def total_minor(self) -> int:
        return sum(self.parts)

    @property
    def parts(self) -> tuple[int, int, int, int, int]:
        """Principal, interest, fees, penalties, credit."""
        return (
            self.principal_minor,
            self.interest_minor,
            self.fee_minor,
            self.penalty_minor,
            self.credit_minor,
        )

    def __add__(self, other: Owed) -> Owed:
        return Owed(*(one + two for one, two in zip(self.parts, other.parts, strict=True)))

    def __sub__(self, other: Owed) -> Owed:
        return Owed(*(one - two for one, two in zip(self.parts, other.parts, strict=True)))

    def __bool__(self) -> bool:
        return any(self.parts)


@dataclass(frozen=True, slots=True)
class Line:
    """One change of the debt on a value date, with the principal after it.

    `from_date` is the day after which interest of this line began to run, `installment` whose due date
    it is charged on, where there is one.
    """

    value_date: date
    kind: LineKind
    change: Owed
    principal_after_minor: int
    from_date: date | None = None
    installment: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is owed by the close of a day, and what has come together since the payout by then."""

    on: date
    owed: Owed
    charged: Owed  # interest, fees and penalties earned; principal: what was paid out
    penalty_interest_minor: int  # inside the penalties charged
    paid: Owed  # less what a chargeback took back
    waived: Owed  # also what was written off


def standing(state: LoanState) -> Standing:
    """The figures of a state by the close of its day."""
    # A loan that has come to its end was charged what stands in its installments, also after a charge-off.
    earned = charged_in_all(state) if state.closed else accrued_to(state, state.as_of)
    out = 0 if state.status is LoanStatus.APPROVED else state.disbursed_minor
    charged = Owed(out, earned.interest_minor, earned.fee_minor, earned.penalty_minor)
    at_payout = Owed(*state.paid_at_disbursement)
    if state.closed:
        charged += at_payout  # which stands in no installment
    rows = state.installments
    paid = _total(row.paid for row in rows) + at_payout - _total(row.credited for row in rows)
    waived = _total(row.waived for row in rows) + _total(row.written_off for row in rows)
    owed = charged - paid - waived - Owed(credit_minor=state.overpaid_minor)
    # A loan may owe principal that was not paid out (or was taken off): the replay knows.
    owed += Owed(principal_minor=state.outstanding[0] - owed.principal_minor)
    return Standing(state.as_of, owed, charged, state.overdue_penalty_minor, paid, waived)


def _total(rows: Iterable[tuple[int, int, int, int]]) -> Owed:
    total = [0, 0, 0, 0]
    for row in rows:
        for place, amount in enumerate(row):
            total[place] += amount
    return Owed(*total)


def statement_lines(
    state_of: StateOf, events: Sequence[LoanEvent], opening: Standing, closing: LoanState
) -> tuple[Line, ...]:
    """The lines after the close of the opening's day up to the day of the closing state, oldest first."""
    walk = _Lines(opening, closing, events)
    for day in _days(events, opening.on, closing):
        walk.close(closing if day == closing.as_of else state_of(day))
    return tuple(walk.lines)


def _days(events: Sequence[LoanEvent], after: date, closing: LoanState) -> list[date]:
    """The days on which the debt changes by more than time, and the last one."""
    days = {one.value_date for one in closing.transactions}
    days |= {event.value_date for event in events if event.type in _NEW_PLANS | {EventType.CHARGE}}
    days |= {row.due_date for row in closing.installments}
    days |= {charge.due_date for charge in closing.charges}
    inside = {day for day in days if after < day <= closing.as_of}
    return sorted(inside | {closing.as_of})


class _Lines:
    """Lines being written; `_before` is the standing by the close of the day before."""

    def __init__(self, opening: Standing, closing: LoanState, events: Sequence[LoanEvent]) -> None:
        self.lines: list[Line] = []
        gone = cancelled(events)
        self._events = [event for event in events if event.id not in gone]
        self._before = opening
        self._principal = opening.owed.principal_minor
        self._due = {row.due_date: row.nr for row in closing.installments if not row.additional}
        self._closed_on = closing.closed_on
        self._last = closing.as_of
        self._interest_before = opening.charged.interest_minor
        self._interest_from = opening.on

    def close(self, state: LoanState) -> None:
        """The lines of one day: what was charged, then what was paid, then what is left to explain."""
        day, now = state.as_of, standing(state)
        todays = [one for one in state.transactions if one.value_date == day]
        # Interest stays pending until it is charged: on a due date, at the end, when the loan is paid off.
        pending = self._interest_before - self._before.charged.interest_minor
        start = self._before.owed + Owed(interest_minor=pending)
        written = len(self.lines)
        for one in todays:
            if one.type is EventType.DISBURSEMENT:
                self._write(day, LineKind.PAYOUT, Owed(principal_minor=one.amount_minor))
                self._interest_from = day
        self._charges(day, now)
        for one in todays:
            if one.type is not EventType.DISBURSEMENT:
                self._write(day, KIND_OF[one.type], _moved(one))
        explained = Owed()
        for line in self.lines[written:]:
            explained += line.change
        end = now.owed + Owed(interest_minor=self._interest_before - now.charged.interest_minor)
        rest = end - start - explained
        self._write(day, self._kind_of_rest(day, todays, rest), rest)
        self._before = now

    def _kind_of_rest(self, day: date, todays: Sequence[Transaction], rest: Owed) -> LineKind:
        """What no transaction explains: an overpayment used up, or the one event of the day that moves by itself."""
        if rest.credit_minor > 0 and rest.principal_minor <= 0:
            return LineKind.CREDIT_USED
        explained = {one.id for one in todays}
        others = {
            event.type
            for event in self._events
            if event.value_date == day and event.id not in explained and event.type is not EventType.CHARGE
        }
        return KIND_OF[others.pop()] if len(others) == 1 else LineKind.ADJUSTMENT

    def _charges(self, day: date, now: Standing) -> None:
        before = self._before
        if day in self._due or day in {self._closed_on, self._last}:
            interest = now.charged.interest_minor - self._interest_before
            self._write(
                day, LineKind.INTEREST, Owed(interest_minor=interest), self._interest_from, self._due.get(day)
            )
            self._interest_before, self._interest_from = now.charged.interest_minor, day
        fees = now.charged.fee_minor - before.charged.fee_minor
        self._write(day, LineKind.FEE, Owed(fee_minor=fees))
        overdue = now.penalty_interest_minor - before.penalty_interest_minor
        flat = now.charged.penalty_minor - before.charged.penalty_minor - overdue
        self._write(day, LineKind.PENALTY_FEE, Owed(penalty_minor=flat))
        self._write(day, LineKind.PENALTY_INTEREST, Owed(penalty_minor=overdue), before.on)

    def _write(
        self,
        day: date,
        kind: LineKind,
        change: Owed,
        from_date: date | None = None,
        installment: int | None = None,
    ) -> None:
        if change:
            self._principal += change.principal_minor
            self.lines.append(Line(day, kind, change, self._principal, from_date, installment))


def _moved(one: Transaction) -> Owed:
    """What a transaction that is no payout did to the debt."""
    if one.type in _NO_CHANGE:
        return Owed()
    if one.type in _BACK:
        # What is not debt again was taken from an overpayment.
        return Owed(*one.portions, one.amount_minor - sum(one.portions))
    rest = one.overpayment_minor if one.type in PAYMENTS | {EventType.RECOVERY} else 0
    return Owed() - Owed(*one.portions, rest)
