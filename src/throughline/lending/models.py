"""Tables of lending. Events and transactions are appended; installments and delinquency are a cache."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id
from throughline.lending.bureau import models as _bureau  # noqa: F401 - its tables are found with ours


def _of_loan() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["borrower_id", "loan_id"], ["lending_loan.borrower_id", "lending_loan.id"])


class ProductRow(Base):
    """One version of a product, in force for loans agreed from `valid_from` to `valid_until` (both inside)."""

    __tablename__ = "lending_product"

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    document: Mapped[Json]


class LoanRow(Base):
    """A loan account. `terms` never changes; `recognised_*` is the income in the books so far."""

    __tablename__ = "lending_loan"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("contract_id"),
        Index("ix_lending_loan_open", "id", postgresql_where=text("status = 'active'")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    product_code: Mapped[str]
    product_version: Mapped[int]
    contract_id: Mapped[UUID]
    currency: Mapped[str]
    principal_minor: Mapped[int] = mapped_column(BigInteger)
    annual_rate_percent: Mapped[Decimal] = mapped_column(Numeric(9, 4))
    terms: Mapped[Json]
    agreed_charges: Mapped[list[Any]]
    zone: Mapped[str]
    agreed_on: Mapped[date]
    status: Mapped[str]
    disbursed_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    event_seq: Mapped[int]
    cob_through: Mapped[date | None]
    recognised_interest_minor: Mapped[int] = mapped_column(BigInteger)
    recognised_fee_minor: Mapped[int] = mapped_column(BigInteger)
    recognised_penalty_minor: Mapped[int] = mapped_column(BigInteger)
    outstanding_minor: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[Instant]


class LoanEventRow(Base):
    """One event. `record_id` is its commitment in the notary's log, `request_hash` guards its key."""

    __tablename__ = "lending_event"
    __table_args__ = (
        _of_loan(),
        UniqueConstraint("borrower_id", "loan_id", "id"),
        UniqueConstraint("borrower_id", "loan_id", "idempotency_key"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(default=new_id)
    type: Mapped[str]
    value_date: Mapped[date]
    posting_date: Mapped[date]
    recorded_at: Mapped[Instant]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    target: Mapped[UUID | None]
    case_id: Mapped[UUID | None]
    payload: Mapped[Json]
    actor: Mapped[str]
    external_id: Mapped[str | None]
    idempotency_key: Mapped[str]
    request_hash: Mapped[bytes]
    record_id: Mapped[UUID | None]


class TransactionRow(Base):
    """What an event did. A replay that changes it appends a row; the newest for an event counts."""

    __tablename__ = "lending_transaction"
    __table_args__ = (
        _of_loan(),
        Index("ix_lending_transaction_loan", "borrower_id", "loan_id", "event_id", "id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    event_id: Mapped[UUID]
    made_by: Mapped[UUID]  # the event whose recording wrote this row
    type: Mapped[str]
    value_date: Mapped[date]
    posting_date: Mapped[date]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    principal_minor: Mapped[int] = mapped_column(BigInteger)
    interest_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger)
    penalty_minor: Mapped[int] = mapped_column(BigInteger)
    overpayment_minor: Mapped[int] = mapped_column(BigInteger)
    principal_balance_minor: Mapped[int] = mapped_column(BigInteger)
    replay_of: Mapped[UUID | None]
    reversal_of: Mapped[UUID | None]


class AllocationRow(Base):
    """Which installment and component a transaction paid."""

    __tablename__ = "lending_allocation"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "transaction_id"], ["lending_transaction.borrower_id", "lending_transaction.id"]
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    installment_nr: Mapped[int] = mapped_column(primary_key=True)
    component: Mapped[str] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)


class ScheduleRow(Base):
    """A version of the plan and why it was made; old versions stay readable."""

    __tablename__ = "lending_schedule"
    __table_args__ = (_of_loan(),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    made_at_seq: Mapped[int]
    installments: Mapped[list[Any]]


class InstallmentRow(Base):
    """The newest state of an installment; `outstanding_minor` is all components together."""

    __tablename__ = "lending_installment"
    __table_args__ = (
        _of_loan(),
        Index("ix_lending_installment_due", "borrower_id", "due_date"),
        Index("ix_lending_installment_due_date", "due_date", "borrower_id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    nr: Mapped[int] = mapped_column(primary_key=True)
    from_date: Mapped[date]
    due_date: Mapped[date]
    due_minor: Mapped[list[Any]]  # principal, interest, fee, penalty
    paid_minor: Mapped[list[Any]]
    waived_minor: Mapped[list[Any]]
    outstanding_minor: Mapped[int] = mapped_column(BigInteger)
    obligations_met_on: Mapped[date | None]


class VariationRow(Base):
    """A variation as it stands; `revoked_by` is the event that took it away."""

    __tablename__ = "lending_variation"
    __table_args__ = (
        _of_loan(),
        Index("ix_lending_variation_loan", "borrower_id", "loan_id", "kind"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID]
    case_id: Mapped[UUID | None]
    kind: Mapped[str]
    from_date: Mapped[date]
    to_date: Mapped[date]
    shift_following: Mapped[bool]
    rule_id: Mapped[str]
    reason: Mapped[Json]
    revoked_by: Mapped[UUID | None]


class DelinquencyRow(Base):
    """How late a loan is, as last set by the close of business or a payment."""

    __tablename__ = "lending_delinquency"
    __table_args__ = (_of_loan(),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    on_date: Mapped[date]
    past_due_days: Mapped[int]
    paused_days: Mapped[int]
    delinquent_days: Mapped[int]
    delinquent_since: Mapped[date | None]
    range: Mapped[str | None]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    paused: Mapped[bool]


class DelinquencyHistoryRow(Base):
    """A change of range."""

    __tablename__ = "lending_delinquency_history"
    __table_args__ = (_of_loan(), Index("ix_lending_delinquency_history_loan", "borrower_id", "loan_id"))

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    on_date: Mapped[date]
    old_range: Mapped[str | None]
    new_range: Mapped[str | None]
    past_due_days: Mapped[int]
    delinquent_days: Mapped[int]
    paused: Mapped[bool]
    recorded_at: Mapped[Instant]


class AccrualPlanRow(Base):
    """The head of a loan's accrual plan (segments.AccrualPlan). It counts while `version` and `event_seq` fit.

    `needs_replay`: no lines describe the loan, it is replayed night by night. `pauses` are those of
    delinquency, as (from, to).
    """

    __tablename__ = "lending_accrual_plan"
    __table_args__ = (_of_loan(),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    event_seq: Mapped[int]
    needs_replay: Mapped[bool]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    mode: Mapped[str]
    interest_limit_minor: Mapped[int] = mapped_column(BigInteger)
    fee_limit_minor: Mapped[int] = mapped_column(BigInteger)
    penalty_charged_minor: Mapped[int] = mapped_column(BigInteger)
    watch_from: Mapped[date | None]
    pauses: Mapped[list[Any]]


class AccrualSegmentRow(Base):
    """One line of a loan's accrual plan (segments.Segment): base + min(cap, round((n0 + days * n1) / d))."""

    __tablename__ = "lending_accrual_segment"
    __table_args__ = (_of_loan(),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    nr: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    kind: Mapped[str]
    installment_nr: Mapped[int | None]
    from_date: Mapped[date]
    to_date: Mapped[date | None]
    base_minor: Mapped[int] = mapped_column(BigInteger)
    n0: Mapped[Decimal] = mapped_column(Numeric)
    n1: Mapped[Decimal] = mapped_column(Numeric)
    d: Mapped[Decimal] = mapped_column(Numeric)
    cap_minor: Mapped[int | None] = mapped_column(BigInteger)
    charged_minor: Mapped[int] = mapped_column(BigInteger)


class ReportHoldRow(Base):
    """While a hold stands, nothing negative about its days may be reported. One open hold for a source."""

    __tablename__ = "lending_report_hold"
    __table_args__ = (
        _of_loan(),
        UniqueConstraint("borrower_id", "loan_id", "source"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    source: Mapped[str]
    from_date: Mapped[date]
    until_date: Mapped[date | None]
    reason: Mapped[Json]
    placed_at: Mapped[Instant]
    released_at: Mapped[Instant | None]
    release_reason: Mapped[dict[str, Any] | None]


class ProposalRow(Base):
    """What one person proposed and a second decides. `borrower_id` is the lender's id for a product.

    `body` and both reasons are sealed under that owner's key. States: waiting, approved, refused, withdrawn,
    failed; one that waits beyond `expires_at` is expired.
    """

    __tablename__ = "lending_proposal"
    __table_args__ = (
        _of_loan(),
        UniqueConstraint("id"),
        CheckConstraint(
            "state NOT IN ('approved', 'refused', 'failed') OR decided_by <> proposed_by", name="two_people"
        ),
        Index("ix_lending_proposal_waiting", "id", postgresql_where=text("state = 'waiting'")),
        Index("ix_lending_proposal_loan_id", "loan_id"),
        Index(
            "uq_lending_proposal_event_id",
            "event_id",
            unique=True,
            postgresql_where=text("event_id IS NOT NULL"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    state: Mapped[str]
    loan_id: Mapped[UUID | None]
    product_code: Mapped[str | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[bytes] = mapped_column(LargeBinary)
    proposed_by: Mapped[str]
    proposed_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    decided_by: Mapped[str | None]
    decided_at: Mapped[Instant | None]
    decision_reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    failure: Mapped[dict[str, Any] | None]
    event_id: Mapped[UUID | None]
    product_version: Mapped[int | None]


class BusinessDayRow(Base):
    """The one open business day of the books."""

    __tablename__ = "lending_business_day"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    open_day: Mapped[date]


class CobRunRow(Base):
    """A close of business. States: running, done, done_with_failures. `steps`: counts of the finished run."""

    __tablename__ = "lending_cob_run"

    business_date: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str]
    started_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]
    loans: Mapped[int]
    failures: Mapped[int]
    steps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))


class CobChunkRow(Base):
    """A stretch of loans, by id, to close for a day. States: waiting, done. `steps`: what was done, by step."""

    __tablename__ = "lending_cob_chunk"
    __table_args__ = (ForeignKeyConstraint(["business_date"], ["lending_cob_run.business_date"]),)

    business_date: Mapped[date] = mapped_column(primary_key=True)
    nr: Mapped[int] = mapped_column(primary_key=True)
    first_loan: Mapped[UUID]
    last_loan: Mapped[UUID]
    loans: Mapped[int]
    state: Mapped[str]
    deferred_at: Mapped[Instant]
    done_at: Mapped[Instant | None]
    steps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))


class CobFailureRow(Base):
    """A loan that could not be closed; it waits at `business_date` and is tried again at the next run."""

    __tablename__ = "lending_cob_failure"
    __table_args__ = (_of_loan(),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    business_date: Mapped[date]
    error: Mapped[str]
    tries: Mapped[int]
    failed_at: Mapped[Instant]
