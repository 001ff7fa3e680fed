"""A payment that names no loan, of a borrower who has several: shared by the law and recorded on each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.lending.account import LoanFile, locked_loan, read_loan
from throughline.lending.history import EventType
from throughline.lending.models import LoanEventRow, LoanRow
from throughline.lending.quote import payoff_quote
from throughline.lending.recording import EventKeyReused, EventReceipt, NewEvent, record_event
from throughline.lending.share_out import Claim, Share, share_out
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.views import today_of
from throughline.lending.writing import EventRefused

MAX_LOANS = 200  # of one borrower and currency; nobody has so many


class MoreThanOwed(Conflict):
    """A repayment above what is still open."""

    code = "more-than-owed"
    title = N_("This is more than is still owed")


class NothingOwed(Conflict):
    code = "nothing-owed"
    title = N_("The borrower owes nothing in this currency on that day")


class NamedLoan(Invalid):
    code = "named-loan"
    title = N_("Nothing is owed on this loan in this currency on that day: name another, or none")


class TooManyLoans(Invalid):
    code = "too-many-loans"
    title = N_("The borrower has too many running loans: record the payment loan by loan")


@dataclass(frozen=True, slots=True)
class BorrowerPayment:
    """A payment of a borrower, in minor units of a currency. `named` is the loan that the borrower wants paid."""

    amount_minor: int
    currency: str
    value_date: date
    named: UUID | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded on one loan."""

    loan_id: UUID
    amount_minor: int
    receipt: EventReceipt


def preview_repayment(
    session: Session, borrower_id: UUID, payment: BorrowerPayment, *, now: datetime
) -> tuple[Share, ...]:
    """How a payment would be shared, in the order of paying. Nothing is written. Raises as `repay_borrower`."""
    ids = _running(session, borrower_id, payment.currency)
    return _shared((read_loan(session, one) for one in ids), session, payment, now=now)


def repay_borrower(
    session: Session, borrower_id: UUID, payment: BorrowerPayment, *, key: str, actor: str, now: datetime
) -> tuple[Recorded, ...]:
    """Share a payment over the running loans of a borrower and record a repayment on each that gets some.

    All or nothing, under the locks of these loans, taken in the order of their ids. The same key again gives the
    receipts of the first; with another amount EventKeyReused. Raises NothingOwed, MoreThanOwed, NamedLoan,
    TooManyLoans, EventRefused.
    """
    ids = _running(session, borrower_id, payment.currency)
    files = [locked_loan(session, one) for one in ids]
    known = _known(session, borrower_id, key)
    if known:
        amounts = dict(known)
        if sum(amounts.values()) != payment.amount_minor:
            raise EventKeyReused
    else:
        amounts = {}
        for share in _shared(files, session, payment, now=now):
            amounts[share.claim.loan_id] = amounts.get(share.claim.loan_id, 0) + share.amount_minor
    done = []
    for loan_id, amount in sorted(amounts.items()):
        new = NewEvent(EventType.REPAYMENT, payment.value_date, key, amount, actor=actor)
        done.append(Recorded(loan_id, amount, record_event(session, loan_id, new, now=now)))
    return tuple(done)


def _running(session: Session, borrower_id: UUID, currency: str) -> Sequence[UUID]:
    ids = session.scalars(
        select(LoanRow.id)
        .where(
            LoanRow.borrower_id == borrower_id,
            LoanRow.currency == currency,
            LoanRow.status == LoanStatus.ACTIVE.value,
        )
        .order_by(LoanRow.id)
        .limit(MAX_LOANS + 1)
    ).all()
    if len(ids) > MAX_LOANS:
        raise TooManyLoans
    return ids


def _known(session: Session, borrower_id: UUID, key: str) -> list[tuple[UUID, int]]:
    """What was recorded under a key, by loan."""
    rows = session.execute(
        select(LoanEventRow.loan_id, LoanEventRow.amount_minor).where(
            LoanEventRow.borrower_id == borrower_id, LoanEventRow.idempotency_key == key
        )
    )
    return [(loan_id, amount or 0) for loan_id, amount in rows]


def _shared(
    files: Iterable[LoanFile], session: Session, payment: BorrowerPayment, *, now: datetime
) -> tuple[Share, ...]:
    claims: list[Claim] = []
    for file in files:
        today = today_of(session, file.row, now=now)
        if payment.value_date > today:
            raise EventRefused(N_("The value date lies in the future"), field="value_date")
        claims += claims_of(file, payment.value_date, today)
    owed = sum(one.owed_minor for one in claims)
    if not owed:
        raise NothingOwed
    if payment.named is not None and payment.named not in {one.loan_id for one in claims}:
        raise NamedLoan(NamedLoan.title, field="loan_id")
    if payment.amount_minor > owed:
        raise MoreThanOwed(
            N_("This is more than is still owed: %(owed_minor)s in minor units"),
            owed_minor=owed,
            field="amount_minor",
        )
    return share_out(payment.amount_minor, claims, payment.named)


def claims_of(file: LoanFile, on: date, today: date) -> list[Claim]:
    """What is owed on a loan for a payment of a day: what is due by then, and what else would pay it off.

    A payment that was made in between, and told of already, is not owed again.
    """
    state = file.state(on)
    if state.status is not LoanStatus.ACTIVE:
        return []
    quote = payoff_quote(state, on)
    most = quote.total_minor if today == on else min(quote.total_minor, _owed(file.state(today)))
    late = [row for row in state.installments if row.due_date <= on and row.outstanding_minor > 0]
    later = [row.due_date for row in state.installments if row.due_date > on and row.outstanding_minor > 0]
    due = sum(row.outstanding[0] + row.outstanding[1] for row in late) + quote.fee_minor + quote.penalty_minor
    due = min(due, most)
    rate = _rate(state, on)
    overdue = state.terms.overdue_interest
    more = overdue.annual_rate_percent if overdue is not None else Decimal(0)
    claims = [
        Claim(file.row.id, due, True, late[0].due_date if late else on, rate + more),
        Claim(file.row.id, most - due, False, min(later, default=on), rate),
    ]
    return [one for one in claims if one.owed_minor > 0]


def _owed(state: LoanState) -> int:
    return payoff_quote(state, state.as_of).total_minor if state.status is LoanStatus.ACTIVE else 0


def _rate(state: LoanState, on: date) -> Decimal:
    """The yearly rate in percent on a day, also after a reschedule."""
    if state.schedule is None:
        return state.terms.annual_rate_percent
    numerator, denominator = state.schedule.clock.rate_of_row_due(on)
    return Decimal(numerator) * 100 / denominator
