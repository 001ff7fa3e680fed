"""Loans with a past: a history from another system becomes a loan account in one step.

The same replay as for every loan, but nothing is told to the borrower, nothing is promised by the notary
(it did not see those payments), and the other side of the books is `migration_clearing`: the money moved
through the other system's accounts, not through ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import FirstEvent, publish_first
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.ledger import service as ledger
from throughline.ledger.entries import Line, debit
from throughline.lending import cache
from throughline.lending import events as published
from throughline.lending.account import source_of
from throughline.lending.accrual import Accrued
from throughline.lending.books import earned_by, plan_entries
from throughline.lending.checks import HistoryError, check
from throughline.lending.delinquency import delinquency, frozen_range
from throughline.lending.event_json import payload_of
from throughline.lending.history import EventType, LoanEvent
from throughline.lending.models import (
    AccrualPlanRow,
    AccrualSegmentRow,
    AllocationRow,
    DelinquencyHistoryRow,
    DelinquencyRow,
    InstallmentRow,
    LoanEventRow,
    LoanRow,
    ScheduleRow,
    TransactionRow,
)
from throughline.lending.overrides import OutsideProduct
from throughline.lending.periods import ScheduleError
from throughline.lending.plans import plan_rows
from throughline.lending.products import Product
from throughline.lending.quote import covers_quote
from throughline.lending.recording import NewEvent, fingerprint_of
from throughline.lending.replay import replay
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import LoanTerms, TermsError
from throughline.lending.terms_json import terms_json
from throughline.lending.writing import ONE_DAY, EventRefused

ACTOR = "import"
_MIGRATED = {"payout_clearing", "collection_clearing"}
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PastPayment:
    """A repayment that was received elsewhere. `key` is its id there; `reversed_on` when it was taken back."""

    key: str
    paid_on: date
    amount_minor: int
    reversed_on: date | None = None

    def event(self) -> NewEvent:
        """The payment as an event to record; its key stays the same however it comes in."""
        return NewEvent(
            EventType.REPAYMENT, self.paid_on, payment_key(self.key), self.amount_minor, actor=ACTOR
        )

    def reversal(self, target: UUID) -> NewEvent:
        """Its reversal as an event to record."""
        day = self.reversed_on or self.paid_on
        return NewEvent(EventType.REVERSAL, day, reversal_key(self.key), target=target, actor=ACTOR)


@dataclass(frozen=True, slots=True)
class PastLoan:
    """A loan that was paid out elsewhere, in full, on `disbursed_on`; the rate is nominal a year."""

    borrower_id: UUID
    contract_id: UUID
    product: Product
    principal_minor: int
    installments: int
    annual_rate_percent: Decimal
    disbursed_on: date
    zone: str
    first_due_date: date | None = None
    agreed_charges: tuple[str, ...] = ()
    payments: tuple[PastPayment, ...] = ()


@dataclass(slots=True)
class ImportPlan:
    """All rows of one loan, ready to be written. `outstanding_principal_minor` is what it owes by the replay."""

    loan_id: UUID
    borrower_id: UUID
    outstanding_principal_minor: int
    loan: Values
    events: list[Values] = field(default_factory=list)
    transactions: list[Values] = field(default_factory=list)
    allocations: list[Values] = field(default_factory=list)
    schedules: list[Values] = field(default_factory=list)
    installments: list[Values] = field(default_factory=list)
    plans: list[Values] = field(default_factory=list)
    segments: list[Values] = field(default_factory=list)
    delinquency: list[Values] = field(default_factory=list)
    delinquency_history: list[Values] = field(default_factory=list)
    entries: list[ledger.EntryDraft] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    """What is recorded of an imported loan: its currency, and event id and request hash by key."""

    currency: str
    events: dict[str, tuple[UUID, bytes]]

    def holds(self, payment: PastPayment) -> bool:
        """Whether this payment, and its reversal if it has one, is recorded just so."""
        paid = self.events.get(payment_key(payment.key))
        if paid is None or paid[1] != fingerprint_of(payment.event()):
            return False
        if payment.reversed_on is None:
            return True
        taken_back = self.events.get(reversal_key(payment.key))
        return taken_back is not None and taken_back[1] == fingerprint_of(payment.reversal(paid[0]))


def imported_histories(session: Session, loan_ids: Sequence[UUID]) -> dict[UUID, ImportedHistory]:
    """What is recorded of loans, by id; an id that no loan has is left out."""
    currencies = session.execute(select(LoanRow.id, LoanRow.currency).where(LoanRow.id.in_(loan_ids)))
    found = {loan_id: ImportedHistory(currency, {}) for loan_id, currency in currencies}
    events = session.execute(
        select(LoanEventRow.loan_id, LoanEventRow.idempotency_key, LoanEventRow.id, LoanEventRow.request_hash)
        .join(
            LoanRow,
            (LoanRow.borrower_id == LoanEventRow.borrower_id) & (LoanRow.id == LoanEventRow.loan_id),
        )
        .where(LoanRow.id.in_(loan_ids))
    )
    for loan_id, key, event_id, request_hash in events:
        found[loan_id].events[key] = (event_id, request_hash)
    return found


def payment_key(external: str) -> str:
    """The idempotency key of an imported payment within its loan."""
    return f"import:{external}"


def reversal_key(external: str) -> str:
    """The idempotency key of an imported payment's reversal."""
    return f"import:{external}:reversal"


def plan_import(past: PastLoan, *, posting_date: date, now: datetime) -> ImportPlan:
    """Replay a history and lay out what to write; nothing is read or written.

    `posting_date` is the open business day. Raises OutsideProduct for terms that the product does not
    know, EventRefused for a history that can't be; both name the field.
    """
    terms = _terms(past)
    today = max(clock.local_date(now, past.zone), posting_date)
    events, recorded = _history(past, terms, today)
    try:
        state = replay(terms, events, as_of=today)
        through = posting_date - ONE_DAY if state.status is LoanStatus.ACTIVE else None
        earned = earned_by(terms, events, through)
    except ScheduleError as error:
        raise EventRefused(str(error), field="first_due_date") from error
    loan_id = new_id()
    entries = plan_entries(
        None,
        state,
        recognised=Accrued(),
        earned_before=Accrued(),
        earned_after=earned,
        loan_id=loan_id,
    )
    plan = ImportPlan(
        loan_id,
        past.borrower_id,
        state.outstanding[0],
        _loan_values(past, terms, state, entries.recognised, len(events), through, loan_id, now),
    )
    _lay_out_events(plan, events, recorded, posting_date, now)
    _lay_out_state(plan, state, events, posting_date, now)
    lines = {"": _migrated(entries.event_lines, loan_id), ":accrual": entries.accrual_lines}
    plan.entries = [
        ledger.EntryDraft(
            f"loan-event:{events[0].id}{part}",
            past.borrower_id,
            source_of(loan_id),
            past.disbursed_on,
            posting_date,
            terms.currency,
            some,
        )
        for part, some in lines.items()
        if some
    ]
    return plan


def write_imports(session: Session, plans: Sequence[ImportPlan], *, now: datetime) -> None:
    """Write planned loans, table by table; the borrowers are in the database already.

    A contract that stands for another loan already is an IntegrityError.
    """
    tables: list[tuple[Any, list[Values]]] = [
        (LoanRow, [plan.loan for plan in plans]),
        (LoanEventRow, [row for plan in plans for row in plan.events]),
        (TransactionRow, [row for plan in plans for row in plan.transactions]),
        (AllocationRow, [row for plan in plans for row in plan.allocations]),
        (ScheduleRow, [row for plan in plans for row in plan.schedules]),
        (InstallmentRow, [row for plan in plans for row in plan.installments]),
        (AccrualPlanRow, [row for plan in plans for row in plan.plans]),
        (AccrualSegmentRow, [row for plan in plans for row in plan.segments]),
        (DelinquencyRow, [row for plan in plans for row in plan.delinquency]),
        (DelinquencyHistoryRow, [row for plan in plans for row in plan.delinquency_history]),
    ]
    for table, rows in tables:
        if rows:
            session.execute(insert(table), rows)
    ledger.post_new_entries(session, [entry for plan in plans for entry in plan.entries], now=now)
    publish_first(
        session,
        [
            FirstEvent(
                published.LoanImported(
                    plan.loan_id,
                    plan.borrower_id,
                    plan.loan["status"],
                    plan.loan["currency"],
                    plan.loan["outstanding_minor"],
                ),
                published.AGGREGATE,
                plan.loan_id,
                plan.borrower_id,
            )
            for plan in plans
        ],
    )


def _terms(past: PastLoan) -> LoanTerms:
    terms = past.product.terms(
        principal_minor=past.principal_minor,
        installments=past.installments,
        annual_rate_percent=past.annual_rate_percent,
        expected_disbursement_date=past.disbursed_on,
    )
    if past.first_due_date is None:
        return terms
    try:
        return replace(terms, first_due_date=past.first_due_date)
    except TermsError as error:
        raise OutsideProduct(str(error), field=error.field) from error


def _history(past: PastLoan, terms: LoanTerms, today: date) -> tuple[list[LoanEvent], list[NewEvent]]:
    """The loan's events in the order of recording, and beside each the request that it stands for."""
    events: list[LoanEvent] = []
    recorded: list[NewEvent] = []
    owed_at_least = past.principal_minor

    def add(new: NewEvent, kind: EventType) -> str:
        event = LoanEvent(
            str(new_id()),
            kind,
            new.value_date,
            new.amount_minor,
            target=str(new.target) if new.target else None,
        )
        if event.value_date > today:
            raise EventRefused(N_("The value date lies in the future"), field=new.idempotency_key)
        try:
            check(terms, events, event)
        except HistoryError as error:
            raise EventRefused(error.detail, field=new.idempotency_key, **error.params) from error
        events.append(event)
        recorded.append(new)
        return event.id

    payout = NewEvent(
        EventType.DISBURSEMENT, past.disbursed_on, "import:disbursement", past.principal_minor, actor=ACTOR
    )
    add(payout, EventType.DISBURSEMENT)
    for payment in sorted(past.payments, key=lambda one: one.paid_on):
        new = payment.event()
        settles = payment.amount_minor >= owed_at_least and covers_quote(
            replay(terms, events, as_of=payment.paid_on), payment.amount_minor
        )
        event_id = add(new, EventType.PAY_OFF if settles else EventType.REPAYMENT)
        if payment.reversed_on is None:
            owed_at_least -= payment.amount_minor
        else:
            add(payment.reversal(UUID(event_id)), EventType.REVERSAL)
    return events, recorded


def _loan_values(
    past: PastLoan,
    terms: LoanTerms,
    state: LoanState,
    recognised: Accrued,
    event_seq: int,
    cob_through: date | None,
    loan_id: UUID,
    now: datetime,
) -> Values:
    return {
        "borrower_id": past.borrower_id,
        "id": loan_id,
        "product_code": past.product.code,
        "product_version": past.product.version,
        "contract_id": past.contract_id,
        "currency": terms.currency,
        "principal_minor": past.principal_minor,
        "annual_rate_percent": past.annual_rate_percent,
        "terms": terms_json(terms),
        "agreed_charges": list(past.agreed_charges),
        "zone": past.zone,
        "agreed_on": past.disbursed_on,
        "event_seq": event_seq,
        "cob_through": cob_through,
        "recognised_interest_minor": recognised.interest_minor,
        "recognised_fee_minor": recognised.fee_minor,
        "recognised_penalty_minor": recognised.penalty_minor,
        "opened_at": now,
        **cache.standing_values(state),
    }


def _lay_out_events(
    plan: ImportPlan, events: list[LoanEvent], recorded: list[NewEvent], posting_date: date, now: datetime
) -> None:
    plan.events = [
        {
            "borrower_id": plan.borrower_id,
            "loan_id": plan.loan_id,
            "seq": seq,
            "id": UUID(event.id),
            "type": event.type.value,
            "value_date": event.value_date,
            "posting_date": posting_date,
            "recorded_at": now,
            "amount_minor": event.amount_minor,
            "target": UUID(event.target) if event.target else None,
            "case_id": None,
            "payload": payload_of(event),
            "actor": ACTOR,
            "external_id": None,
            "idempotency_key": new.idempotency_key,
            "request_hash": fingerprint_of(new),
            "record_id": None,
        }
        for seq, (event, new) in enumerate(zip(events, recorded, strict=True), 1)
    ]


def _lay_out_state(
    plan: ImportPlan, state: LoanState, events: list[LoanEvent], posting_date: date, now: datetime
) -> None:
    owner = {"borrower_id": plan.borrower_id, "loan_id": plan.loan_id}
    made_by = UUID(events[0].id)
    for one in state.transactions:
        transaction_id = new_id()
        plan.transactions.append(
            owner
            | cache.transaction_values(one)
            | {
                "id": transaction_id,
                "made_by": made_by,
                "posting_date": posting_date,
                "replay_of": None,
                "reversal_of": None,
            }
        )
        paid = {"borrower_id": plan.borrower_id, "transaction_id": transaction_id}
        plan.allocations += [paid | values for values in cache.allocation_values(one)]
    plan.plans, plan.segments = plan_rows(state.terms, events, state, **owner)
    plan.installments = [owner | {"nr": one.nr} | cache.installment_values(one) for one in state.installments]
    version = {"version": 1, "reason": "import", "made_at_seq": len(plan.events)}
    plan.schedules = [owner | version | {"installments": cache.planned(state)}]
    late = delinquency(state, posting_date)
    standing = frozen_range(None, late.range, state.terms.ranges, paused=late.paused)
    plan.delinquency = [owner | cache.delinquency_values(late, standing)]
    if standing is not None:
        plan.delinquency_history = [
            owner
            | {
                "id": new_id(),
                "on_date": posting_date,
                "old_range": None,
                "new_range": standing,
                "past_due_days": late.past_due_days,
                "delinquent_days": late.delinquent_days,
                "paused": late.paused,
                "recorded_at": now,
            }
        ]


def _migrated(lines: tuple[Line, ...], loan_id: UUID) -> tuple[Line, ...]:
    """The lines with money that moved elsewhere gathered on `migration_clearing`."""
    kept = [line for line in lines if line.account not in _MIGRATED]
    moved = sum(line.debit_minor - line.credit_minor for line in lines if line.account in _MIGRATED)
    return (*kept, debit("migration_clearing", moved, loan_id)) if moved else tuple(kept)
