"""Charges while events are applied: of every calculation and timing, penalty interest, waivers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from throughline.lending.history import AppliesTo, ChargeKind, EventType, LoanEvent
from throughline.lending.state import LoanState
from throughline.lending.walk_rows import COMPONENT_OF, INTEREST, Charge, Movement, Row, charge_amount
from throughline.lending.walk_state import ONE_DAY, WalkState


class WithCharges(WalkState):
    """What is charged beside the plan, and what runs with time."""

    def _advance(self, to: date) -> None:
        """Let penalties and the interest on overdue principal run to a day.

        A charge on overdue installments is taken on its own day, by what is owed then: where the walk stops
        must not matter.
        """
        overdue = [
            one for one in self.repeated if one.charge_rule.applies_to is AppliesTo.OVERDUE_INSTALLMENT
        ]
        if overdue:
            for day in self._charging_days(overdue, self._counted(to)):
                self._run(day)
                for event in overdue:
                    self._charge_overdue(event, day)
        self._run(to)
        self.walked = to

    def _run(self, to: date) -> None:
        self._recalculate(to)
        if self.terms.recalculation.enabled:
            # Interest that follows the real balance may grow on an installment that was met.
            for row in self.rows:
                if row.met_on is not None and row.is_open():
                    row.met_on = self.closed_on = None
        if self.terms.overdue_interest is None:
            return
        to = self._counted(to)
        for row in self.rows:
            if row.due_date >= to:
                break
            principal, interest, _, _ = row.outstanding()
            row.meter.run(to, principal, interest)
            row.recount()

    def _counted(self, to: date) -> date:
        """After a charge-off nothing runs any more."""
        return to if self.charged_off is None else min(to, self.charged_off.value_date - ONE_DAY)

    def _charging_days(self, overdue: Sequence[LoanEvent], to: date) -> list[date]:
        """The days up to `to` on which an installment may be charged; those that are past count as the last."""
        days = {
            day if self.walked is None else max(day, self.walked)
            for event in overdue
            for row in self.rows
            if row.plan is not None
            and event.id not in row.overdue_charged
            and (day := self._overdue_from(row)) >= event.value_date
        }
        return sorted(day for day in days if day <= to)

    def _overdue_from(self, row: Row) -> date:
        """The day on which an installment that is still unpaid is charged."""
        grace = self.terms.overdue_interest.grace_days if self.terms.overdue_interest else 0
        return row.meter.in_time + timedelta(days=grace + 1)

    def freeze(self, as_of: date, known: LoanState | None = None) -> LoanState:
        """The state on a day that is not before the last event; `known` as in `frozen`."""
        self._advance(as_of)
        return self.frozen(as_of, known)

    def _charge(self, event: LoanEvent) -> None:
        rule = event.charge_rule
        if rule.applies_to is AppliesTo.DISBURSEMENT:
            return  # taken out of the payout when it was made
        if rule.applies_to is not AppliesTo.DUE_DATE:
            self.repeated.append(event)
            if rule.applies_to is AppliesTo.EACH_INSTALLMENT and self.rows:
                self._charge_each(event)
            return
        planned = [row.plan for row in self.rows if row.plan is not None]
        amount = charge_amount(event, self.disbursed, sum(row.interest for row in planned), self.terms)
        self._add_charge(event, event.due_date or event.value_date, amount)

    def _add_charge(self, event: LoanEvent, due_date: date, amount: int, row: Row | None = None) -> None:
        charge = Charge(
            event.id, event.charge_kind or ChargeKind.FEE, due_date, amount, event.charge_rule.applies_to
        )
        self.charges.append(charge)
        if row is not None:
            self._put(charge, row)
        elif self.rows:
            self._attach(charge, event.value_date)

    def _attach(self, charge: Charge, on: date) -> None:
        """To the installment in whose period the charge falls due; after the last one, to an additional one."""
        row = next((row for row in self.rows if charge.due_date <= row.due_date), None)
        self._put(charge, row or self._additional_row(charge.due_date, on))

    def _put(self, charge: Charge, row: Row) -> None:
        row.charges.append(charge)
        row.charges.sort(key=lambda one: one.due_date)
        row.recount()
        row.met_on = None

    def _charge_each(self, event: LoanEvent) -> None:
        """One occurrence with each installment; those that were touched already stay."""
        for row in self.rows:
            if row.plan is None or row.plan.down_payment or row.plan.settled:
                continue
            each = AppliesTo.EACH_INSTALLMENT  # what a new plan has moved here is no longer of that kind
            mine = [one for one in row.charges if one.id == event.id and one.applies_to is each]
            if any(charge.paid or charge.waived for charge in mine):
                for charge in mine:
                    charge.due_date = row.due_date
                continue
            for charge in mine:
                row.charges.remove(charge)
                self.charges = [one for one in self.charges if one is not charge]
            amount = charge_amount(event, row.plan.principal, row.plan.interest, self.terms)
            if amount and row.due_date >= event.value_date:
                self._add_charge(event, row.due_date, amount, row)

    def _charge_overdue(self, event: LoanEvent, to: date) -> None:
        """One occurrence for each installment that is still unpaid after its grace."""
        for row in self.rows:
            day = self._overdue_from(row)
            if day > to or row.plan is None or event.id in row.overdue_charged:
                continue
            principal, interest, _, _ = row.outstanding()
            # No fee for so little that nobody is delinquent over it.
            if (
                principal + interest < max(1, self.terms.floor_minor)
                or day < event.value_date
                or self._paused(day)
            ):
                continue
            row.overdue_charged.add(event.id)
            amount = charge_amount(event, principal, interest, self.terms)
            if amount:
                self._add_charge(event, day, amount, row)

    def _paused(self, day: date) -> bool:
        return any(first <= day <= last for first, last in self.force.pauses.penalty)

    def _charge_at_disbursement(self, event: LoanEvent, amount: int, day: date) -> None:
        if any(one.id == event.id for one in self.charges):
            return
        planned = sum(row.plan.interest for row in self.rows if row.plan is not None)
        fee = charge_amount(event, amount, planned, self.terms)
        kind = event.charge_kind or ChargeKind.FEE
        self.charges.append(Charge(event.id, kind, day, fee, AppliesTo.DISBURSEMENT, paid=fee))
        self.at_disbursement[COMPONENT_OF[kind]] += fee
        portions = [0, 0, 0, 0]
        portions[COMPONENT_OF[kind]] = fee
        at = EventType.REPAYMENT_AT_DISBURSEMENT
        self.transactions.append(Movement(event.id, at, day, fee, portions, 0, self._balance(), []))

    def _waive(self, event: LoanEvent) -> None:
        portions = [0, 0, 0, 0]
        for charge in self.charges:
            if charge.id == event.target and charge.open:
                portions[COMPONENT_OF[charge.kind]] += self._forgive(charge)
        if any(portions):
            self._book(event, sum(portions), portions, 0, [])

    def _forgive(self, charge: Charge) -> int:
        amount = charge.open
        charge.waived += amount
        for row in self.rows:
            if charge in row.charges:
                row.waived[COMPONENT_OF[charge.kind]] += amount
        return amount

    def _forgive_later(self, day: date) -> None:
        """Charges that have not fallen due are not charged."""
        for row in self.rows:
            for charge in row.charges:
                if charge.due_date > day:
                    self._forgive(charge)

    def _waive_interest(self, event: LoanEvent) -> None:
        """Interest is waived on the oldest installments first, never more than is outstanding."""
        left = event.amount_minor or 0
        for row in self.rows:
            part = min(left, row.outstanding()[INTEREST])
            row.waived[INTEREST] += part
            left -= part
        waived = (event.amount_minor or 0) - left
        self._book(event, waived, [0, waived, 0, 0], 0, [])
