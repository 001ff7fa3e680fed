"""A loan's books without the platform: events in the order of recording, the differences as journal entries.

The same steps as `throughline.lending.writing` and `closing`, on values instead of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from throughline.ledger.entries import Line
from throughline.lending.accrual import Accrued, accrued_to
from throughline.lending.books import EntryPlan, earned_by, plan_entries
from throughline.lending.history import EventType, LoanEvent, cancelled
from throughline.lending.replay import replay
from throughline.lending.state import LoanState, LoanStatus, Transaction
from throughline.lending.terms import LoanTerms

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry and the transaction that caused it."""

    transaction: str
    on: date
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class IncomePosting:
    """Income recognised, or taken back, on a day; `balance_minor` is the principal owed then."""

    id: str
    on: date
    interest_minor: int
    fee_minor: int
    penalty_minor: int
    balance_minor: int


@dataclass(slots=True)
class LoanBooks:
    """The history of one loan while it is being recorded."""

    terms: LoanTerms
    as_of: date
    events: list[LoanEvent] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)
    taken_back: list[Transaction] = field(default_factory=list)
    income: list[IncomePosting] = field(default_factory=list)
    _recognised: Accrued = field(default_factory=Accrued)
    _closed_through: date | None = None  # the last day that is closed for this loan
    _open_day: date | None = None  # the business date, once a day has been closed

    def state(self, on: date | None = None) -> LoanState:
        """The loan as of the document's day, or of a later one."""
        return replay(self.terms, self.events, as_of=max(self.as_of, on or self.as_of))

    def record(self, event: LoanEvent) -> None:
        """Append an event that has been checked, and post what it changes. Raises ScheduleError."""
        before, known = self.state(), list(self.events)
        self.events.append(event)
        after = self.state()
        self._note_taken_back(known, before, after)
        if after.status is LoanStatus.ACTIVE and before.status is not LoanStatus.ACTIVE:
            before_it = event.value_date - ONE_DAY
            self._closed_through = max(self._closed_through or before_it, before_it)
        plan = plan_entries(
            before,
            after,
            recognised=self._recognised,
            earned_before=earned_by(self.terms, known, self._closed_through),
            earned_after=earned_by(self.terms, self.events, self._closed_through),
        )
        on = self._posted_on(event.value_date)
        if plan.event_lines:
            self.journal.append(Entry(event.id, on, plan.event_lines))
        self._recognise(f"accrual:{event.id}", on, plan, after)

    def _posted_on(self, day: date) -> date:
        """The day of an entry: a closed day is never reopened, what comes later is posted on the open one."""
        return max(day, self._open_day or day)

    def _note_taken_back(self, known: list[LoanEvent], before: LoanState, after: LoanState) -> None:
        """Keep what a reversal or an undo took away, with what was taken out of a payout that came back."""
        gone = cancelled(self.events) - cancelled(known)
        standing = {(one.id, one.type) for one in after.transactions}
        self.taken_back += [
            one
            for one in before.transactions
            if (one.id in gone or (gone and one.type is EventType.REPAYMENT_AT_DISBURSEMENT))
            and (one.id, one.type) not in standing
        ]

    def _recognise(self, name: str, on: date, plan: EntryPlan, state: LoanState) -> None:
        """Post the income of a plan under a name of its own."""
        known, self._recognised = self._recognised, plan.recognised
        if not plan.accrual_lines:
            return
        now = plan.recognised
        self.journal.append(Entry(name, on, plan.accrual_lines))
        self.income.append(
            IncomePosting(
                name,
                on,
                now.interest_minor - known.interest_minor,
                now.fee_minor - known.fee_minor,
                now.penalty_minor - known.penalty_minor,
                state.outstanding[0],
            )
        )

    def close_through(self, last: date) -> None:
        """Close every open business day up to and including `last`, which is not after the document's day."""
        while self._closed_through is not None and self._closed_through < min(last, self.as_of):
            day = self._closed_through + ONE_DAY
            state = replay(self.terms, self.events, as_of=day)
            if state.status is not LoanStatus.ACTIVE:
                break
            earned = accrued_to(state, day, closed=False)
            plan = plan_entries(
                state, state, recognised=self._recognised, earned_before=earned, earned_after=earned
            )
            self._recognise(f"accrual:{day}", self._posted_on(day), plan, state)
            self._closed_through = day
        self._open_day = self._posted_on(min(last, self.as_of) + ONE_DAY)
