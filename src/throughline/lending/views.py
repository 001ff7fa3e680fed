"""Reading loans: the whole view, a borrower's loans, what falls due, quotes, and what may be reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Conflict
from throughline.kernel.i18n import N_
from throughline.lending.account import LoanFile, LoanUnknown, read_loan
from throughline.lending.business_day import business_date
from throughline.lending.delinquency import Delinquency, delinquency
from throughline.lending.history import Pauses, Variation, variations_in_force
from throughline.lending.holds import HoldView, holds_of, stands
from throughline.lending.models import (
    DelinquencyRow,
    InstallmentRow,
    LoanEventRow,
    LoanRow,
    ScheduleRow,
    TransactionRow,
)
from throughline.lending.products import product_version
from throughline.lending.quote import PayoffQuote, payoff_quote
from throughline.lending.schedule import build_schedule
from throughline.lending.state import (
    ChargeState,
    Four,
    InstallmentState,
    LoanState,
    LoanStatus,
    Transaction,
    drafted,
)


class NotQuotable(Conflict):
    code = "not-quotable"
    title = N_("Only a loan that is being repaid has a pay-off quote")


@dataclass(frozen=True, slots=True)
class NextDue:
    """The oldest installment that is still open."""

    nr: int
    due_date: date
    outstanding_minor: int


@dataclass(frozen=True, slots=True)
class LoanSummary:
    """A loan in a list."""

    id: UUID
    borrower_id: UUID
    contract_id: UUID
    product_code: str
    status: LoanStatus
    currency: str
    principal_minor: int
    outstanding_minor: int
    annual_rate_percent: Decimal
    disbursed_on: date | None
    closed_on: date | None
    next_due: NextDue | None
    range: str | None


@dataclass(frozen=True, slots=True)
class LoanView:
    """A loan as of a day. Before the payout `installments` is the draft of the contract.

    `totals` are due, paid, waived and outstanding, each by principal, interest, fee, penalty.
    """

    id: UUID
    borrower_id: UUID
    contract_id: UUID
    product_code: str
    product_version: int
    status: LoanStatus
    currency: str
    principal_minor: int
    annual_rate_percent: Decimal
    zone: str
    as_of: date
    disbursed_on: date | None
    closed_on: date | None
    installments: tuple[InstallmentState, ...]
    due: Four
    paid: Four
    waived: Four
    outstanding: Four
    overpaid_minor: int
    charges: tuple[ChargeState, ...]
    transactions: tuple[Transaction, ...]
    delinquency: Delinquency
    range: str | None
    pauses: Pauses
    variations: tuple[Variation, ...]
    holds: tuple[HoldView, ...]
    next_due: NextDue | None
    protection: dict[str, Any]

    @property
    def outstanding_minor(self) -> int:
        return sum(self.outstanding)


@dataclass(frozen=True, slots=True)
class InstallmentDueView:
    """An open installment of an active loan."""

    loan_id: UUID
    nr: int
    due_date: date
    outstanding_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """What could be reported of a loan on a day: contractual and protected figures, and what holds it back."""

    loan_id: UUID
    on: date
    past_due_days: int
    delinquent_days: int
    amount_minor: int
    holds: tuple[HoldView, ...]

    @property
    def negative_allowed(self) -> bool:
        return not self.holds


def today_of(session: Session, loan: LoanRow, *, now: datetime) -> date:
    """The newest day of a loan: today in its zone, or the open business day if that is later."""
    return max(clock.local_date(now, loan.zone), business_date(session))


def loan_view(
    session: Session,
    loan_id: UUID,
    on: date | None = None,
    *,
    borrower_id: UUID | None = None,
    now: datetime | None = None,
) -> LoanView:
    """Everything about a loan as of a day (today without one), from its events alone.

    With `borrower_id` another borrower's loan is LoanUnknown. Past days show what is known today of them.
    """
    file = read_loan(session, loan_id, borrower_id=borrower_id)
    as_of = on or today_of(session, file.row, now=now or clock.now())
    state = file.state(as_of)
    row, late = file.row, delinquency(state, as_of)
    set_range = session.get(DelinquencyRow, (row.borrower_id, row.id))
    return LoanView(
        id=row.id,
        borrower_id=row.borrower_id,
        contract_id=row.contract_id,
        product_code=row.product_code,
        product_version=row.product_version,
        status=state.status,
        currency=row.currency,
        principal_minor=row.principal_minor,
        annual_rate_percent=row.annual_rate_percent,
        zone=row.zone,
        as_of=as_of,
        disbursed_on=state.disbursed_on,
        closed_on=state.closed_on,
        installments=state.installments or _draft(file),
        due=_sum([one.due for one in state.installments]),
        paid=_sum([one.paid for one in state.installments]),
        waived=_sum([one.waived for one in state.installments]),
        outstanding=state.outstanding,
        overpaid_minor=state.overpaid_minor,
        charges=state.charges,
        transactions=state.transactions,
        delinquency=late,
        range=set_range.range if on is None and set_range else late.range,
        pauses=state.pauses,
        variations=variations_in_force(file.events),
        holds=tuple(holds_of(session, row)),
        next_due=_next_due(state),
        protection=product_version(session, row.product_code, row.product_version).protection,
    )


def _draft(file: LoanFile) -> tuple[InstallmentState, ...]:
    if file.row.status != LoanStatus.APPROVED.value:
        return ()
    return tuple(drafted(row, file.terms) for row in build_schedule(file.terms, ()).installments)


def _sum(rows: Sequence[Four]) -> Four:
    return (
        sum(row[0] for row in rows),
        sum(row[1] for row in rows),
        sum(row[2] for row in rows),
        sum(row[3] for row in rows),
    )


def _next_due(state: LoanState) -> NextDue | None:
    return next(
        (
            NextDue(row.nr, row.due_date, row.outstanding_minor)
            for row in state.installments
            if row.outstanding_minor > 0
        ),
        None,
    )


def loans_of(session: Session, borrower_id: UUID, *, limit: int = 200) -> list[LoanSummary]:
    """A borrower's loans, newest first."""
    rows = session.scalars(
        select(LoanRow).where(LoanRow.borrower_id == borrower_id).order_by(LoanRow.id.desc()).limit(limit)
    ).all()
    return _summaries(session, rows)


def loans(
    session: Session, *, status: LoanStatus | None = None, after: UUID | None = None, limit: int = 50
) -> list[LoanSummary]:
    """A page of all loans in the order of their ids."""
    query = select(LoanRow)
    if status is not None:
        query = query.where(LoanRow.status == status.value)
    if after is not None:
        query = query.where(LoanRow.id > after)
    return _summaries(session, session.scalars(query.order_by(LoanRow.id).limit(limit)).all())


def _summaries(session: Session, rows: Sequence[LoanRow]) -> list[LoanSummary]:
    ids = [row.id for row in rows]
    first_open = session.scalars(
        select(InstallmentRow)
        .where(InstallmentRow.loan_id.in_(ids), InstallmentRow.outstanding_minor > 0)
        .where(InstallmentRow.borrower_id.in_({row.borrower_id for row in rows}))
        .ext(distinct_on(InstallmentRow.loan_id))
        .order_by(InstallmentRow.loan_id, InstallmentRow.nr)
    )
    due = {row.loan_id: NextDue(row.nr, row.due_date, row.outstanding_minor) for row in first_open}
    ranges = {
        row.loan_id: row.range
        for row in session.scalars(
            select(DelinquencyRow).where(
                DelinquencyRow.loan_id.in_(ids),
                DelinquencyRow.borrower_id.in_({row.borrower_id for row in rows}),
            )
        )
    }
    return [
        LoanSummary(
            id=row.id,
            borrower_id=row.borrower_id,
            contract_id=row.contract_id,
            product_code=row.product_code,
            status=LoanStatus(row.status),
            currency=row.currency,
            principal_minor=row.principal_minor,
            outstanding_minor=row.outstanding_minor,
            annual_rate_percent=row.annual_rate_percent,
            disbursed_on=row.disbursed_on,
            closed_on=row.closed_on,
            next_due=due.get(row.id),
            range=ranges.get(row.id),
        )
        for row in rows
    ]


def installments_due(
    session: Session, borrower_id: UUID, from_date: date, to_date: date
) -> list[InstallmentDueView]:
    """Open installments of a borrower's active loans due from one day to another, both inside."""
    rows = session.execute(
        select(InstallmentRow, LoanRow.currency)
        .join(
            LoanRow,
            (LoanRow.borrower_id == InstallmentRow.borrower_id) & (LoanRow.id == InstallmentRow.loan_id),
        )
        .where(
            InstallmentRow.borrower_id == borrower_id,
            InstallmentRow.due_date.between(from_date, to_date),
            InstallmentRow.outstanding_minor > 0,
            LoanRow.status == LoanStatus.ACTIVE.value,
        )
        .order_by(InstallmentRow.due_date, InstallmentRow.loan_id)
        .limit(1_000)
    )
    return [
        InstallmentDueView(row.loan_id, row.nr, row.due_date, row.outstanding_minor, currency)
        for row, currency in rows
    ]


def installments_touched(
    session: Session, borrower_id: UUID, from_date: date, to_date: date, *, unmet_on: date
) -> list[InstallmentDueView]:
    """Installments due in some days, both inside, that were not paid in time and still owed something on a day.

    Those of closed loans are among them: what a late payment cost may have to be repaired.
    """
    rows = session.execute(
        select(InstallmentRow, LoanRow.currency)
        .join(
            LoanRow,
            (LoanRow.borrower_id == InstallmentRow.borrower_id) & (LoanRow.id == InstallmentRow.loan_id),
        )
        .where(
            InstallmentRow.borrower_id == borrower_id,
            InstallmentRow.due_date.between(from_date, to_date),
            or_(
                InstallmentRow.outstanding_minor > 0,
                and_(
                    InstallmentRow.obligations_met_on > InstallmentRow.due_date,
                    InstallmentRow.obligations_met_on >= unmet_on,
                ),
            ),
            LoanRow.disbursed_on.is_not(None),
        )
        .order_by(InstallmentRow.due_date, InstallmentRow.loan_id)
        .limit(1_000)
    )
    return [
        InstallmentDueView(row.loan_id, row.nr, row.due_date, row.outstanding_minor, currency)
        for row, currency in rows
    ]


def borrowers_due(
    session: Session, from_date: date, to_date: date, *, after: UUID | None, limit: int
) -> list[UUID]:
    """A page of borrowers, in order, with an installment due in some days that is open or was paid late."""
    query = (
        select(InstallmentRow.borrower_id)
        .where(
            InstallmentRow.due_date.between(from_date, to_date),
            or_(
                InstallmentRow.outstanding_minor > 0,
                InstallmentRow.obligations_met_on > InstallmentRow.due_date,
            ),
        )
        .distinct()
        .order_by(InstallmentRow.borrower_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(InstallmentRow.borrower_id > after)
    return list(session.scalars(query))


def loan_summary(session: Session, loan_id: UUID) -> LoanSummary:
    """One loan as it stands in lists. Raises LoanUnknown."""
    row = session.scalars(select(LoanRow).where(LoanRow.id == loan_id)).one_or_none()
    if row is None:
        raise LoanUnknown
    return _summaries(session, [row])[0]


def payoff(session: Session, loan_id: UUID, on: date, *, borrower_id: UUID | None = None) -> PayoffQuote:
    """What settles a loan on a day. Raises LoanUnknown, NotQuotable."""
    state = read_loan(session, loan_id, borrower_id=borrower_id).state(on)
    if state.status is not LoanStatus.ACTIVE:
        raise NotQuotable
    return payoff_quote(state, on)


def report_view(session: Session, loan_id: UUID, on: date) -> ReportView:
    """The figures for a credit bureau on a day, with the holds that stand against a negative report."""
    file = read_loan(session, loan_id)
    late = delinquency(file.state(on), on)
    return ReportView(
        loan_id=loan_id,
        on=on,
        past_due_days=late.past_due_days,
        delinquent_days=late.delinquent_days,
        amount_minor=late.amount_minor,
        holds=tuple(hold for hold in holds_of(session, file.row) if stands(hold, on)),
    )


def event_rows(session: Session, loan_id: UUID, *, after_seq: int = 0, limit: int = 50) -> list[LoanEventRow]:
    """A page of a loan's events in the order of recording. Raises LoanUnknown."""
    loan = read_loan(session, loan_id).row
    return list(
        session.scalars(
            select(LoanEventRow)
            .where(
                LoanEventRow.borrower_id == loan.borrower_id,
                LoanEventRow.loan_id == loan.id,
                LoanEventRow.seq > after_seq,
            )
            .order_by(LoanEventRow.seq)
            .limit(limit)
        )
    )


def loan_exists(session: Session, loan_id: UUID) -> None:
    """Raise LoanUnknown unless there is such a loan."""
    if session.scalars(select(LoanRow.id).where(LoanRow.id == loan_id)).one_or_none() is None:
        raise LoanUnknown


def agreed_charges(session: Session, loan_id: UUID) -> list[str]:
    """The items of the cost table that may be charged on a loan. Raises LoanUnknown."""
    return [str(one) for one in read_loan(session, loan_id).row.agreed_charges]


def schedule_versions(session: Session, loan_id: UUID, *, limit: int = 200) -> list[ScheduleRow]:
    """The versions of a loan's plan, oldest first. Raises LoanUnknown."""
    loan_exists(session, loan_id)
    return list(
        session.scalars(
            select(ScheduleRow)
            .where(ScheduleRow.loan_id == loan_id)
            .order_by(ScheduleRow.version)
            .limit(limit)
        )
    )


def transaction_rows(
    session: Session, loan_id: UUID, *, after: UUID | None = None, limit: int = 200
) -> list[TransactionRow]:
    """A page of what the events did to the books, every generation, oldest first. Raises LoanUnknown."""
    loan = read_loan(session, loan_id).row
    query = select(TransactionRow).where(
        TransactionRow.borrower_id == loan.borrower_id, TransactionRow.loan_id == loan.id
    )
    if after is not None:
        query = query.where(TransactionRow.id > after)
    return list(session.scalars(query.order_by(TransactionRow.id).limit(limit)))
