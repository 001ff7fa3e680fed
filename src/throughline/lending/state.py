"""The state of a loan on a day: what a replay answers. Frozen values, nothing of them is a source of truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from throughline.lending.allocation import AllocationLine
from throughline.lending.history import ChargeKind, EventType, Pauses
from throughline.lending.plan_rows import PlanRow
from throughline.lending.schedule import Installment, Schedule
from throughline.lending.terms import LoanTerms

Four = tuple[int, int, int, int]  # principal, interest, fee, penalty (see allocation.Component)


NOTHING: Four = (0, 0, 0, 0)


class LoanStatus(StrEnum):
    """Where a loan stands."""

    APPROVED = "approved"
    ACTIVE = "active"
    OVERPAID = "overpaid"
    CLOSED = "closed_obligations_met"
    WRITTEN_OFF = "closed_written_off"


@dataclass(frozen=True, slots=True)
class InstallmentState:
    """An installment with what became of it. For each component due = paid + waived + written off + outstanding.

    `credited` is the part of the dues that a chargeback has put back: owed, but no income. `provisional` says
    that the list of days off by which the due date was found was not out yet. `deferred_minor` is interest of
    its period that is due with the last installment.
    """

    nr: int
    from_date: date
    due_date: date
    opening_minor: int
    balance_minor: int
    accrual_minor: int
    due: Four
    paid: Four
    waived: Four
    in_advance_minor: int
    late_minor: int
    obligations_met_on: date | None
    additional: bool = False
    credited: Four = NOTHING
    written_off: Four = NOTHING
    provisional: bool = False
    deferred_minor: int = 0
    plan: PlanRow | None = field(default=None, compare=False)

    @property
    def through_date(self) -> date:
        """The last interest day of its period: the due date, unless that alone has moved away from a day off."""
        return self.plan.due_date if self.plan is not None else self.due_date

    @property
    def outstanding(self) -> Four:
        due, paid, waived, lost = self.due, self.paid, self.waived, self.written_off
        return (
            due[0] - paid[0] - waived[0] - lost[0],
            due[1] - paid[1] - waived[1] - lost[1],
            due[2] - paid[2] - waived[2] - lost[2],
            due[3] - paid[3] - waived[3] - lost[3],
        )

    @property
    def outstanding_minor(self) -> int:
        return sum(self.due) - sum(self.paid) - sum(self.waived) - sum(self.written_off)


def drafted(row: Installment, terms: LoanTerms) -> InstallmentState:
    """An installment of a plan on which nothing has happened yet, since the loan has not been paid out."""
    return InstallmentState(
        nr=row.nr,
        from_date=row.from_date,
        due_date=row.due_date,
        opening_minor=row.opening_minor,
        balance_minor=row.balance_minor,
        accrual_minor=row.accrual_minor,
        due=(row.principal_minor, row.interest_minor, 0, 0),
        paid=NOTHING,
        waived=NOTHING,
        in_advance_minor=0,
        late_minor=0,
        obligations_met_on=None,
        provisional=terms.is_provisional(row.due_date),
        plan=PlanRow(row.nr, row.from_date, row.through_date),
    )


@dataclass(frozen=True, slots=True)
class ChargeState:
    """A charge and what is paid and waived of it."""

    id: str
    kind: ChargeKind
    due_date: date
    amount_minor: int
    paid_minor: int
    waived_minor: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one event did: its portions (principal, interest, fee, penalty), the rest, the principal after it."""

    id: str
    type: EventType
    value_date: date
    amount_minor: int
    portions: Four
    overpayment_minor: int
    principal_balance_minor: int
    lines: tuple[AllocationLine, ...]
    recovered_minor: int = 0  # money that came after a write-off and paid no installment


@dataclass(frozen=True, slots=True)
class LoanState:
    """A loan as of a day.

    `overdue_penalty_minor` is the penalty interest inside the penalties due; `paid_at_disbursement` the
    charges taken out of the payout; `charged_off_on` a mark beside the status, and what had been paid and
    waived by then.
    """

    terms: LoanTerms
    as_of: date
    status: LoanStatus
    disbursed_on: date | None
    closed_on: date | None
    schedule: Schedule | None
    installments: tuple[InstallmentState, ...]
    charges: tuple[ChargeState, ...]
    transactions: tuple[Transaction, ...]
    pauses: Pauses
    disbursed_minor: int
    overpaid_minor: int
    overdue_penalty_minor: int
    paid_at_disbursement: Four = NOTHING
    charged_off_on: date | None = None
    charged_off_fraud: bool = False
    paid_before_charge_off: Four = NOTHING
    waived_before_charge_off: Four = NOTHING
    written_off_on: date | None = None

    @property
    def outstanding(self) -> Four:
        """Everything still to be paid, by component."""
        rows = [row.outstanding for row in self.installments]
        return (
            sum(row[0] for row in rows),
            sum(row[1] for row in rows),
            sum(row[2] for row in rows),
            sum(row[3] for row in rows),
        )

    @property
    def closed(self) -> bool:
        return self.status in {LoanStatus.CLOSED, LoanStatus.OVERPAID, LoanStatus.WRITTEN_OFF}
