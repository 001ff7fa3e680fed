"""Installments and charges while the events of a loan are applied to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from throughline.lending.allocation import AllocationLine, Component
from throughline.lending.history import AppliesTo, Calculation, ChargeKind, EventType, LoanEvent
from throughline.lending.overdue import PenaltyMeter
from throughline.lending.plan_rows import PlanRow
from throughline.lending.rates import rate_ratio, round_ratio
from throughline.lending.state import ChargeState, Four, InstallmentState, Transaction
from throughline.lending.terms import LoanTerms

PRINCIPAL, INTEREST = Component.PRINCIPAL, Component.INTEREST
FEE, PENALTY = Component.FEE, Component.PENALTY
COMPONENT_OF = {ChargeKind.FEE: FEE, ChargeKind.PENALTY: PENALTY}


@dataclass(slots=True)
class Charge:
    """One occurrence of a charge."""

    id: str
    kind: ChargeKind
    due_date: date
    amount: int
    applies_to: AppliesTo = AppliesTo.DUE_DATE
    paid: int = 0
    waived: int = 0
    lost: int = 0

    @property
    def open(self) -> int:
        return self.amount - self.paid - self.waived - self.lost

    def frozen(self) -> ChargeState:
        return ChargeState(self.id, self.kind, self.due_date, self.amount, self.paid, self.waived)


def charge_amount(event: LoanEvent, principal: int, interest: int, terms: LoanTerms) -> int:
    """The amount of a charge on so much principal and interest, in minor units."""
    rule = event.charge_rule
    if rule.calculation is Calculation.FLAT or rule.percent is None:
        return event.amount_minor or 0
    base = {
        Calculation.PERCENT_OF_AMOUNT: principal,
        Calculation.PERCENT_OF_INTEREST: interest,
        Calculation.PERCENT_OF_AMOUNT_AND_INTEREST: principal + interest,
    }[rule.calculation]
    numerator, denominator = rate_ratio(rule.percent)
    return round_ratio(base * numerator, denominator, terms.rounding.mode)


@dataclass(slots=True)
class Row:
    """An installment while events are applied; lists of four amounts by component.

    `plan` is its planned part; None for the additional installment after the last.
    """

    nr: int
    from_date: date
    due_date: date
    meter: PenaltyMeter
    plan: PlanRow | None = None
    due: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    paid: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    waived: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    lost: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    credited: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    charges: list[Charge] = field(default_factory=list)
    overdue_charged: set[str] = field(default_factory=set)
    penalty_moved: int = 0  # penalty interest that a new plan has moved here (above 0) or away (below)
    in_advance: int = 0
    late: int = 0
    met_on: date | None = None

    def outstanding(self) -> list[int]:
        due, paid, waived, lost = self.due, self.paid, self.waived, self.lost
        return [  # written out: it is asked for every installment at every payment
            due[0] - paid[0] - waived[0] - lost[0],
            due[1] - paid[1] - waived[1] - lost[1],
            due[2] - paid[2] - waived[2] - lost[2],
            due[3] - paid[3] - waived[3] - lost[3],
        ]

    def is_open(self) -> bool:
        due, paid, waived, lost = self.due, self.paid, self.waived, self.lost
        settled = paid[0] + paid[1] + paid[2] + paid[3]
        settled += waived[0] + waived[1] + waived[2] + waived[3]
        settled += lost[0] + lost[1] + lost[2] + lost[3]
        return due[0] + due[1] + due[2] + due[3] != settled  # written out, as in `outstanding`

    def recount(self) -> None:
        """Bring the dues to the plan, the charges and the penalty interest."""
        plan = self.plan
        due = self.credited.copy()
        if plan is not None:
            due[PRINCIPAL] += plan.principal
            due[INTEREST] += plan.interest
        for charge in self.charges:
            due[COMPONENT_OF[charge.kind]] += charge.amount
        due[PENALTY] += self.meter.amount_minor + self.penalty_moved
        self.due = due

    def penalty_interest_open(self) -> int:
        """Penalty interest that is unpaid; charges are paid before it."""
        charges = sum(one.open for one in self.charges if one.kind is ChargeKind.PENALTY)
        return min(self.outstanding()[PENALTY] - charges, self.meter.amount_minor + self.penalty_moved)

    def tell_plan(self) -> None:
        """What the plan has to know of payments when interest follows the real balance."""
        if self.plan is not None:
            self.plan.paid_principal = self.paid[PRINCIPAL] + self.lost[PRINCIPAL]
            self.plan.settled_interest = max(
                0, self.paid[INTEREST] + self.waived[INTEREST] + self.lost[INTEREST] - self.credited[INTEREST]
            )
            self.plan.credited = self.credited[PRINCIPAL]

    def take_over(self, other: Row) -> None:
        """Become the place of another row, with its charges and all that was paid on them."""
        other.nr = self.nr
        self.charges = sorted([*self.charges, *other.charges], key=lambda charge: charge.due_date)
        for part in range(4):
            self.paid[part] += other.paid[part]
            self.waived[part] += other.waived[part]
            self.lost[part] += other.lost[part]
            self.credited[part] += other.credited[part]
        self.penalty_moved += other.penalty_moved
        self.in_advance += other.in_advance
        self.late += other.late
        self.met_on = None

    def settle(self, component: Component, amount: int, on: date) -> None:
        """Money on one component."""
        self.paid[component] += amount
        if on < self.due_date:
            self.in_advance += amount
        elif on > self.meter.in_time:
            self.late += amount
        left = amount
        for charge in self.charges:
            if left and COMPONENT_OF[charge.kind] is component:
                part = min(left, charge.open)
                charge.paid += part
                left -= part

    def still(self, kept: InstallmentState) -> bool:
        """Whether it is as it was frozen, when only money has come since and the plan is the same."""
        return (
            four(self.paid) == kept.paid
            and self.met_on == kept.obligations_met_on
            and four(self.due) == kept.due
            and four(self.waived) == kept.waived
            and four(self.credited) == kept.credited
            and four(self.lost) == kept.written_off
        )

    def frozen(self, balance: int) -> InstallmentState:
        plan = self.plan
        return InstallmentState(
            nr=self.nr,
            from_date=self.from_date,
            due_date=self.due_date,
            opening_minor=plan.opening if plan else 0,
            balance_minor=balance,
            accrual_minor=plan.accrual if plan else 0,
            due=four(self.due),
            paid=four(self.paid),
            waived=four(self.waived),
            in_advance_minor=self.in_advance,
            late_minor=self.late,
            obligations_met_on=self.met_on,
            additional=plan is None,
            credited=four(self.credited),
            written_off=four(self.lost),
            provisional=plan is not None and self.meter.terms.is_provisional(self.due_date),
            deferred_minor=plan.deferred if plan else 0,
            plan=plan,
        )


@dataclass(slots=True)
class Movement:
    """A transaction while later events may still change how it was allocated."""

    id: str
    type: EventType
    date: date
    amount: int
    portions: list[int]
    overpayment: int
    balance: int
    lines: list[tuple[Row, Component, int]]
    recovered: int = 0

    def still(self, kept: Transaction) -> bool:
        """Whether it is as it was frozen."""
        return (
            four(self.portions) == kept.portions
            and self.overpayment == kept.overpayment_minor
            and len(self.lines) == len(kept.lines)
        )

    def frozen(self) -> Transaction:
        return Transaction(
            self.id,
            self.type,
            self.date,
            self.amount,
            four(self.portions),
            self.overpayment,
            self.balance,
            tuple(AllocationLine(row.nr, component, amount) for row, component, amount in self.lines),
            self.recovered,
        )


def four(values: list[int]) -> Four:
    """Four amounts by component, frozen."""
    return values[0], values[1], values[2], values[3]
