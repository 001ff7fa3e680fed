"""Days of the books: when a posting date is over, its sums, and what came late (lending.md section 11, steps 7 and 8).

Closing a day takes a lock alone for a moment, which every posting transaction shares: whoever posts on the
day afterwards knows that it is late. The sums are made afterwards, with nobody waiting.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.kernel.statement import Statement
from throughline.ledger.models import DaySummary, JournalEntry, JournalLine, LateEntry, LedgerDay, Mismatch

log = get_logger(__name__)

POSTING = {"space": 7401, "lock": 1}  # the advisory lock of ledger_day_state
TRIES, WAIT_S = 50, 0.02


class PeriodLocked(Conflict):
    """Nothing may be posted on a date whose period is locked."""

    code = "period-locked"
    title = N_("The books are closed for that posting date")


@dataclass(frozen=True, slots=True)
class DaySums:
    """One account on one posting date that is over."""

    posting_date: date
    account: str
    currency: str
    debit_minor: int
    credit_minor: int


_STATE = Statement("SELECT ledger_day_state($1)")


def refuse_locked(session: Session, posting_dates: Iterable[date]) -> set[date]:
    """Raise PeriodLocked for a date that is locked; returns the dates that are over, on which entries are late."""
    late = set()
    for day in set(posting_dates):
        found = _STATE.rows(session, day)[0][0]
        if found == "locked":
            raise PeriodLocked(N_("%(day)s is locked"), day=day.isoformat())
        if found == "late":
            late.add(day)
    return late


def note_late(session: Session, rows: Sequence[tuple[UUID, UUID, date]]) -> None:
    """Note entries (borrower, entry, posting date) that no summary holds yet."""
    session.execute(
        insert(LateEntry),
        [{"borrower_id": owner, "entry_id": entry, "posting_date": day} for owner, entry, day in rows],
    )


def close_day(session: Session, day: date, *, now: datetime) -> None:
    """From the end of this transaction on, entries of that posting date are late. Waits for those in flight."""
    post_alone(session)
    session.execute(insert(LedgerDay).values(posting_date=day, closed_at=now).on_conflict_do_nothing())


def post_alone(session: Session) -> None:
    """Take the posting lock alone, to the end of the transaction: nothing is being posted meanwhile. It is asked for again and again at first: a wait in line holds up others."""
    for _ in range(TRIES):
        if session.execute(text("SELECT pg_try_advisory_xact_lock(:space, :lock)"), POSTING).scalar_one():
            return
        time.sleep(WAIT_S)
    session.execute(text("SELECT pg_advisory_xact_lock(:space, :lock)"), POSTING)


def sum_up_day(session: Session, day: date, *, now: datetime) -> bool:
    """Make the summary of a closed day, or make it again; returns whether debits equal credits in every currency.

    What came late until now is taken in. A difference is noted and alarms.
    """
    row = session.get(LedgerDay, day, with_for_update=True)
    if row is None:
        raise ValueError(f"{day} is not closed")
    session.execute(text("SET LOCAL statement_timeout = 0"))  # a big day takes longer than a request may
    # One statement, one snapshot: a late entry is either in the sums and forgotten, or in neither.
    session.execute(delete(DaySummary).where(DaySummary.posting_date == day))
    session.execute(_SUM_UP, {"day": day})
    row.summed_at = now
    row.balanced = _check(session, day, now)
    session.flush()
    return row.balanced


_SUM_UP = text(
    """
    WITH gone AS (DELETE FROM ledger_late_entry WHERE posting_date = :day)
    INSERT INTO ledger_day_summary (posting_date, account, currency, debit_minor, credit_minor)
    SELECT :day, l.account, e.currency, sum(l.debit_minor), sum(l.credit_minor)
    FROM ledger_entry e JOIN ledger_line l ON l.borrower_id = e.borrower_id AND l.entry_id = e.id
    WHERE e.posting_date = :day GROUP BY l.account, e.currency
    """
)


def _check(session: Session, day: date, now: datetime) -> bool:
    sums = session.execute(
        select(DaySummary.currency, func.sum(DaySummary.debit_minor), func.sum(DaySummary.credit_minor))
        .where(DaySummary.posting_date == day)
        .group_by(DaySummary.currency)
    )
    found = [(f"day:{currency}", int(debit), int(credit)) for currency, debit, credit in sums]
    return note_mismatches(session, day, found, now=now) == 0


def note_mismatches(
    session: Session, day: date, sums: Iterable[tuple[str, int, int]], *, now: datetime
) -> int:
    """Note sums (subject, expected, found) that differ, and alarm; what agrees again is forgotten."""
    wrong = []
    for subject, expected, found in sums:
        session.execute(delete(Mismatch).where(Mismatch.posting_date == day, Mismatch.subject == subject))
        if expected != found:
            wrong.append(subject)
            session.add(
                Mismatch(
                    posting_date=day,
                    subject=subject,
                    expected_minor=expected,
                    found_minor=found,
                    found_at=now,
                )
            )
    session.flush()
    if wrong:
        log.error("sums of the books differ", day=str(day), count=len(wrong), first=wrong[0])
    return len(wrong)


def day_sums(
    session: Session,
    *,
    first: date | None = None,
    after: tuple[date, str, str] | None = None,
    limit: int = 50,
) -> list[DaySums]:
    """A page of the daily summary, by posting date, account and currency."""
    query = select(DaySummary)
    if first is not None:
        query = query.where(DaySummary.posting_date >= first)
    key: tuple[Any, ...] = (DaySummary.posting_date, DaySummary.account, DaySummary.currency)
    if after is not None:
        query = query.where(tuple_(*key) > after)
    rows = session.scalars(query.order_by(*key).limit(limit))
    return [
        DaySums(row.posting_date, row.account, row.currency, row.debit_minor, row.credit_minor)
        for row in rows
    ]


def lines_not_summed(on: date | None) -> Select[str, str, int, int]:
    """The sums of everything that stands in no summary: open days, days not summed yet, late entries."""
    summed = select(LedgerDay.posting_date).where(LedgerDay.summed_at.is_not(None))
    late = select(LateEntry.entry_id)
    query = (
        select(
            JournalLine.account,
            JournalEntry.currency,
            func.sum(JournalLine.debit_minor).label("debit_minor"),
            func.sum(JournalLine.credit_minor).label("credit_minor"),
        )
        .join(
            JournalEntry,
            (JournalEntry.borrower_id == JournalLine.borrower_id) & (JournalEntry.id == JournalLine.entry_id),
        )
        .where(JournalEntry.posting_date.not_in(summed) | JournalEntry.id.in_(late))
        .group_by(JournalLine.account, JournalEntry.currency)
    )
    return query if on is None else query.where(JournalEntry.posting_date <= on)


def mismatches(session: Session, *, limit: int = 50) -> list[Mismatch]:
    """The newest sums that differ."""
    return list(session.scalars(select(Mismatch).order_by(Mismatch.found_at.desc()).limit(limit)))


def sum_states(session: Session, *, limit: int = 30) -> list[LedgerDay]:
    """The newest closed days, and whether they are summed up and balanced."""
    return list(session.scalars(select(LedgerDay).order_by(LedgerDay.posting_date.desc()).limit(limit)))
