"""Replay: a loan's state as a pure function of its terms, its events and a date (lending.md sections 1 and 2).

The events that are in force are walked once in the order of their value dates; between two of them only
penalty interest and the interest on overdue principal move, and they move by stretches, not by days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from throughline.lending.accrual import interest_in_period, interest_to
from throughline.lending.allocation import Component, Debt, allocate
from throughline.lending.history import (
    PAYMENTS,
    AppliesTo,
    ChargeKind,
    EventType,
    InForce,
    LoanEvent,
    in_force,
)
from throughline.lending.overdue import PenaltyMeter
from throughline.lending.periods import add_periods
from throughline.lending.plan import PlanRow, RealBalance
from throughline.lending.quote import payoff_quote, settled_interest
from throughline.lending.rates import rate_ratio
from throughline.lending.schedule import Plan
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import (
    Frequency,
    LoanTerms,
    Prepayment,
    Rest,
    ScheduleType,
)
from throughline.lending.walk_rows import (
    COMPONENT_OF,
    FEE,
    INTEREST,
    PENALTY,
    PRINCIPAL,
    Charge,
    Movement,
    Row,
    charge_amount,
    four,
)

ONE_DAY = timedelta(days=1)
Line = tuple[Row, Component, int]
NO_PORTIONS = [0, 0, 0, 0]


def replay(terms: LoanTerms, events: Sequence[LoanEvent], *, as_of: date) -> LoanState:
    """The loan as of a day. Events come in the order of recording and have passed `checks.check`.

    Raises ScheduleError when a variation or new terms do not fit the schedule.
    """
    walk = Walk(terms, in_force(events, as_of=as_of), as_of)
    for event in walk.force.money:
        walk.apply(event)
    if walk.plan is not None:
        walk.plan.check_shifts()
    return walk.freeze(as_of)


class Walk:
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
        self.paid_before = [0, 0, 0, 0]
        self.waived_before = [0, 0, 0, 0]
        self.written_off_on: date | None = None
        self.moves: list[tuple[date, int]] = []  # of the real balance, where interest follows it

    # --- time --------------------------------------------------------------------------------------

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
            self._use_overpayment(day)
            self._note_closed(day)

    def _after_write_off(self, event: LoanEvent) -> None:
        """Nothing is owed any more: money is a recovery, money taken back takes it away."""
        sign = {EventType.CHARGEBACK: -1, EventType.RECOVERY: 1} | dict.fromkeys(PAYMENTS, 1)
        if event.type not in sign:
            return
        amount = event.amount_minor or 0
        self._book(event, amount, NO_PORTIONS, 0, [])
        self.transactions[-1].recovered = sign[event.type] * amount

    def _advance(self, to: date) -> None:
        """Let penalties and the interest on overdue principal run to a day."""
        self._recalculate(to)
        if self.charged_off is not None:
            to = min(to, self.charged_off.value_date - ONE_DAY)
        if self.terms.overdue_interest is not None:
            for row in self.rows:
                if row.due_date >= to:
                    break
                principal, interest, _, _ = row.outstanding()
                row.meter.run(to, principal, interest)
                row.recount()
        for event in self.repeated:
            if event.charge_rule.applies_to is AppliesTo.OVERDUE_INSTALLMENT:
                self._charge_overdue(event, to)

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

    # --- the plan ----------------------------------------------------------------------------------

    def _disburse(self, event: LoanEvent) -> None:
        amount, day = event.amount_minor or 0, event.value_date
        if self.plan is None:
            self.plan = Plan.start(self.terms, day, self.force.pauses.interest, self.force.shifts)
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
            row = known.get(id(planned))
            if row is None:
                row = Row(
                    planned.nr, planned.from_date, planned.due_date, self._meter(planned.due_date), planned
                )
            elif row.due_date != planned.due_date:
                row.meter = self._meter(planned.due_date)
            row.nr, row.from_date, row.due_date = planned.nr, planned.from_date, planned.due_date
            self.rows.append(row)
        last = self.rows[-1]
        for row in extra:
            if row.due_date > last.due_date:
                row.nr, row.from_date = last.nr + 1, last.due_date
                self.rows.append(row)
            else:
                next(one for one in self.rows if one.due_date >= row.due_date).take_over(row)
        if first_time:
            for charge in self.charges:
                self._attach(charge)
        for event in self.repeated:
            if event.charge_rule.applies_to is AppliesTo.EACH_INSTALLMENT:
                self._charge_each(event)
        for row in self.rows:
            row.recount()

    def _meter(self, due_date: date) -> PenaltyMeter:
        return PenaltyMeter(self.terms, due_date, self.force.pauses.penalty)

    def _reschedule(self, event: LoanEvent) -> None:
        """New terms from the first installment that is due on or after the day of the event."""
        plan, new = self.plan, event.new_terms
        if plan is None or new is None:
            return
        regular = plan.regular()
        at = next((place for place, row in enumerate(regular) if row.due_date >= event.value_date), None)
        if at is None:
            return
        if new.annual_rate_percent is not None:
            plan.clock.rates.append((event.value_date, rate_ratio(new.annual_rate_percent)))
            plan.clock.rates.sort(key=lambda one: one[0])
        _extend(plan, new.installments)
        regular = plan.regular()
        if new.first_due_date is not None:
            plan.move(regular, at, new.first_due_date, following=True)
        left = regular[at:]
        for place, row in enumerate(left):
            row.no_principal = row.no_principal or place < new.grace.principal
            row.held = row.held or place < new.grace.interest_payment
            row.free = row.free or place < new.grace.interest_free
        if left[-1].no_principal or left[-1].held:
            left[-1].no_principal = left[-1].held = False
        if new.annual_rate_percent is not None or new.installments or new.grace != type(new.grace)():
            self._tell_plan()
            plan.respread(left)
        plan.calculate()
        self._take_plan()

    def _re_age(self, event: LoanEvent) -> None:
        """A new plan for everything that is outstanding; what was paid stays where it was paid."""
        plan, new, day = self.plan, event.new_terms, event.value_date
        if plan is None or new is None or new.first_due_date is None:
            return
        state = self.freeze(day)
        interest = 0
        moved: list[Charge] = []
        for row, kept in zip(self.rows, settled_interest(state, day), strict=True):
            settled = row.paid[INTEREST] + row.waived[INTEREST]
            interest += kept - settled
            moved += _take_charges(row)
            if row.plan is not None:
                earned = interest_in_period(plan.schedule(), row.frozen(0), day)
                # What a chargeback put back stays on its row; it is no part of the plan.
                row.plan.settle(
                    max(0, row.paid[PRINCIPAL] - row.credited[PRINCIPAL]),
                    max(0, settled - row.credited[INTEREST]),
                    earned,
                )
        for row in self.rows:
            if row.plan is not None:
                row.plan.from_date, row.plan.due_date = min(row.from_date, day), min(row.due_date, day)
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
        for charge in moved:
            charge.due_date = max(charge.due_date, new.first_due_date)
            self._attach(charge)

    def _re_amortize(self, event: LoanEvent) -> None:
        """Overdue principal goes to the installments that are still to come; the last absorbs."""
        plan, day = self.plan, event.value_date
        if plan is None:
            return
        left = [row for row in plan.regular() if row.due_date > day]
        if not left:
            return
        for row in self.rows:
            if row.plan is not None and row.due_date <= day:
                row.plan.settle(
                    max(0, row.paid[PRINCIPAL] - row.credited[PRINCIPAL]), row.plan.interest, row.plan.accrual
                )
        self._tell_plan()
        plan.respread(left)
        plan.calculate()
        self._take_plan()

    # --- charges -----------------------------------------------------------------------------------

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
            self._attach(charge)

    def _attach(self, charge: Charge) -> None:
        """To the installment in whose period the charge falls due; after the last one, to an additional one."""
        row = next((row for row in self.rows if charge.due_date <= row.due_date), None)
        self._put(charge, row or self._additional_row(charge.due_date))

    def _put(self, charge: Charge, row: Row) -> None:
        row.charges.append(charge)
        row.charges.sort(key=lambda one: one.due_date)
        row.recount()
        row.met_on = None

    def _additional_row(self, due_date: date) -> Row:
        last = self.rows[-1]
        if last.plan is None:
            last.due_date = due_date
            last.meter = self._meter(due_date)
            return last
        row = Row(last.nr + 1, last.due_date, due_date, self._meter(due_date))
        self.rows.append(row)
        return row

    def _charge_each(self, event: LoanEvent) -> None:
        """One occurrence with each installment; those that were touched already stay."""
        if event.value_date > self.as_of:
            return
        for row in self.rows:
            if row.plan is None or row.plan.down_payment:
                continue
            mine = [charge for charge in row.charges if charge.id == event.id]
            if any(charge.paid or charge.waived for charge in mine):
                continue
            for charge in mine:
                row.charges.remove(charge)
                self.charges = [one for one in self.charges if one is not charge]
            amount = charge_amount(event, row.plan.principal, row.plan.interest, self.terms)
            if amount and row.due_date >= event.value_date:
                self._add_charge(event, row.due_date, amount, row)

    def _charge_overdue(self, event: LoanEvent, to: date) -> None:
        """One occurrence for each installment that is still unpaid after its grace."""
        grace = self.terms.overdue_interest.grace_days if self.terms.overdue_interest else 0
        for row in self.rows:
            day = row.due_date + timedelta(days=grace + 1)
            if day > to or row.plan is None or event.id in row.overdue_charged:
                continue
            principal, interest, _, _ = row.outstanding()
            if principal + interest == 0 or day < event.value_date or self._paused(day):
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

    def _waive_interest(self, event: LoanEvent) -> None:
        """Interest is waived on the oldest installments first, never more than is outstanding."""
        left = event.amount_minor or 0
        for row in self.rows:
            part = min(left, row.outstanding()[INTEREST])
            row.waived[INTEREST] += part
            left -= part
        waived = (event.amount_minor or 0) - left
        self._book(event, waived, [0, waived, 0, 0], 0, [])

    # --- money -------------------------------------------------------------------------------------

    def _pay(self, event: LoanEvent, amount: int) -> None:
        day = event.value_date
        effective = self._rest(day)
        portions, lines = self._allocate(amount, day, effective)
        rest = amount - sum(portions)
        self.overpaid += rest
        if portions[PRINCIPAL] and self.terms.recalculation.enabled:
            self.moves.append((effective, -portions[PRINCIPAL]))
            self.moves.sort(key=lambda move: move[0])
            self._after_prepayment(day, lines)
        self._book(event, amount, portions, rest, lines)

    def _allocate(self, amount: int, on: date, through: date) -> tuple[list[int], list[Line]]:
        rule = replace(self.terms.allocation, future=self.future)
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

    def _debts(self, on: date, through: date) -> list[Debt]:
        ahead = self._payable_ahead(on, through) if self.terms.recalculation.enabled else {}
        debts = []
        for row in self.rows:
            outstanding = row.outstanding()
            if row.nr in ahead:
                outstanding[PRINCIPAL], outstanding[INTEREST] = ahead[row.nr]
            if not any(outstanding):
                continue
            due_now = [0, 0, 0, 0]
            for charge in row.charges:
                if charge.due_date <= on:
                    due_now[COMPONENT_OF[charge.kind]] += charge.open
            debts.append(Debt(row.nr, row.due_date, outstanding, due_now))
        return debts

    def _payable_ahead(self, on: date, through: date) -> dict[int, tuple[int, int]]:
        """Principal and interest that money in advance finds on installments that are not due yet: the
        interest that has accrued so far, then principal."""
        earned = interest_to(self.freeze(max(on, through), advance=False), through)
        balance = sum(row.outstanding()[PRINCIPAL] for row in self.rows)
        whole = (
            self.terms.schedule_type is ScheduleType.CUMULATIVE
            and self.terms.recalculation.prepayment is not Prepayment.RESCHEDULE_NEXT
        )
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
            elif plan.installment is not None:
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
        for row, interest in zip(self.rows, settled_interest(state, day), strict=True):
            if row.plan is not None:
                kept = interest - row.credited[INTEREST]
                accrual = row.plan.accrual if row.due_date <= day else kept
                row.plan.settle(row.plan.principal, kept, accrual)
                row.recount()

    def _forgive_later(self, day: date) -> None:
        """Charges that have not fallen due are not charged."""
        for row in self.rows:
            for charge in row.charges:
                if charge.due_date > day:
                    self._forgive(charge)

    def _charge_back(self, event: LoanEvent) -> None:
        """The payer's bank took money back: the debt returns by the portions of that payment, on the
        installment that is running or on an additional one, and is late only from there."""
        day, left = event.value_date, event.amount_minor or 0
        original = next((one for one in self.transactions if one.id == event.target), None)
        from_overpaid = min(left, self.overpaid)
        self.overpaid -= from_overpaid
        left -= from_overpaid
        taken = from_overpaid
        for one in reversed(self.transactions):
            part = min(taken, one.overpayment)
            one.overpayment -= part
            taken -= part
        portions = [0, 0, 0, 0]
        for component in (PENALTY, FEE, INTEREST):
            portions[component] = min(left, original.portions[component] if original else 0)
            left -= portions[component]
        portions[PRINCIPAL] = left
        if any(portions):
            row = next((one for one in self.rows if one.due_date >= day), None) or self._additional_row(day)
            for place, amount in enumerate(portions):
                row.credited[place] += amount
            row.recount()
            row.met_on = None
            self.moves.append((self._rest(day), portions[PRINCIPAL]))
            self.moves.sort(key=lambda move: move[0])
        self._book(event, event.amount_minor or 0, portions, from_overpaid, [])
        # What it gave back to the borrower's bank is no overpayment that later debt could use.
        self.transactions[-1].overpayment = 0

    def _refund(self, event: LoanEvent) -> None:
        """Money back to the borrower; more than the overpayment, after a replay, is debt again."""
        amount = event.amount_minor or 0
        from_overpaid = min(amount, self.overpaid)
        self.overpaid -= from_overpaid
        left = from_overpaid
        for one in reversed(self.transactions):
            part = min(left, one.overpayment)
            one.overpayment -= part
            left -= part
        debt = amount - from_overpaid
        if debt:
            row = next((one for one in self.rows if one.due_date >= event.value_date), None)
            row = row or self._additional_row(event.value_date)
            row.credited[PRINCIPAL] += debt
            row.recount()
            row.met_on = None
            self.moves.append((self._rest(event.value_date), debt))
            self.moves.sort(key=lambda move: move[0])
        self._book(event, amount, [debt, 0, 0, 0], 0, [])

    def _charge_off(self, event: LoanEvent) -> None:
        state = self.freeze(event.value_date, advance=False)
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
        given = self.disbursed + sum(row.credited[PRINCIPAL] for row in self.rows)
        return given - sum(row.paid[PRINCIPAL] + row.lost[PRINCIPAL] for row in self.rows)

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

    # --- the answer --------------------------------------------------------------------------------

    def freeze(self, as_of: date, *, advance: bool = True) -> LoanState:
        """The state on a day that is not before the last event."""
        if advance:
            self._advance(as_of)
        return LoanState(
            terms=self.terms,
            as_of=as_of,
            status=self._status(),
            disbursed_on=self.disbursed_on,
            closed_on=self.closed_on,
            schedule=self.plan.schedule() if self.plan is not None else None,
            installments=tuple(row.frozen(self._balance_after(row)) for row in self.rows),
            charges=tuple(charge.frozen() for charge in self.charges),
            transactions=tuple(one.frozen() for one in self.transactions),
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
        plan = row.plan
        if plan is None or self.plan is None:
            return 0
        inside = sum(amount for day, amount in self.plan.tranches if row.from_date < day < row.due_date)
        return plan.opening + inside - plan.principal

    def _status(self) -> LoanStatus:
        if self.disbursed_on is None:
            return LoanStatus.APPROVED
        if self.written_off_on is not None:
            return LoanStatus.WRITTEN_OFF
        if self.closed_on is None:
            return LoanStatus.ACTIVE
        return LoanStatus.OVERPAID if self.overpaid else LoanStatus.CLOSED


def _extend(plan: Plan, extra: int) -> None:
    """More installments after the last, as far apart as the others."""
    last = plan.rows[-1]
    anchor, start = last.due_date, last.due_date
    last.last = last.last and not extra
    for nr in range(1, extra + 1):
        due = add_periods(anchor, plan.terms.repay_every, nr)
        plan.rows.append(PlanRow(last.nr + nr, start, due))
        start = due


def _new_rows(plan: Plan, start: date, first_due: date, count: int, every: Frequency) -> list[PlanRow]:
    """Rows of a new plan from a day on."""
    nr = plan.rows[-1].nr if plan.rows else 0
    rows = []
    for place in range(count):
        due = add_periods(first_due, every, place)
        rows.append(PlanRow(nr + place + 1, start, due))
        start = due
    return rows


def _take_charges(row: Row) -> list[Charge]:
    """The untouched charges of a row, which a new plan takes over; what is paid of others stays."""
    moved = [charge for charge in row.charges if charge.open and not charge.paid and not charge.waived]
    for charge in moved:
        row.charges.remove(charge)
    return moved
