"""What events would do to a loan, and to the books, without recording them (nothing is written)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.ledger.entries import Line
from throughline.lending.account import LoanFile, read_loan
from throughline.lending.accrual import Accrued
from throughline.lending.books import earned_by, plan_entries, recognise
from throughline.lending.business_day import business_date
from throughline.lending.quote import PayoffQuote, payoff_quote
from throughline.lending.recording import NewEvent, check_agreed, loan_event
from throughline.lending.state import InstallmentState, LoanState, LoanStatus
from throughline.lending.writing import ONE_DAY, EventRefused, check_new, replayed


@dataclass(frozen=True, slots=True)
class RowChange:
    """One installment that would differ; None where it does not exist."""

    nr: int
    before: InstallmentState | None
    after: InstallmentState | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A loan as of a day before and after, and the lines that would be posted on `posting_date`.

    `event_lines` are what the events move, `accrual_lines` the income that they make or take back.
    """

    currency: str
    posting_date: date
    before: LoanState
    after: LoanState
    changes: tuple[RowChange, ...]
    event_lines: tuple[Line, ...]
    accrual_lines: tuple[Line, ...]


class WhatIfRefused(EventRefused):
    """One of several events is refused: `number` counts them from 0."""

    def __init__(self, number: int, error: EventRefused) -> None:
        super().__init__(error.detail, **{**error.params, "number": number})
        self.number = number


def what_if(session: Session, loan_id: UUID, events: Sequence[NewEvent], *, now: datetime) -> WhatIf:
    """Play events on a loan, each on top of the ones before. Raises LoanUnknown, ChargeNotAgreed, WhatIfRefused.

    The loan is taken as closed up to the day before the open business day, as recording would find it.
    """
    file = read_loan(session, loan_id)
    posting_date = business_date(session)
    as_of = max(clock.local_date(now, file.row.zone), posting_date)
    before, known = file.state(as_of), list(file.events)
    state = before
    through = _through(file, posting_date)
    recognised = _caught_up(file, through)
    for number, new in enumerate(events):
        try:
            check_agreed(file, new)
            event = loan_event(file, new)
            check_new(file, state, event, as_of)
            file.events.append(event)
            state = replayed(file, as_of)
        except EventRefused as error:
            raise WhatIfRefused(number, error) from error
    if state.status is LoanStatus.ACTIVE and before.status is not LoanStatus.ACTIVE:
        through = posting_date - ONE_DAY
    plan = plan_entries(
        before,
        state,
        recognised=recognised,
        earned_before=earned_by(file.terms, known, through),
        earned_after=earned_by(file.terms, file.events, through),
        loan_id=loan_id,
    )
    return WhatIf(
        file.row.currency,
        posting_date,
        before,
        state,
        row_changes(before, state),
        plan.event_lines,
        plan.accrual_lines,
    )


def _through(file: LoanFile, posting_date: date) -> date | None:
    through = file.row.cob_through
    if file.row.status != LoanStatus.ACTIVE.value or through is None:
        return through
    return max(through, posting_date - ONE_DAY)


def _caught_up(file: LoanFile, through: date | None) -> Accrued:
    """The income that the books will show when the open days are closed."""
    if through is None or through == file.row.cob_through:
        return file.recognised
    earned = earned_by(file.terms, file.events, through)
    return recognise(
        file.state(through), recognised=file.recognised, earned_before=earned, earned_after=earned
    )


def row_changes(before: LoanState, after: LoanState) -> tuple[RowChange, ...]:
    """The installments that differ in date, dues, payments or what is open."""
    old = {row.nr: row for row in before.installments}
    new = {row.nr: row for row in after.installments}
    return tuple(
        RowChange(nr, old.get(nr), new.get(nr))
        for nr in sorted(old.keys() | new.keys())
        if _seen(old.get(nr)) != _seen(new.get(nr))
    )


def _seen(row: InstallmentState | None) -> tuple[object, ...] | None:
    return (row.due_date, row.due, row.paid, row.waived, row.written_off) if row is not None else None


def quote_of(state: LoanState) -> PayoffQuote | None:
    """What settles the loan on the day of the state; None when there is nothing to quote."""
    return payoff_quote(state, state.as_of) if state.status is LoanStatus.ACTIVE else None
