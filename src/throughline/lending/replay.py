"""Replay: a loan's state as a pure function of its terms, its events and a date (lending.md sections 1 and 2).

The events that are in force are walked once in the order of their value dates; between two of them only
penalty interest moves, and it moves by segments, not by days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from throughline.lending.allocation import AllocationLine, Component, Debt, allocate
from throughline.lending.history import ChargeKind, EventType, InForce, LoanEvent, in_force
from throughline.lending.overdue import PenaltyMeter
from throughline.lending.quote import payoff_quote, settled_interest
from throughline.lending.schedule import (
    Change,
    Installment,
    InterestPause,
    Schedule,
    Tranche,
    build_schedule,
)
from throughline.lending.state import (
    ChargeState,
    Four,
    InstallmentState,
    LoanState,
    LoanStatus,
    Transaction,
)
from throughline.lending.terms import LoanTerms

INTEREST, FEE, PENALTY = Component.INTEREST, Component.FEE, Component.PENALTY
_COMPONENT_OF = {ChargeKind.FEE: FEE, ChargeKind.PENALTY: PENALTY}


def replay(terms: LoanTerms, events: Sequence[LoanEvent], *, as_of: date) -> LoanState:
    """The loan as of a day. Events come in the order of recording and have passed `history.check`.

    Raises ScheduleError when a variation does not fit the schedule.
    """
    walk = _Walk(terms, in_force(events, as_of=as_of))
    for event in walk.force.money:
        walk.apply(event)
    return walk.freeze(as_of)


@dataclass(slots=True)
class _Charge:
    id: str
    kind: ChargeKind
    due_date: date
    amount: int
    paid: int = 0
    waived: int = 0

    @property
    def open(self) -> int:
        return self.amount - self.paid - self.waived


@dataclass(slots=True)
class _Row:
    """An installment while events are applied; lists of four amounts by component."""

    nr: int
    from_date: date
    due_date: date
    opening: int
    accrual: int
    due: list[int]
    meter: PenaltyMeter
    charges: list[_Charge] = field(default_factory=list)
    paid: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    waived: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    in_advance: int = 0
    late: int = 0
    met_on: date | None = None
    additional: bool = False

    def outstanding(self) -> list[int]:
        return [
            due - paid - waived for due, paid, waived in zip(self.due, self.paid, self.waived, strict=True)
        ]

    def recount_penalty(self) -> None:
        charged = sum(charge.amount for charge in self.charges if charge.kind is ChargeKind.PENALTY)
        self.due[PENALTY] = charged + self.meter.amount_minor


@dataclass(slots=True)
class _Transaction:
    id: str
    type: EventType
    date: date
    amount: int
    portions: list[int]
    overpayment: int
    balance: int
    lines: list[AllocationLine]


class _Walk:
    """The loan while its events are applied in order."""

    def __init__(self, terms: LoanTerms, force: InForce) -> None:
        self.terms = terms
        self.force = force
        self.schedule: Schedule | None = None
        self.disbursed_on: date | None = None
        self.disbursed = 0
        self.rows: list[_Row] = []
        self.charges: list[_Charge] = []
        self.transactions: list[_Transaction] = []
        self.overpaid = 0
        self.closed_on: date | None = None

    def apply(self, event: LoanEvent) -> None:
        """One event, after penalty interest has run to its day."""
        self._run_penalties(event.value_date)
        match event.type:
            case EventType.DISBURSEMENT:
                self._disburse(event)
            case EventType.CHARGE:
                self._charge(event)
            case EventType.WAIVE_CHARGE:
                self._waive(event)
            case EventType.PAY_OFF:
                self._pay_off(event)
            case _:
                self._pay(event, event.amount_minor or 0)
        self._use_overpayment(event.value_date)
        self._note_closed(event.value_date)

    # --- debt --------------------------------------------------------------------------------------

    def _disburse(self, event: LoanEvent) -> None:
        amount = event.amount_minor or 0
        changes: list[Change] = [InterestPause(*span) for span in self.force.pauses.interest]
        self.schedule = build_schedule(
            self.terms, [Tranche(event.value_date, amount)], [*changes, *self.force.shifts]
        )
        self.disbursed_on, self.disbursed = event.value_date, amount
        self.rows = [self._row(planned) for planned in self.schedule.installments]
        for charge in self.charges:
            self._attach(charge)
        self.transactions.append(
            _Transaction(event.id, event.type, event.value_date, amount, [0, 0, 0, 0], 0, amount, [])
        )

    def _row(self, planned: Installment) -> _Row:
        return _Row(
            nr=planned.nr,
            from_date=planned.from_date,
            due_date=planned.due_date,
            opening=planned.opening_minor,
            accrual=planned.accrual_minor,
            due=[planned.principal_minor, planned.interest_minor, 0, 0],
            meter=self._meter(planned.due_date),
        )

    def _meter(self, due_date: date) -> PenaltyMeter:
        return PenaltyMeter(self.terms, due_date, self.force.pauses.penalty)

    def _run_penalties(self, to: date) -> None:
        if self.terms.overdue_interest is None:
            return
        for row in self.rows:
            if row.due_date >= to:
                break
            principal, interest, _, _ = row.outstanding()
            row.meter.run(to, principal, interest)
            row.recount_penalty()

    def _charge(self, event: LoanEvent) -> None:
        kind = event.charge_kind or ChargeKind.FEE
        charge = _Charge(event.id, kind, event.due_date or event.value_date, event.amount_minor or 0)
        self.charges.append(charge)
        if self.rows:
            self._attach(charge)

    def _attach(self, charge: _Charge) -> None:
        """To the installment in whose period the charge falls due; after the last one, to an additional one."""
        row = next((row for row in self.rows if charge.due_date <= row.due_date), None)
        if row is None:
            row = self._additional_row(charge.due_date)
        row.charges.append(charge)
        row.charges.sort(key=lambda one: one.due_date)
        if charge.kind is ChargeKind.PENALTY:
            row.recount_penalty()
        else:
            row.due[FEE] += charge.amount
        row.met_on = None

    def _additional_row(self, due_date: date) -> _Row:
        last = self.rows[-1]
        if last.additional:
            last.due_date = due_date
            last.meter = self._meter(due_date)
            return last
        row = _Row(last.nr + 1, last.due_date, due_date, 0, 0, [0, 0, 0, 0], self._meter(due_date))
        row.additional = True
        self.rows.append(row)
        return row

    def _waive(self, event: LoanEvent) -> None:
        charge = next((one for one in self.charges if one.id == event.target), None)
        if charge is None:
            return  # the charge itself is dated later or lies beyond the day of this replay
        amount = self._forgive(charge)
        portions = [0, 0, 0, 0]
        portions[_COMPONENT_OF[charge.kind]] = amount
        self._book(event, amount, portions, 0, [])

    def _forgive(self, charge: _Charge) -> int:
        amount = charge.open
        charge.waived += amount
        for row in self.rows:
            if charge in row.charges:
                row.waived[_COMPONENT_OF[charge.kind]] += amount
        return amount

    # --- money -------------------------------------------------------------------------------------

    def _pay(self, event: LoanEvent, amount: int) -> None:
        lines = allocate(amount, event.value_date, self._debts(event.value_date), self.terms.allocation)
        portions = self._settle(lines, event.value_date)
        rest = amount - sum(portions)
        self.overpaid += rest
        self._book(event, amount, portions, rest, list(lines))

    def _pay_off(self, event: LoanEvent) -> None:
        """A pay-off settles the loan if its amount covers the quote of the day; else it is a repayment."""
        day = event.value_date
        state = self.freeze(day)
        quote = payoff_quote(state, day)
        amount = quote.total_minor if event.amount_minor is None else event.amount_minor
        if self.rows and amount >= quote.total_minor:
            for row, interest in zip(self.rows, settled_interest(state, day), strict=True):
                if row.due_date > day:
                    row.due[INTEREST] = row.accrual = interest
                for charge in row.charges:
                    if charge.due_date > day:
                        self._forgive(charge)
        self._pay(event, amount)

    def _debts(self, on: date) -> list[Debt]:
        debts = []
        for row in self.rows:
            outstanding = row.outstanding()
            if not any(outstanding):
                continue
            due_now = [0, 0, 0, 0]
            for charge in row.charges:
                if charge.due_date <= on:
                    due_now[_COMPONENT_OF[charge.kind]] += charge.open
            debts.append(Debt(row.nr, row.due_date, outstanding, due_now))
        return debts

    def _settle(self, lines: Sequence[AllocationLine], on: date) -> list[int]:
        portions = [0, 0, 0, 0]
        rows = {row.nr: row for row in self.rows}
        for line in lines:
            row = rows[line.installment]
            row.paid[line.component] += line.amount_minor
            portions[line.component] += line.amount_minor
            if on < row.due_date:
                row.in_advance += line.amount_minor
            elif on > row.due_date:
                row.late += line.amount_minor
            self._settle_charges(row, line)
        return portions

    def _settle_charges(self, row: _Row, line: AllocationLine) -> None:
        left = line.amount_minor
        for charge in row.charges:
            if left and _COMPONENT_OF[charge.kind] is line.component:
                part = min(left, charge.open)
                charge.paid += part
                left -= part

    def _use_overpayment(self, on: date) -> None:
        """Debt that came up after an overpayment eats it, the newest overpayment first."""
        if not self.overpaid:
            return
        lines = allocate(self.overpaid, on, self._debts(on), self.terms.allocation)
        self._settle(lines, on)
        for line in lines:
            left = line.amount_minor
            for transaction in reversed(self.transactions):
                part = min(left, transaction.overpayment)
                if part:
                    transaction.overpayment -= part
                    transaction.portions[line.component] += part
                    transaction.lines.append(AllocationLine(line.installment, line.component, part))
                    left -= part
            self.overpaid -= line.amount_minor

    def _book(
        self, event: LoanEvent, amount: int, portions: list[int], rest: int, lines: list[AllocationLine]
    ) -> None:
        balance = sum(row.due[0] - row.paid[0] for row in self.rows)
        self.transactions.append(
            _Transaction(event.id, event.type, event.value_date, amount, portions, rest, balance, lines)
        )

    def _note_closed(self, on: date) -> None:
        owing = False
        for row in self.rows:
            if any(row.outstanding()):
                owing = True
                row.met_on = None
            elif row.met_on is None and any(row.due):
                row.met_on = on
        if owing or self.disbursed_on is None:
            self.closed_on = None
        elif self.closed_on is None:
            self.closed_on = on

    # --- the answer --------------------------------------------------------------------------------

    def freeze(self, as_of: date) -> LoanState:
        """The state on a day that is not before the last event."""
        self._run_penalties(as_of)
        return LoanState(
            terms=self.terms,
            as_of=as_of,
            status=self._status(),
            disbursed_on=self.disbursed_on,
            closed_on=self.closed_on,
            schedule=self.schedule,
            installments=tuple(_frozen(row) for row in self.rows),
            charges=tuple(
                ChargeState(one.id, one.kind, one.due_date, one.amount, one.paid, one.waived)
                for one in self.charges
            ),
            transactions=tuple(
                Transaction(
                    one.id,
                    one.type,
                    one.date,
                    one.amount,
                    _four(one.portions),
                    one.overpayment,
                    one.balance,
                    tuple(one.lines),
                )
                for one in self.transactions
            ),
            pauses=self.force.pauses,
            disbursed_minor=self.disbursed,
            overpaid_minor=self.overpaid,
            overdue_penalty_minor=sum(row.meter.amount_minor for row in self.rows),
        )

    def _status(self) -> LoanStatus:
        if self.disbursed_on is None:
            return LoanStatus.APPROVED
        if self.closed_on is None:
            return LoanStatus.ACTIVE
        return LoanStatus.OVERPAID if self.overpaid else LoanStatus.CLOSED


def _frozen(row: _Row) -> InstallmentState:
    return InstallmentState(
        nr=row.nr,
        from_date=row.from_date,
        due_date=row.due_date,
        opening_minor=row.opening,
        balance_minor=row.opening - row.due[0],
        accrual_minor=row.accrual,
        due=_four(row.due),
        paid=_four(row.paid),
        waived=_four(row.waived),
        in_advance_minor=row.in_advance,
        late_minor=row.late,
        obligations_met_on=row.met_on,
        additional=row.additional,
    )


def _four(values: list[int]) -> Four:
    return values[0], values[1], values[2], values[3]
