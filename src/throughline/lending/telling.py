"""What the other packages are told of a recorded event."""

from __future__ import annotations

from uuid import UUID

from throughline.kernel.events import Event
from throughline.kernel.together import Together
from throughline.lending import events as published
from throughline.lending.account import LoanFile
from throughline.lending.allocation import Component
from throughline.lending.history import PAYMENTS, EventType, LoanEvent
from throughline.lending.state import Transaction
from throughline.lending.writing import Appended, tell

_CHANGES = frozenset(
    {EventType.RESCHEDULE, EventType.RE_AGE, EventType.RE_AMORTIZE, EventType.SET_FUTURE_RULE}
)


def transaction_of(done: Appended, event_id: str) -> Transaction | None:
    """What an event moved; None for one that moves nothing by itself."""
    return next((one for one in done.after.transactions if one.id == event_id), None)


def publish_event(
    into: Together,
    file: LoanFile,
    event: LoanEvent,
    done: Appended,
    record_id: UUID | None,
    *,
    order_id: str | None,
) -> None:
    """Publish what an event means; an event that concerns nobody else publishes nothing."""
    transaction = transaction_of(done, event.id)
    if transaction is not None and record_id is not None and event.type is not EventType.DISBURSEMENT:
        told: Event | None = _payment(file, event, transaction, done, record_id, order_id)
    elif event.type is EventType.REVERSAL:
        told = _reversal(file, event)
    else:
        told = _money_out(file, event) or _standing(file, event, done)
    if told is not None:
        tell(into, file, told)


def _payment(
    file: LoanFile,
    event: LoanEvent,
    transaction: Transaction,
    done: Appended,
    record_id: UUID,
    order_id: str | None,
) -> Event:
    loan = file.row
    return published.PaymentAllocated(
        loan_id=loan.id,
        borrower_id=loan.borrower_id,
        transaction_id=done.transactions[event.id],
        order_id=UUID(order_id) if order_id else None,
        currency=loan.currency,
        amount_minor=transaction.amount_minor,
        principal_minor=transaction.portions[Component.PRINCIPAL],
        interest_minor=transaction.portions[Component.INTEREST],
        penalty_minor=transaction.portions[Component.PENALTY],
        fee_minor=transaction.portions[Component.FEE],
        overpayment_minor=transaction.overpayment_minor,
        value_date=transaction.value_date,
        record_id=record_id,
    )


def _money_out(file: LoanFile, event: LoanEvent) -> Event | None:
    loan, amount = file.row, event.amount_minor or 0
    if event.type is EventType.DISBURSEMENT:
        return published.LoanDisbursed(loan.id, loan.borrower_id, amount, loan.currency, event.value_date)
    if event.type is EventType.REFUND_OF_OVERPAYMENT:
        return published.OverpaymentRefunded(
            loan.id, loan.borrower_id, amount, loan.currency, event.value_date
        )
    if event.type is EventType.CHARGEBACK and event.target is not None:
        return published.PaymentChargedBack(
            loan.id, loan.borrower_id, UUID(event.target), amount, loan.currency
        )
    return None


def _standing(file: LoanFile, event: LoanEvent, done: Appended) -> Event | None:
    loan, day = file.row, event.value_date
    if event.type in _CHANGES:
        return published.TermsChanged(loan.id, loan.borrower_id, event.type.value, day)
    if event.type is EventType.CHARGE_OFF:
        owed = done.after.outstanding
        return published.LoanChargedOff(
            loan.id, loan.borrower_id, owed[0], sum(owed), loan.currency, day, event.fraud
        )
    if event.type is EventType.UNDO_CHARGE_OFF:
        return published.ChargeOffUndone(loan.id, loan.borrower_id, day)
    if event.type is EventType.WRITE_OFF:
        lost = sum(sum(row.written_off) for row in done.after.installments)
        return published.LoanWrittenOff(loan.id, loan.borrower_id, lost, loan.currency, day)
    if event.type is EventType.UNDO_WRITE_OFF:
        return published.WriteOffUndone(loan.id, loan.borrower_id, day)
    return None


def _reversal(file: LoanFile, event: LoanEvent) -> Event | None:
    loan = file.row
    undone = next((one for one in file.events if one.id == event.target), None)
    if undone is None:
        return None
    if undone.type is EventType.DISBURSEMENT:
        return published.DisbursementReturned(loan.id, loan.borrower_id)
    if undone.type in PAYMENTS | {EventType.RECOVERY}:
        return published.PaymentReversed(
            loan.id, loan.borrower_id, UUID(undone.id), undone.amount_minor or 0, loan.currency
        )
    if undone.type in _CHANGES:
        return published.TermsChanged(loan.id, loan.borrower_id, event.type.value, event.value_date)
    return None
