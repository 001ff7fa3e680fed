"""Closing one loan for one or more business days (lending.md section 11, steps 1 to 5)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from throughline.lending import events as published
from throughline.lending.account import LoanFile
from throughline.lending.accrual import accrued_to
from throughline.lending.books import plan_entries
from throughline.lending.cache import open_rows, write_delinquency, write_installments
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.writing import ONE_DAY, post_accrual, tell

REMIND_DAYS = 3


def bring_up_to_date(session: Session, file: LoanFile, *, through: date, now: datetime) -> int:
    """Close every day of a loan that is still open, up to `through`; returns how many.

    The caller holds the loan's lock. A write never waits for the night: the verb does this first, for its
    one loan.
    """
    if file.row.status != LoanStatus.ACTIVE.value or file.row.cob_through is None:
        return 0
    days = 0
    while file.row.cob_through < through:
        close_day(session, file, file.row.cob_through + ONE_DAY, now=now)
        days += 1
    return days


def close_day(session: Session, file: LoanFile, day: date, *, now: datetime) -> None:
    """Close one business day of one active loan: income, penalties, delinquency, and what tomorrow brings."""
    state = file.state(day)
    earned = accrued_to(state, day, closed=False)
    plan = plan_entries(
        state,
        state,
        recognised=file.recognised,
        earned_before=earned,
        earned_after=earned,
        loan_id=file.row.id,
    )
    post_accrual(session, file, plan.accrual_lines, day, now=now)
    file.recognised = plan.recognised
    if state.overdue_penalty_minor:
        write_installments(session, file.row, state)
    file.row.cob_through = day
    session.flush()
    late = write_delinquency(session, file.row, state, on=day, now=now)
    _tell_of_dates(session, file, state, day, paused=late.paused)


def _tell_of_dates(session: Session, file: LoanFile, state: LoanState, day: date, *, paused: bool) -> None:
    """What the new day brings: an installment due today or in three days, or one that was not paid in time."""
    loan, today = file.row, day + ONE_DAY
    for row in open_rows(state):
        if row.due_date == day:
            tell(
                session,
                file,
                published.InstallmentOverdue(
                    loan.id,
                    loan.borrower_id,
                    row.nr,
                    row.due_date,
                    row.outstanding_minor,
                    loan.currency,
                    paused,
                ),
            )
        elif row.due_date in {today, today + timedelta(days=REMIND_DAYS)}:
            tell(
                session,
                file,
                published.InstallmentDue(
                    loan.id,
                    loan.borrower_id,
                    row.nr,
                    row.due_date,
                    row.outstanding_minor,
                    loan.currency,
                    (row.due_date - today).days,
                ),
            )
