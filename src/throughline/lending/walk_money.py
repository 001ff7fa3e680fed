"""Money while events are applied: payments, what is left over, money that goes back, and what is given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from throughline.lending.accrual import deferred_to, interest_to
from throughline.lending.allocation import Debt, allocate
from throughline.lending.history import ChargeKind, LoanEvent
from throughline.lending.plan import RealBalance
from throughline.lending.quote import payoff_quote, settled_interest
from throughline.lending.state import LoanState
from throughline.lending.terms import Prepayment, ScheduleType
from throughline.lending.walk_rows import COMPONENT_OF, FEE, INTEREST, PENALTY, PRINCIPAL
from throughline.lending.walk_state import ONE_DAY, Line
from throughline.lending.walk_terms import WithTerms

_NOTHING_DUE = [0, 0, 0, 0]  # of an installment without charges; nobody changes it


class WithMoney(WithTerms):
    """What moves money on the loan, or gives it up."""

    def _pay(self, event: LoanEvent, amount: int) -> None:
        day = event.value_date
        effective = self._rest(day)
        portions, lines = self._allocate(amount, day, effective)
        rest = amount - sum(portions)
        self.overpaid += rest
        if portions[PRINCIPAL] and self.terms.recalculation.enabled:
            self.moves.append((effective, -portions[PRINCIPAL]))
            self._after_prepayment(day, lines)
        self._book(event, amount, portions, rest, lines)

    def _allocate(self, amount: int, on: date, through: date) -> tuple[list[int], list[Line]]:
        rule = self.terms.allocation
        if rule.future is not self.future:
            rule = replace(rule, future=self.future)
        rows = {row.nr: row for row in self.rows}
        portions, lines = [0, 0, 0, 0], []
        for line in allocate(amount, on, self._debts(on, through), rule):
            row = rows[line.installment]
            row.settle(line.component, line.amount_minor, on)
            portions[line.component] += line.amount_minor
            lines.append((row, line.component, line.amount_minor))
        return portions, lines

    def _after_prepayment(self, day: date, lines: Sequence[Line]) -> None:
        """What principal paid ahead does to a cumulative plan; a progressive one keeps its installment."""
        terms, plan = self.terms, self.plan
        ahead = [row for row, component, _ in lines if component == PRINCIPAL and row.due_date > day]
        if plan is None or not ahead or terms.schedule_type is ScheduleType.PROGRESSIVE:
            return
        strategy = terms.recalculation.prepayment
        if strategy is Prepayment.RESCHEDULE_NEXT:
            for planned in plan.regular():
                if planned.due_date > day and not planned.last:
                    planned.installment, planned.principal_fixed = None, planned.principal
        elif strategy is Prepayment.REDUCE_INSTALLMENT_AMOUNT:
            current = ahead[0]
            planned_row = current.plan
            if planned_row is None or planned_row.installment is None:
                return
            left = [row for row in plan.regular() if row.due_date > current.due_date]
            if left and current.paid[PRINCIPAL] + current.paid[INTEREST] > planned_row.installment:
                self._tell_plan()
                plan.real = RealBalance(self.moves, self._rest(day))
                plan.respread(left)

    def _debts(self, on: date, through: date) -> Iterator[Debt]:
        """What is owed on each installment, as far as it is asked: most payments end at the first."""
        ahead = self._payable_ahead(on, through) if self.terms.recalculation.enabled else {}
        for row in self.rows:
            outstanding = row.outstanding()
            if row.nr in ahead:
                outstanding[PRINCIPAL], outstanding[INTEREST] = ahead[row.nr]
            if not any(outstanding):
                continue
            due_now = [0, 0, 0, 0] if row.charges else _NOTHING_DUE
            for charge in row.charges:
                if charge.due_date <= on:
                    due_now[COMPONENT_OF[charge.kind]] += charge.open
            yield Debt(row.nr, row.due_date, outstanding, due_now, row.meter.in_time)

    def _payable_ahead(self, on: date, through: date) -> dict[int, tuple[int, int]]:
        """Principal and interest that money in advance finds on installments that are not due yet: the
        interest that has accrued so far, then principal."""
        state = self.frozen(max(on, through))
        deferred = deferred_to(state, through)
        earned = interest_to(state, through) - deferred
        balance = sum(row.outstanding()[PRINCIPAL] for row in self.rows)
        cumulative = self.terms.schedule_type is ScheduleType.CUMULATIVE
        # Taken from the next installments in order: each gives its own principal, no more.
        by_row = cumulative and self.terms.recalculation.prepayment is Prepayment.RESCHEDULE_NEXT
        whole = cumulative and not by_row
        payable: dict[int, tuple[int, int]] = {}
        for row in self.rows:
            plan, outstanding = row.plan, row.outstanding()
            if plan is None:
                continue
            own = row.due[INTEREST] - row.credited[INTEREST]
            if row.due_date <= on or plan.settled:
                earned -= own
                balance -= outstanding[PRINCIPAL]
                continue
            if plan.last and not balance:
                earned += (
                    deferred  # it bears nothing, so money in advance reaches it when no principal is left
                )
            settled = row.paid[INTEREST] + row.waived[INTEREST] - row.credited[INTEREST]
            paid = row.paid[PRINCIPAL] - row.credited[PRINCIPAL]
            full = plan.installment is not None and paid + settled >= plan.installment
            interest = (
                0
                if full
                else max(0, min(earned - settled, own - settled if row.due_date <= through else earned))
            )
            if plan.last or whole:
                principal = balance
            elif plan.installment is not None and not by_row:
                principal = max(0, plan.installment - interest - settled - paid)
            else:
                principal = max(0, plan.principal - paid)
            principal = min(balance, principal + row.credited[PRINCIPAL])
            payable[row.nr] = (principal, interest)
            earned = max(0, earned - settled - interest)
            balance -= principal
            whole = False
        return payable

    def _use_overpayment(self, on: date) -> None:
        """Debt that came up after an overpayment eats it, the newest overpayment first."""
        if not self.overpaid:
            return
        _, lines = self._allocate(self.overpaid, on, self._rest(on))
        for row, component, amount in lines:
            left = amount
            for transaction in reversed(self.transactions):
                part = min(left, transaction.overpayment)
                if part:
                    transaction.overpayment -= part
                    transaction.portions[component] += part
                    transaction.lines.append((row, component, part))
                    left -= part
            self.overpaid -= amount
            if component == PRINCIPAL:
                self.moves.append((on, -amount))

    def _pay_off(self, event: LoanEvent) -> None:
        """A pay-off settles the loan if its amount covers the quote of the day; else it is a repayment."""
        day = event.value_date
        state = self.freeze(day)
        quote = payoff_quote(state, day)
        amount = quote.total_minor if event.amount_minor is None else event.amount_minor
        if self.rows and amount >= quote.total_minor:
            self._drop_interest_not_used(state, day)
            self._forgive_later(day)
        self._pay(event, amount)

    def _drop_interest_not_used(self, state: LoanState, day: date) -> None:
        """Each installment keeps the interest that the quote of the day names, and nothing changes it later."""
        deferred = 0  # of installments that are due; the running one takes it, but did not earn it
        for row, interest in zip(self.rows, settled_interest(state, day), strict=True):
            if (planned := row.plan) is None:
                continue
            kept = interest - row.credited[INTEREST]
            if row.due_date <= day:
                accrual = planned.accrual
                deferred += planned.deferred
            else:
                accrual, deferred = max(0, kept - deferred), max(0, deferred - kept)
            planned.settle(planned.principal, kept, accrual)
            row.recount()

    def _charge_back(self, event: LoanEvent) -> None:
        """The payer's bank took money back: the debt returns by the portions of that payment, on the
        installment that is running or on an additional one, and is late only from there."""
        amount = event.amount_minor or 0
        original = next((one for one in self.transactions if one.id == event.target), None)
        left = amount - self._use_up_overpaid(amount)
        portions = [0, 0, 0, 0]
        for component in (PENALTY, FEE, INTEREST):
            portions[component] = min(left, original.portions[component] if original else 0)
            left -= portions[component]
        portions[PRINCIPAL] = left
        self._owe_again(event.value_date, portions)
        self._book(event, amount, portions, 0, [])

    def _refund(self, event: LoanEvent) -> None:
        """Money back to the borrower; more than the overpayment, after a replay, is debt again."""
        amount = event.amount_minor or 0
        portions = [amount - self._use_up_overpaid(amount), 0, 0, 0]
        self._owe_again(event.value_date, portions)
        self._book(event, amount, portions, 0, [])

    def _use_up_overpaid(self, most: int) -> int:
        """Take up to so much from the overpayments, the newest first; returns how much."""
        taken = left = min(most, self.overpaid)
        self.overpaid -= taken
        for one in reversed(self.transactions):
            part = min(left, one.overpayment)
            one.overpayment -= part
            left -= part
        return taken

    def _owe_again(self, day: date, portions: Sequence[int]) -> None:
        """Debt that comes back, on the installment that is running or on an additional one."""
        if not any(portions):
            return
        row = next((one for one in self.rows if one.due_date >= day), None) or self._additional_row(day, day)
        for place, amount in enumerate(portions):
            row.credited[place] += amount
        row.recount()
        row.met_on = None
        self.moves.append((self._rest(day), portions[PRINCIPAL]))

    def _charge_off(self, event: LoanEvent) -> None:
        state = self.frozen(event.value_date)
        earned = interest_to(state, event.value_date - ONE_DAY)
        self.charged_off = event
        for row in self.rows:
            for part in range(4):
                self.paid_before[part] += row.paid[part]
                self.waived_before[part] += row.waived[part]
        owed = state.outstanding
        interest = max(0, earned - self.paid_before[INTEREST] - self.waived_before[INTEREST])
        late = [charge for row in self.rows for charge in row.charges if charge.due_date < event.value_date]
        fees = sum(charge.open for charge in late if charge.kind is ChargeKind.FEE)
        penalties = sum(charge.open for charge in late if charge.kind is ChargeKind.PENALTY)
        penalties += sum(row.meter.amount_minor for row in self.rows) - self._meter_settled()
        portions = [
            owed[PRINCIPAL],
            min(interest, owed[INTEREST]),
            fees,
            max(0, min(penalties, owed[PENALTY])),
        ]
        self._book(event, sum(portions), portions, 0, [])

    def _meter_settled(self) -> int:
        """Penalty interest that was paid or waived already."""
        settled = sum(row.paid[PENALTY] + row.waived[PENALTY] for row in self.rows)
        return settled - sum(one.paid + one.waived for one in self.charges if one.kind is ChargeKind.PENALTY)

    def _write_off(self, event: LoanEvent) -> None:
        """What is owed by the day is given up; interest that was never earned is not charged."""
        day = event.value_date
        self._drop_interest_not_used(self.freeze(day), day)
        self._forgive_later(day)
        portions = [0, 0, 0, 0]
        for row in self.rows:
            for component, amount in enumerate(row.outstanding()):
                row.lost[component] += amount
                portions[component] += amount
            for charge in row.charges:
                charge.lost += charge.open
        self.written_off_on = day
        self._book(event, sum(portions), portions, 0, [])
