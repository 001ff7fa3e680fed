"""The monthly report: every loan that ran in the month, in stretches by the order of their ids.

A stretch is one transaction that also moves the cursor of the run and defers the next job, so that a run which is
killed goes on where it stopped and makes nothing twice. Rows are read by sets; the thinking is the pure replay.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.jobs import defer
from throughline.lending.account import events_of
from throughline.lending.bureau import notices
from throughline.lending.bureau.evidence import evidence_of
from throughline.lending.bureau.items import new_item
from throughline.lending.bureau.models import ReportItemRow, ReportRunRow
from throughline.lending.bureau.saying import month_end, month_of, say
from throughline.lending.business_day import business_date
from throughline.lending.models import LoanRow
from throughline.lending.state import LoanStatus

RUN_TASK = "lending.bureau_run"
STRETCH_LOANS = 300


def start_run(session: Session, month: date, *, now: datetime) -> bool:
    """Begin the report of a month; False when it was begun before. A run whose job is lost goes on too."""
    made = session.execute(
        insert(ReportRunRow)
        .values(
            month=month_of(month),
            as_of=month_end(month_of(month)),
            state="running",
            items=0,
            negative=0,
            held=0,
            started_at=now,
            moved_at=now,
        )
        .on_conflict_do_nothing()
        .returning(ReportRunRow.month)
    ).scalar_one_or_none()
    if made is not None:
        _go_on(session, made)
    return made is not None


def _go_on(session: Session, month: date) -> None:
    defer(session, RUN_TASK, {"month": month.isoformat()}, queue="batch")


def rescue_runs(session: Session, *, before: datetime, now: datetime) -> int:
    """Runs that have not moved since a time get another job; returns how many."""
    rows = session.scalars(
        select(ReportRunRow)
        .where(ReportRunRow.state == "running", ReportRunRow.moved_at < before)
        .limit(12)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.moved_at = now
        _go_on(session, row.month)
    return len(rows)


def report_stretch(session: Session, month: date, *, now: datetime, limit: int = STRETCH_LOANS) -> bool:
    """Report the next loans of a run and defer what follows; False when the run is done."""
    run = session.get(ReportRunRow, month, with_for_update=True, populate_existing=True)
    if run is None or run.state != "running":
        return False
    loans = _stretch(session, run, limit)
    if loans:
        _report(session, run, loans, now)
        run.after_loan, run.moved_at = loans[-1].id, now
        _go_on(session, month)
        return True
    run.state, run.finished_at, run.moved_at = "done", now, now
    return False


def _stretch(session: Session, run: ReportRunRow, limit: int) -> list[LoanRow]:
    """The next loans that ran in the month: paid out by its end, and not closed before it."""
    query = select(LoanRow).where(
        LoanRow.disbursed_on <= run.as_of,
        or_(LoanRow.status == LoanStatus.ACTIVE.value, LoanRow.closed_on >= run.month),
    )
    if run.after_loan is not None:
        query = query.where(LoanRow.id > run.after_loan)
    return list(session.scalars(query.order_by(LoanRow.id).limit(limit)))


def _report(session: Session, run: ReportRunRow, loans: list[LoanRow], now: datetime) -> None:
    known = _reported(session, run.month, loans)
    events, evidence = events_of(session, loans), evidence_of(session, loans)
    today = business_date(session)
    for loan in loans:
        if loan.id in known:
            continue
        saying = say(
            session, loan, events[loan.id], evidence[loan.id], as_of=run.as_of, on=today, store=True, now=now
        )
        session.add(new_item(loan, run.month, saying, now=now))
        run.items += 1
        run.negative += saying.said.negative
        if saying.verdict is not None and not saying.verdict.allowed:
            run.held += 1
            if any(one.code == "notice_none" for one in saying.verdict.missing):
                notices.tell_ahead(session, loan, saying.figures.late_since, now=now)
    session.flush()


def _reported(session: Session, month: date, loans: list[LoanRow]) -> set[UUID]:
    return set(
        session.scalars(
            select(ReportItemRow.loan_id).where(
                ReportItemRow.borrower_id.in_({row.borrower_id for row in loans}),
                ReportItemRow.loan_id.in_([row.id for row in loans]),
                ReportItemRow.month == month,
            )
        )
    )
