"""The loan while its events are applied: what the walk holds, and how it is frozen into a state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import zip_longest

from throughline.lending.allocation import Component
from throughline.lending.history import InForce, LoanEvent
from throughline.lending.overdue import PenaltyMeter
from throughline.lending.plan import RealBalance
from throughline.lending.schedule import Plan
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import LoanTerms, Rest
from throughline.lending.walk_rows import PRINCIPAL, Charge, Movement, Row, four

ONE_DAY = timedelta(days=1)
Line = tuple[Row, Component, int]


class WalkState:
    """The loan while its events are applied in order."""

    def __init__(self, terms: LoanTerms, force: InForce, as_of: date) -> None:
        self.terms = terms
        self.force = force
        self.as_of = as_of
        self.future = terms.allocation.future
        self.plan: Plan | None = None
        self.disbursed_on: date | None = None
        self.disbursed = 0
        self.rows: list[Row] = []
        self.charges: list[Charge] = []
        self.at_disbursement = [0, 0, 0, 0]
        self.repeated: list[LoanEvent] = []  # charges that come with each, or with each overdue, installment
        self.transactions: list[Movement] = []
        self.overpaid = 0
        self.closed_on: date | None = None
        self.charged_off: LoanEvent | None = None
        self.walked: date | None = None  # how far time has run
        self.paid_before = [0, 0, 0, 0]
        self.waived_before = [0, 0, 0, 0]
        self.written_off_on: date | None = None
        self.moves: list[tuple[date, int]] = []  # of the real balance, where interest follows it

    def _recalculate(self, on: date) -> None:
        """Interest that follows the real balance, as of a day."""
        if self.plan is None or not self.terms.recalculation.enabled or self.written_off_on is not None:
            return
        self._tell_plan()
        self.plan.real = RealBalance(self.moves, self._rest(on))
        self.plan.calculate()
        for row in self.rows:
            row.recount()

    def _tell_plan(self) -> None:
        for row in self.rows:
            row.tell_plan()

    def _rest(self, on: date) -> date:
        """The day on which something that happens on `on` begins to count for interest."""
        if self.terms.recalculation.rest is Rest.DAILY:
            return on
        return min((row.due_date for row in self.rows if row.due_date >= on), default=on)

    def _meter(self, due_date: date) -> PenaltyMeter:
        return PenaltyMeter(self.terms, due_date, self.force.pauses.penalty)

    def _additional_row(self, due_date: date, on: date) -> Row:
        """An installment after the last, for what came up on a day; one that is overdue then keeps its date."""
        last = self.rows[-1]
        if last.plan is None and last.due_date >= on:
            last.due_date = due_date
            last.meter = self._meter(due_date)
            return last
        row = Row(last.nr + 1, last.due_date, due_date, self._meter(due_date))
        self.rows.append(row)
        return row

    def _book(
        self,
        event: LoanEvent,
        amount: int,
        portions: Sequence[int],
        rest: int,
        lines: Sequence[Line],
    ) -> None:
        self.transactions.append(
            Movement(
                event.id,
                event.type,
                event.value_date,
                amount,
                list(portions),
                rest,
                self._balance(),
                list(lines),
            )
        )

    def _balance(self) -> int:
        left = self.disbursed
        for row in self.rows:
            left += row.credited[PRINCIPAL] - row.paid[PRINCIPAL] - row.lost[PRINCIPAL]
        return left

    def frozen(self, as_of: date, known: LoanState | None = None) -> LoanState:
        """The state as it stands, named by a day.

        `known` is the state before, when only money has come since: what is as it was is taken from there.
        """
        if known is None:
            schedule = self.plan.schedule() if self.plan is not None else None
            installments = tuple(row.frozen(self._balance_after(row)) for row in self.rows)
            transactions = tuple(one.frozen() for one in self.transactions)
        else:
            schedule = known.schedule
            installments = tuple(
                kept if kept is not None and row.still(kept) else row.frozen(self._balance_after(row))
                for row, kept in zip_longest(self.rows, known.installments)
            )
            transactions = tuple(
                kept if kept is not None and one.still(kept) else one.frozen()
                for one, kept in zip_longest(self.transactions, known.transactions)
            )
        return LoanState(
            terms=self.terms,
            as_of=as_of,
            status=self._status(),
            disbursed_on=self.disbursed_on,
            closed_on=self.closed_on,
            schedule=schedule,
            installments=installments,
            charges=tuple(charge.frozen() for charge in self.charges),
            transactions=transactions,
            pauses=self.force.pauses,
            disbursed_minor=self.disbursed,
            overpaid_minor=self.overpaid,
            overdue_penalty_minor=sum(row.meter.amount_minor for row in self.rows),
            paid_at_disbursement=four(self.at_disbursement),
            charged_off_on=self.charged_off.value_date if self.charged_off else None,
            charged_off_fraud=self.charged_off.fraud if self.charged_off else False,
            paid_before_charge_off=four(self.paid_before),
            waived_before_charge_off=four(self.waived_before),
            written_off_on=self.written_off_on,
        )

    def _balance_after(self, row: Row) -> int:
        """The principal that the plan leaves after a row."""
        return 0 if row.plan is None or self.plan is None else self.plan.balance_after(row.plan)

    def _status(self) -> LoanStatus:
        if self.disbursed_on is None:
            return LoanStatus.APPROVED
        if self.written_off_on is not None:
            return LoanStatus.WRITTEN_OFF
        if self.closed_on is None:
            return LoanStatus.ACTIVE
        return LoanStatus.OVERPAID if self.overpaid else LoanStatus.CLOSED
