"""The verbs that record what happens to a loan: opening, money, charges, reversals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.together import Together
from throughline.lending import events as published
from throughline.lending.account import EventRow, LoanFile, LoanUnknown, locked_loan, source_of, terms_of
from throughline.lending.allocation import Component
from throughline.lending.business_day import start_business_day
from throughline.lending.closing import bring_up_to_date
from throughline.lending.event_json import payload_of
from throughline.lending.history import (
    PAYMENTS,
    PLAIN_CHARGE,
    AppliesTo,
    ChargeKind,
    ChargeRule,
    EventType,
    LoanEvent,
    NewTerms,
)
from throughline.lending.models import LoanEventRow, LoanRow
from throughline.lending.overrides import NO_OVERRIDES, Overrides
from throughline.lending.products import product_in_force
from throughline.lending.quote import covers_quote
from throughline.lending.state import LoanStatus, Transaction
from throughline.lending.telling import publish_event, transaction_of
from throughline.lending.terms import FutureInstallments, LoanTerms
from throughline.lending.terms_json import terms_json
from throughline.lending.writing import ONE_DAY, Origin, append, tell
from throughline.notary import service as notary

# Money that the borrower can prove to have received or paid.
COMMITTED = PAYMENTS | {EventType.DISBURSEMENT, EventType.RECOVERY}


class EventKeyReused(Invalid):
    code = "event-key-reused"
    title = N_("This key belongs to another event of the loan")


class ChargeNotAgreed(Invalid):
    code = "charge-not-agreed"
    title = N_("The borrower did not agree to this charge")


class ContractTaken(Conflict):
    code = "contract-taken"
    title = N_("Another loan stands on this contract")


@dataclass(frozen=True, slots=True)
class NewLoan:
    """A signed contract that becomes a loan. The rate is nominal a year; `agreed_charges` are item codes
    of the confirmed cost table, and no other charge can be made later; `overrides` what the loan has of its
    own within the bounds of the product."""

    borrower_id: UUID
    product_code: str
    principal_minor: int
    currency: str
    installments: int
    annual_rate_percent: Decimal
    agreed_on: date
    contract_id: UUID
    zone: str
    agreed_charges: tuple[str, ...] = ()
    overrides: Overrides = NO_OVERRIDES


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to record. `idempotency_key` names it for ever within its loan.

    `target` is the event that a reversal, a waiver, its undo or a chargeback is about; `charge_code` the
    agreed item of a charge and `charge_rule` how its amount is found; `new_terms` belongs to a reschedule
    and a re-age, `future` to the rule for money in advance, `fraud` to a charge-off; `external_id` is the
    payment order that brought the money.
    """

    type: EventType
    value_date: date
    idempotency_key: str
    amount_minor: int | None = None
    target: UUID | None = None
    charge_kind: ChargeKind | None = None
    charge_code: str | None = None
    due_date: date | None = None
    external_id: str | None = None
    actor: str = "system"
    charge_rule: ChargeRule = PLAIN_CHARGE
    new_terms: NewTerms | None = None
    future: FutureInstallments | None = None
    fraud: bool = False


@dataclass(frozen=True, slots=True)
class EventReceipt:
    """What recording did. `transaction` is None for an event that moves nothing by itself."""

    event_id: UUID
    seq: int
    type: EventType
    transaction: Transaction | None
    status: LoanStatus
    record_id: UUID | None
    repeated: bool


def open_loan(session: Session, new: NewLoan, *, now: datetime) -> UUID:
    """Open the account of a signed contract, status `approved`; once for a contract.

    Raises ProductUnknown, OutsideProduct; ContractTaken when the contract stands for another loan.
    """
    product = product_in_force(session, new.product_code, new.agreed_on)
    if product.currency != new.currency:
        raise Invalid(N_("The product lends another currency"))
    product.check_charges(new.agreed_charges)
    start_business_day(session, now=now)
    terms = product.terms(
        principal_minor=new.principal_minor,
        installments=new.installments,
        annual_rate_percent=new.annual_rate_percent,
        expected_disbursement_date=new.agreed_on,
        overrides=new.overrides,
    )
    loan_id = session.execute(
        insert(LoanRow)
        .values(
            borrower_id=new.borrower_id,
            id=new_id(),
            product_code=product.code,
            product_version=product.version,
            contract_id=new.contract_id,
            currency=new.currency,
            principal_minor=new.principal_minor,
            annual_rate_percent=new.annual_rate_percent,
            terms=terms_json(terms),
            agreed_charges=list(new.agreed_charges),
            zone=new.zone,
            agreed_on=new.agreed_on,
            status=LoanStatus.APPROVED.value,
            event_seq=0,
            recognised_interest_minor=0,
            recognised_fee_minor=0,
            recognised_penalty_minor=0,
            outstanding_minor=0,
            opened_at=now,
        )
        .on_conflict_do_nothing(index_elements=["contract_id"])
        .returning(LoanRow.id)
    ).scalar_one_or_none()
    if loan_id is None:
        return _opened_before(session, new, terms)
    file = locked_loan(session, loan_id)
    rows = Together()
    tell(rows, file, published.LoanOpened(loan_id, new.borrower_id, new.contract_id))
    rows.write(session)
    return loan_id


def _opened_before(session: Session, new: NewLoan, terms: LoanTerms) -> UUID:
    row = session.scalars(select(LoanRow).where(LoanRow.contract_id == new.contract_id)).one()
    if row.borrower_id != new.borrower_id or terms_of(row) != terms:
        raise ContractTaken
    return row.id


def record_event(session: Session, loan_id: UUID, new: NewEvent, *, now: datetime) -> EventReceipt:
    """Record one event, now or late: replay, post the difference, publish, commit to the notary.

    The same key again gives the receipt of the first; with another content EventKeyReused. A repayment
    that covers the pay-off quote of its day settles the loan. Raises LoanUnknown, ChargeNotAgreed,
    EventRefused.
    """
    file = locked_loan(session, loan_id)
    fingerprint = fingerprint_of(new)
    known = file.recorded.get(new.idempotency_key)
    if known is not None:
        if known.request_hash != fingerprint:
            raise EventKeyReused
        return _receipt_of(file, known)
    posting_date = file.open_day
    bring_up_to_date(session, file, through=posting_date - ONE_DAY, now=now)
    check_agreed(file, new)
    event = loan_event(file, new)
    origin = Origin(new.actor, new.idempotency_key, fingerprint, new.external_id)
    rows = Together()
    done = append(
        session, rows, file, [event], origin, posting_date=posting_date, reason=new.type.value, now=now
    )
    transaction = transaction_of(done, event.id)
    record_id = _commit(session, rows, file, new, transaction, now=now)
    done.rows[0]["record_id"] = record_id
    publish_event(rows, file, event, done, record_id, order_id=new.external_id)
    rows.write(session)
    return EventReceipt(
        UUID(event.id), done.rows[0]["seq"], event.type, transaction, done.after.status, record_id, False
    )


def check_agreed(file: LoanFile, new: NewEvent) -> None:
    """Raise ChargeNotAgreed for a charge, of whatever calculation, that the cost table did not name."""
    if new.type is EventType.CHARGE and new.charge_code not in file.row.agreed_charges:
        raise ChargeNotAgreed(N_("%(code)s was not in the cost table"), code=new.charge_code or "")


def loan_event(file: LoanFile, new: NewEvent) -> LoanEvent:
    """The event as the replay takes it, with an id of its own."""
    return LoanEvent(
        id=str(new_id()),
        type=_settling(file, new),
        value_date=new.value_date,
        amount_minor=new.amount_minor,
        target=str(new.target) if new.target else None,
        charge_kind=new.charge_kind,
        due_date=_due_date(new),
        charge_rule=new.charge_rule,
        new_terms=new.new_terms,
        future=new.future,
        fraud=new.fraud,
    )


def _due_date(new: NewEvent) -> date | None:
    plain = new.type is EventType.CHARGE and new.charge_rule.applies_to is AppliesTo.DUE_DATE
    return new.due_date or (new.value_date if plain else None)


def _settling(file: LoanFile, new: NewEvent) -> EventType:
    """A repayment that covers the quote of its day is a pay-off: no interest for time not used."""
    if new.type is not EventType.REPAYMENT or file.row.status != LoanStatus.ACTIVE.value:
        return new.type
    settles = covers_quote(file.state(new.value_date), new.amount_minor or 0)
    return EventType.PAY_OFF if settles else new.type


def fingerprint_of(new: NewEvent) -> bytes:
    """What tells two events with one key apart. A detail that an event does not have changes nothing."""
    document: dict[str, Any] = {
        "type": new.type.value,
        "value_date": new.value_date.isoformat(),
        "amount_minor": str(new.amount_minor),
        "target": str(new.target),
        "charge_kind": new.charge_kind.value if new.charge_kind else None,
        "charge_code": new.charge_code,
        "due_date": new.due_date.isoformat() if new.due_date else None,
        "external_id": new.external_id,
    }
    document |= payload_of(
        LoanEvent(
            id="",
            type=new.type,
            value_date=new.value_date,
            charge_rule=new.charge_rule,
            new_terms=new.new_terms,
            future=new.future,
            fraud=new.fraud,
        )
    )
    return hashlib.sha256(rfc8785.dumps(document)).digest()


def _receipt_of(file: LoanFile, row: EventRow) -> EventReceipt:
    """The receipt of an event recorded before, with its portions as they are now."""
    last = max(event.value_date for event in file.events)
    state = file.state(max(last, row.value_date))
    transaction = next((one for one in state.transactions if one.id == str(row.id)), None)
    return EventReceipt(
        row.id, row.seq, EventType(row.type), transaction, LoanStatus(file.row.status), row.record_id, True
    )


def _commit(
    session: Session,
    into: Together,
    file: LoanFile,
    new: NewEvent,
    transaction: Transaction | None,
    *,
    now: datetime,
) -> UUID | None:
    """Money that moved is committed, so that the borrower can prove it."""
    if transaction is None or new.type not in COMMITTED:
        return None
    kind = "disbursement" if new.type is EventType.DISBURSEMENT else "repayment"
    record: dict[str, Any] = {
        "loan_id": file.row.id,
        "event_id": transaction.id,
        "order_id": new.external_id,
        "currency": file.row.currency,
        "amount_minor": transaction.amount_minor,
        "value_date": transaction.value_date,
    }
    if kind == "repayment":
        for component in Component:
            record[f"{component.name.lower()}_minor"] = transaction.portions[component]
        record["overpayment_minor"] = transaction.overpayment_minor
        if transaction.recovered_minor:
            record["recovered_minor"] = transaction.recovered_minor
        record["outstanding_after_minor"] = file.row.outstanding_minor
    return notary.commit(session, file.row.borrower_id, kind, record, now=now, into=into).record_id


def event_of_order(session: Session, loan_id: UUID, order_id: UUID) -> LoanEventRow | None:
    """The event that a payment order brought. Raises LoanUnknown."""
    loan = session.scalars(select(LoanRow).where(LoanRow.id == loan_id)).one_or_none()
    if loan is None:
        raise LoanUnknown
    return session.scalars(
        select(LoanEventRow).where(
            LoanEventRow.borrower_id == loan.borrower_id,
            LoanEventRow.loan_id == loan.id,
            LoanEventRow.external_id == str(order_id),
            LoanEventRow.type != EventType.REVERSAL.value,
        )
    ).one_or_none()


def loan_of_source(source: str) -> UUID | None:
    """The loan that a payment order is for; None when the order is for something else."""
    prefix, _, rest = source.partition(":")
    if prefix != source_of(UUID(int=0)).partition(":")[0]:
        return None
    try:
        return UUID(rest)
    except ValueError:
        return None
