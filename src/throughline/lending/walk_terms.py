"""The plan while events are applied: payouts, new terms, a new plan for what is owed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from throughline.lending.accrual import interest_in_period
from throughline.lending.history import AppliesTo, LoanEvent
from throughline.lending.plan_rows import PlanRow
from throughline.lending.quote import settled_interest
from throughline.lending.rates import rate_ratio
from throughline.lending.schedule import Anchor, Plan
from throughline.lending.terms import Frequency, Grace
from throughline.lending.walk_charges import WithCharges
from throughline.lending.walk_rows import INTEREST, PRINCIPAL, Charge, Movement, Row


class WithTerms(WithCharges):
    """What makes and changes the rows of the plan."""

    def _disburse(self, event: LoanEvent) -> None:
        amount, day = event.amount_minor or 0, event.value_date
        if self.plan is None:
            pauses = self.force.pauses
            self.plan = Plan.start(self.terms, day, pauses.interest, self.force.shifts, pauses.deferred)
            self.disbursed_on = day
        self.disbursed += amount
        self.moves.append((day, amount))
        self._tell_plan()
        self.plan.pay_out(day, amount)
        self.plan.calculate()
        self._take_plan()
        self.transactions.append(
            Movement(event.id, event.type, day, amount, [0, 0, 0, 0], 0, self._balance(), [])
        )
        for charge in self.force.money:
            if charge.charge_rule.applies_to is AppliesTo.DISBURSEMENT and charge.value_date <= day:
                self._charge_at_disbursement(charge, amount, day)

    def _take_plan(self) -> None:
        """Bring the rows to the plan's: the same rows where they are still there, new ones, charges on all."""
        if self.plan is None:
            return
        known = {id(row.plan): row for row in self.rows if row.plan is not None}
        extra = [row for row in self.rows if row.plan is None]
        first_time = not self.rows
        self.rows = []
        for planned in self.plan.rows:
            row, due = known.get(id(planned)), self.plan.payable_on(planned)
            if row is None:
                row = Row(planned.nr, planned.from_date, due, self._meter(due), planned)
            elif row.due_date != due:
                row.meter = self._meter(due)
            row.nr, row.from_date, row.due_date = planned.nr, planned.from_date, due
            self.rows.append(row)
        last = self.rows[-1]
        for row in extra:
            if row.due_date > last.due_date:
                row.nr, row.from_date = last.nr + 1, last.due_date
                self.rows.append(row)
                last = row
            else:
                next(one for one in self.rows if one.due_date >= row.due_date).take_over(row)
        if first_time:
            for charge in self.charges:
                self._attach(charge, self.plan.tranches[0][0])
        for event in self.repeated:
            if event.charge_rule.applies_to is AppliesTo.EACH_INSTALLMENT:
                self._charge_each(event)
        for row in self.rows:
            row.recount()

    def _reschedule(self, event: LoanEvent) -> None:
        """New terms from the first installment that is due on or after the day of the event."""
        plan, new = self.plan, event.new_terms
        if plan is None or new is None:
            return
        regular = plan.regular()
        at = next(
            (place for place, row in enumerate(regular) if plan.payable_on(row) >= event.value_date), None
        )
        if at is None:
            return
        if new.annual_rate_percent is not None:
            plan.clock.rates.append((event.value_date, rate_ratio(new.annual_rate_percent)))
            plan.clock.rates.sort(key=lambda one: one[0])
        _extend(plan, new.installments)
        regular = plan.regular()
        if new.first_due_date is not None:
            plan.move(regular, at, new.first_due_date, following=True)
        plan.check_order()
        plan.apply_shifts()
        left = regular[at:]
        for place, row in enumerate(left):
            row.no_principal = row.no_principal or place < new.grace.principal
            row.held = row.held or place < new.grace.interest_payment
            row.free = row.free or place < new.grace.interest_free
        if left[-1].no_principal or left[-1].held:
            left[-1].no_principal = left[-1].held = False
        if new.annual_rate_percent is not None or new.installments or new.grace != Grace():
            self._tell_plan()
            plan.respread(left)
        plan.calculate()
        self._take_plan()
        # A dated charge belongs to the period of its date, also when the periods have moved.
        dated = [charge for one in self.rows for charge in _take_dated(one)]
        for charge in dated:
            self._attach(charge, event.value_date)
        for one in self.rows:
            one.recount()

    def _re_age(self, event: LoanEvent) -> None:
        """A new plan for everything that is outstanding; what was paid stays where it was paid."""
        plan, new, day = self.plan, event.new_terms, event.value_date
        if plan is None or new is None or new.first_due_date is None:
            return
        state = self.freeze(day)
        interest = penalty = 0
        moved: list[Charge] = []
        for row, kept in zip(self.rows, settled_interest(state, day), strict=True):
            settled = row.paid[INTEREST] + row.waived[INTEREST]
            interest += kept - settled
            penalty += (away := row.penalty_interest_open())
            row.penalty_moved -= away
            moved += self._take_open(row, day)
            if row.plan is not None:
                earned = interest_in_period(plan.schedule(), row.frozen(0), day)
                # What a chargeback put back stays on its row; it is no part of the plan.
                row.plan.settle(
                    max(0, row.paid[PRINCIPAL] - row.credited[PRINCIPAL]),
                    max(0, settled - row.credited[INTEREST]),
                    earned,
                )
        for row in self.rows:
            if (planned := row.plan) is not None:
                planned.from_date, planned.due_date = (
                    min(planned.from_date, day),
                    min(planned.due_date, day),
                )
        keep = {id(row.plan) for row in self.rows if row.from_date < day or any(row.paid) or any(row.waived)}
        plan.rows = [row for row in plan.rows if id(row) in keep]
        every = new.repay_every or self.terms.repay_every
        fresh = _new_rows(plan, day, new.first_due_date, new.installments, every)
        plan.rows += fresh
        share = interest // len(fresh)
        for planned in fresh:
            planned.waiting = interest - share * (len(fresh) - 1) if planned is fresh[-1] else share
        self._tell_plan()
        plan.respread(fresh)
        plan.calculate()
        self._take_plan()
        first = next(row for row in self.rows if row.plan is fresh[0])
        first.penalty_moved += penalty
        first.recount()
        for charge in moved:
            charge.due_date = max(charge.due_date, new.first_due_date)
            self._attach(charge, day)

    def _take_open(self, row: Row, day: date) -> list[Charge]:
        """What is unpaid of the charges of a row; what is paid or waived of them stays where it is.

        What would come with an installment after the day comes with the new installments instead.
        """
        moved = []
        for charge in [one for one in row.charges if one.open]:
            rest = replace(charge, applies_to=AppliesTo.DUE_DATE, amount=charge.open, paid=0, waived=0)
            charge.amount -= rest.amount
            if not charge.amount:
                row.charges.remove(charge)
                self.charges = [one for one in self.charges if one is not charge]
            if charge.applies_to is not AppliesTo.EACH_INSTALLMENT or charge.due_date <= day:
                self.charges.append(rest)
                moved.append(rest)
        row.recount()
        return moved

    def _re_amortize(self, event: LoanEvent) -> None:
        """Overdue principal goes to the installments that are still to come; the last absorbs."""
        plan, day = self.plan, event.value_date
        if plan is None:
            return
        left = [row for row in plan.regular() if plan.payable_on(row) > day]
        if not left:
            return
        for row in self.rows:
            if row.plan is not None and row.due_date <= day:
                row.plan.settle(
                    max(0, row.paid[PRINCIPAL] - row.credited[PRINCIPAL]),
                    row.plan.interest,
                    row.plan.accrual,
                    row.plan.deferred,
                )
        self._tell_plan()
        plan.respread(left)
        plan.calculate()
        self._take_plan()


def _extend(plan: Plan, extra: int) -> None:
    """More installments after the last, on the dates that would come next."""
    last, count = plan.rows[-1], len(plan.regular())
    start = last.due_date
    last.last = last.last and not extra
    for nr in range(1, extra + 1):
        due = plan.date_of(count + nr - 1)
        plan.rows.append(PlanRow(last.nr + nr, start, due, every=last.every))
        start = due


def _new_rows(plan: Plan, start: date, first_due: date, count: int, every: Frequency) -> list[PlanRow]:
    """Rows of a new plan from a day on; its dates are counted from the first one."""
    nr = plan.rows[-1].nr if plan.rows else 0
    kept = len(plan.regular())
    plan.anchor = Anchor(kept, first_due, every)
    rows = []
    for place in range(count):
        due = plan.date_of(kept + place)
        rows.append(PlanRow(nr + place + 1, start, due, every=every))
        start = due
    return rows


def _take_dated(row: Row) -> list[Charge]:
    """The charges of a row that have a due date of their own and are untouched."""
    moved = [
        charge
        for charge in row.charges
        if charge.applies_to is AppliesTo.DUE_DATE and charge.open == charge.amount and charge.amount
    ]
    for charge in moved:
        row.charges.remove(charge)
    return moved
