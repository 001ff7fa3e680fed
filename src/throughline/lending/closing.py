"""Closing the days of one loan (lending.md section 11, steps 1 to 5): the pure path, a loan at a time.

The set-based path in `nightly` does the same for many loans at once and must write the same rows. A day of
the loan that is closed late is posted on the open business day, with its own value date: a closed day of the
books is never reopened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from throughline.kernel.events import AggregateEvent, Event, publish_many
from throughline.ledger import service as ledger
from throughline.lending import events as published
from throughline.lending.account import LoanFile
from throughline.lending.accrual import Accrued, accrued_to
from throughline.lending.books import recognise
from throughline.lending.business_day import business_date
from throughline.lending.cache import delinquency_values, open_rows, write_installments
from throughline.lending.day_end import date_event, day_entry, owner_of
from throughline.lending.delinquency import delinquency, frozen_range
from throughline.lending.models import AccrualPlanRow, DelinquencyHistoryRow, DelinquencyRow
from throughline.lending.plans import write_plan
from throughline.lending.segments import AHEAD_OF_TIME, VERSION, AccrualPlan, accrual_plan
from throughline.lending.state import LoanState, LoanStatus

ONE_DAY = timedelta(days=1)


def bring_up_to_date(
    session: Session, file: LoanFile, *, through: date, now: datetime, keep_plan: bool = False
) -> int:
    """Close every day of a loan that is still open, up to `through`; returns how many.

    The caller holds the loan's lock. A write never waits for the night: the verb does this first, for its
    one loan. `keep_plan` stores the accrual plan, if the stored one does not fit any more.
    """
    if file.row.status != LoanStatus.ACTIVE.value or file.row.cob_through is None:
        return 0
    days = (through - file.row.cob_through).days
    if days > 0:
        _close_days(session, file, through, now=now, keep_plan=keep_plan)
    return max(0, days)


def _close_days(session: Session, file: LoanFile, through: date, *, now: datetime, keep_plan: bool) -> None:
    head = session.get(AccrualPlanRow, (file.row.borrower_id, file.row.id), populate_existing=True)
    fits = head is not None and head.version == VERSION and head.event_seq == file.row.event_seq
    closing = _Closing(session, file, business_date(session), now)
    state = None
    for day, state, plan in _days(file, through, hopeless=fits and head is not None and head.needs_replay):
        closing.accrue(state, day, plan.at(day) if plan else accrued_to(state, day, closed=False))
        if plan is None or plan.watch_from is None or day >= plan.watch_from:
            closing.watch(state, day)
    if state is None:
        return
    closing.write(state)
    file.row.cob_through = through
    session.flush()
    expired = head is not None and head.valid_until is not None and head.valid_until <= through
    if keep_plan and (not fits or expired):
        write_plan(session, file, file.state(max(through, _newest(file))))


def _newest(file: LoanFile) -> date:
    """The day of the newest event, of those that can't be granted ahead."""
    return max(event.value_date for event in file.events if event.type not in AHEAD_OF_TIME)


def _days(
    file: LoanFile, through: date, *, hopeless: bool
) -> Iterator[tuple[date, LoanState, AccrualPlan | None]]:
    """Each open day with the loan's state on it.

    After the last event only penalty interest moves: where a plan says how, the day is not replayed.
    """
    day = (file.row.cob_through or through) + ONE_DAY
    newest = _newest(file)
    plan: AccrualPlan | None = None
    while day <= through:
        if plan is None or not plan.covers(day):
            state = file.state(day)
            worth = not hopeless and newest <= day < through  # one day alone is cheaper replayed than planned
            plan = accrual_plan(file.terms, file.events, state) if worth else None
            hopeless = hopeless or (worth and plan is None)
        else:
            state = plan.rolled(state, day)
        yield day, state, plan
        day += ONE_DAY


@dataclass(slots=True)
class _Closing:
    """What closing some days of one loan brings, written at the end in a few statements."""

    session: Session
    file: LoanFile
    posting_date: date
    now: datetime
    _entries: list[ledger.EntryDraft] = field(default_factory=list)
    _events: list[AggregateEvent] = field(default_factory=list)
    _lateness: DelinquencyRow | None = None

    def accrue(self, state: LoanState, day: date, earned: Accrued) -> None:
        """The income of a day."""
        file = self.file
        known = file.recognised
        new = recognise(state, recognised=known, earned_before=earned, earned_after=earned)
        if new != known:
            self._entries.append(day_entry(owner_of(file.row), known, new, day, self.posting_date))
            file.recognised = new

    def watch(self, state: LoanState, day: date) -> None:
        """How late the loan is at the end of a day, and what the new day brings."""
        loan = self.file.row
        late = delinquency(state, day)
        row = self._lateness or self.session.get(
            DelinquencyRow, (loan.borrower_id, loan.id), populate_existing=True
        )
        if row is None:
            row = DelinquencyRow(borrower_id=loan.borrower_id, loan_id=loan.id, range=None)
            self.session.add(row)
        self._lateness = row
        old, new = row.range, frozen_range(row.range, late.range, state.terms.ranges, paused=late.paused)
        values = delinquency_values(late, new)
        if any(getattr(row, name) != value for name, value in values.items() if name != "on_date"):
            for name, value in values.items():
                setattr(row, name, value)
        if new != old:
            self.session.add(
                DelinquencyHistoryRow(
                    borrower_id=loan.borrower_id,
                    loan_id=loan.id,
                    on_date=day,
                    old_range=old,
                    new_range=new,
                    past_due_days=late.past_due_days,
                    delinquent_days=late.delinquent_days,
                    paused=late.paused,
                    recorded_at=self.now,
                )
            )
            self._tell(
                published.BucketChanged(
                    loan.id, loan.borrower_id, old, new, late.past_due_days, late.delinquent_days, late.paused
                )
            )
        for one in open_rows(state):
            self._tell(
                date_event(
                    owner_of(loan),
                    one.nr,
                    one.due_date,
                    one.outstanding_minor,
                    day,
                    in_time=state.terms.in_time_through(one.due_date),
                    paused=late.paused,
                )
            )

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            loan = self.file.row
            self._events.append(AggregateEvent(event, published.AGGREGATE, loan.id, loan.borrower_id))

    def write(self, state: LoanState) -> None:
        """Everything at once; `state` is that of the last day."""
        ledger.post_new_entries(self.session, self._entries, now=self.now)
        if state.overdue_penalty_minor:
            write_installments(self.session, self.file.row, state)
            self.file.kept = replace(self.file.kept, installments=len(state.installments))
        if self._lateness is not None:
            self.file.kept = replace(self.file.kept, range=self._lateness.range)
        self.session.flush()
        publish_many(self.session, self._events)
