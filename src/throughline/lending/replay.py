"""Replay: a loan's state as a pure function of its terms, its events and a date (lending.md sections 1 and 2).

The events that are in force are walked once in the order of their value dates; between two of them only
penalty interest and the interest on overdue principal move, and they move by stretches, not by days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from throughline.lending.history import PAYMENTS, EventType, LoanEvent, in_force, order
from throughline.lending.state import NOTHING, LoanState
from throughline.lending.terms import LoanTerms
from throughline.lending.walk_money import WithMoney

_ONLY_PAYS = PAYMENTS - {EventType.PAY_OFF}


def replay(terms: LoanTerms, events: Sequence[LoanEvent], *, as_of: date) -> LoanState:
    """The loan as of a day. Events come in the order of recording and have passed `checks.check`.

    Raises ScheduleError when a variation or new terms do not fit the schedule.
    """
    return Walk.through(terms, events, as_of=as_of).state


class Walk(WithMoney):
    """The loan while its events are applied in order, one after another. `state` is the loan as of the day."""

    state: LoanState

    @classmethod
    def through(cls, terms: LoanTerms, events: Sequence[LoanEvent], *, as_of: date) -> Walk:
        """Everything that happened, up to a day."""
        walk = cls(terms, in_force(events, as_of=as_of), as_of)
        for event in walk.force.money:
            walk.apply(event)
        if walk.plan is not None:
            walk.plan.check_shifts()
        walk.state = walk.freeze(as_of)
        return walk

    def takes(self, event: LoanEvent) -> bool:
        """Whether a newly recorded event comes last and may be applied to what was walked already.

        True for money of the very day: nothing runs with time between the state and the event. Where money
        changes the plan the walk begins anew, for states that were given out share the plan's rows.
        """
        return (
            event.type in _ONLY_PAYS
            and event.value_date == self.as_of
            and not self.terms.recalculation.enabled
            and all(order(one) <= order(event) for one in self.force.money[-1:])
        )

    def go_on(self, event: LoanEvent) -> LoanState:
        """The state with an event that the walk `takes`; what a replay from the first event would give."""
        self.force = replace(self.force, money=(*self.force.money, event))
        self.apply(event)
        self.state = self.freeze(self.as_of, self.state)
        return self.state

    def apply(self, event: LoanEvent) -> None:
        """One event, after everything that runs with time has come to its day."""
        day = event.value_date
        if day <= self.as_of:
            self._advance(day)
        if self.written_off_on is not None:
            self._after_write_off(event)
            return
        match event.type:
            case EventType.DISBURSEMENT:
                self._disburse(event)
            case EventType.CHARGE:
                self._charge(event)
            case EventType.WAIVE_CHARGE:
                self._waive(event)
            case EventType.WAIVE_INTEREST:
                self._waive_interest(event)
            case EventType.PAY_OFF:
                self._pay_off(event)
            case EventType.CHARGEBACK:
                self._charge_back(event)
            case EventType.REFUND_OF_OVERPAYMENT:
                self._refund(event)
            case EventType.CHARGE_OFF:
                self._charge_off(event)
            case EventType.WRITE_OFF:
                self._write_off(event)
            case EventType.SET_FUTURE_RULE:
                self.future = event.future or self.future
            case EventType.RESCHEDULE:
                self._reschedule(event)
            case EventType.RE_AGE:
                self._re_age(event)
            case EventType.RE_AMORTIZE:
                self._re_amortize(event)
            case _:
                self._pay(event, event.amount_minor or 0)
        if day <= self.as_of:
            self._recalculate(day)
            overpaid = self.overpaid
            self._use_overpayment(day)
            if self.overpaid != overpaid:
                self._recalculate(day)  # what it paid bears no interest any more
            self._note_closed(day)

    def _after_write_off(self, event: LoanEvent) -> None:
        """Nothing is owed any more: money is a recovery, money taken back takes it away."""
        sign = {EventType.CHARGEBACK: -1, EventType.RECOVERY: 1} | dict.fromkeys(PAYMENTS, 1)
        if event.type not in sign:
            return
        amount = event.amount_minor or 0
        self._book(event, amount, NOTHING, 0, [])
        self.transactions[-1].recovered = sign[event.type] * amount

    def _note_closed(self, on: date) -> None:
        owing = False
        for row in self.rows:
            if row.is_open():
                owing = True
                row.met_on = None
            elif row.met_on is None and any(row.due):
                row.met_on = on
        if owing or self.disbursed_on is None:
            self.closed_on = None
        elif self.closed_on is None:
            self.closed_on = on
