"""Events of lending. Aggregate: ("loan", loan id)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

AGGREGATE = "loan"


@dataclass(frozen=True, slots=True)
class LoanOpened:
    """A contract has become a loan account; nothing is paid out yet."""

    TYPE: ClassVar[str] = "lending.loan_opened.v1"
    loan_id: UUID
    borrower_id: UUID
    contract_id: UUID


@dataclass(frozen=True, slots=True)
class LoanImported:
    """A loan came from another system with its whole history; no event stands for what happened there."""

    TYPE: ClassVar[str] = "lending.loan_imported.v1"
    loan_id: UUID
    borrower_id: UUID
    status: str
    currency: str
    outstanding_minor: int


@dataclass(frozen=True, slots=True)
class LoanDisbursed:
    """The money is with the borrower; the schedule stands."""

    TYPE: ClassVar[str] = "lending.loan_disbursed.v1"
    loan_id: UUID
    borrower_id: UUID
    amount_minor: int
    currency: str
    value_date: date


@dataclass(frozen=True, slots=True)
class DisbursementReturned:
    """The payout came back; the loan waits for another one."""

    TYPE: ClassVar[str] = "lending.disbursement_returned.v1"
    loan_id: UUID
    borrower_id: UUID


@dataclass(frozen=True, slots=True)
class InstallmentDue:
    """An installment falls due in `days_left` days (3 or 0)."""

    TYPE: ClassVar[str] = "lending.installment_due.v1"
    loan_id: UUID
    borrower_id: UUID
    nr: int
    due_date: date
    amount_minor: int
    currency: str
    days_left: int


@dataclass(frozen=True, slots=True)
class InstallmentOverdue:
    """The due date has passed and something is open. `paused`: the clock of delinquency stands."""

    TYPE: ClassVar[str] = "lending.installment_overdue.v1"
    loan_id: UUID
    borrower_id: UUID
    nr: int
    due_date: date
    amount_minor: int
    currency: str
    paused: bool


@dataclass(frozen=True, slots=True)
class BucketChanged:
    """The delinquency range of the loan changed."""

    TYPE: ClassVar[str] = "lending.bucket_changed.v1"
    loan_id: UUID
    borrower_id: UUID
    old: str | None
    new: str | None
    past_due_days: int
    delinquent_days: int
    paused: bool


@dataclass(frozen=True, slots=True)
class PaymentAllocated:
    """Money was allocated. `order_id` is the payment order, if one brought it; `record_id` the notary's record."""

    TYPE: ClassVar[str] = "lending.payment_allocated.v1"
    loan_id: UUID
    borrower_id: UUID
    transaction_id: UUID
    order_id: UUID | None
    currency: str
    amount_minor: int
    principal_minor: int
    interest_minor: int
    penalty_minor: int
    fee_minor: int
    overpayment_minor: int
    value_date: date
    record_id: UUID


@dataclass(frozen=True, slots=True)
class PaymentReversed:
    """Money that had been allocated was taken back."""

    TYPE: ClassVar[str] = "lending.payment_reversed.v1"
    loan_id: UUID
    borrower_id: UUID
    reversed_event_id: UUID
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PaymentChargedBack:
    """A provider took back a payment, or a part of it: it is owed again."""

    TYPE: ClassVar[str] = "lending.payment_charged_back.v1"
    loan_id: UUID
    borrower_id: UUID
    payment_event_id: UUID
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class OverpaymentRefunded:
    """Money that was paid too much went back to the borrower."""

    TYPE: ClassVar[str] = "lending.overpayment_refunded.v1"
    loan_id: UUID
    borrower_id: UUID
    amount_minor: int
    currency: str
    value_date: date


@dataclass(frozen=True, slots=True)
class TermsChanged:
    """The plan is another one. `change` is the event type that did it, or "reversal" when one was taken back."""

    TYPE: ClassVar[str] = "lending.terms_changed.v1"
    loan_id: UUID
    borrower_id: UUID
    change: str
    value_date: date


@dataclass(frozen=True, slots=True)
class LoanChargedOff:
    """The lender expects no more of the loan; it stays collectable. `principal_minor` is what was lost of it."""

    TYPE: ClassVar[str] = "lending.loan_charged_off.v1"
    loan_id: UUID
    borrower_id: UUID
    principal_minor: int
    outstanding_minor: int
    currency: str
    value_date: date
    fraud: bool


@dataclass(frozen=True, slots=True)
class ChargeOffUndone:
    """A charge-off was taken back: income accrues again."""

    TYPE: ClassVar[str] = "lending.charge_off_undone.v1"
    loan_id: UUID
    borrower_id: UUID
    value_date: date


@dataclass(frozen=True, slots=True)
class LoanWrittenOff:
    """What was left of the loan is given up and the loan closed. `amount_minor` is all of it."""

    TYPE: ClassVar[str] = "lending.loan_written_off.v1"
    loan_id: UUID
    borrower_id: UUID
    amount_minor: int
    currency: str
    value_date: date


@dataclass(frozen=True, slots=True)
class WriteOffUndone:
    """A write-off was taken back: what was left is owed again."""

    TYPE: ClassVar[str] = "lending.write_off_undone.v1"
    loan_id: UUID
    borrower_id: UUID
    value_date: date


@dataclass(frozen=True, slots=True)
class VariationsChanged:
    """Protection was applied, ended or revoked. `record_id` is the notary's record of the difference."""

    TYPE: ClassVar[str] = "lending.variations_changed.v1"
    loan_id: UUID
    borrower_id: UUID
    case_id: UUID
    change: str
    interest_minor: int
    penalty_minor: int
    delinquent_days: int
    record_id: UUID


@dataclass(frozen=True, slots=True)
class ReportCorrectionNeeded:
    """What was reported to the credit bureau may not be true any more; `cause` is the event type, or "report_hold"."""

    TYPE: ClassVar[str] = "lending.report_correction_needed.v1"
    loan_id: UUID
    borrower_id: UUID
    cause: str


@dataclass(frozen=True, slots=True)
class CreditReportCorrected:
    """The credit bureau has confirmed a correction. `month` is the first day of the month that it is about."""

    TYPE: ClassVar[str] = "lending.credit_report_corrected.v1"
    loan_id: UUID
    borrower_id: UUID
    item_id: UUID
    month: date
    negative: bool
    record_id: UUID


@dataclass(frozen=True, slots=True)
class LoanClosed:
    """Nothing is owed any more."""

    TYPE: ClassVar[str] = "lending.loan_closed.v1"
    loan_id: UUID
    borrower_id: UUID
    closed_on: date
    overpaid_minor: int


@dataclass(frozen=True, slots=True)
class LoanReopened:
    """A reversal or a late charge made a closed loan owe again."""

    TYPE: ClassVar[str] = "lending.loan_reopened.v1"
    loan_id: UUID
    borrower_id: UUID


@dataclass(frozen=True, slots=True)
class BusinessDayClosed:
    """The close of business of a day is done. Aggregate: ("business_day", a fixed id)."""

    TYPE: ClassVar[str] = "lending.business_day_closed.v1"
    business_date: date
    loans: int
    failures: int
