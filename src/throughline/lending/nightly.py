"""Closing a day of many loans at once: SQL multiplies, rounds and moves, by the accrual plans (lending.md section 11).

The numbers are those of the pure path in `closing`; a test compares the rows of both. The loans are locked by
the caller; everything here runs in the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from throughline.kernel.db import array
from throughline.kernel.events import AggregateEvent, publish_many
from throughline.ledger import service as ledger
from throughline.lending import events as published
from throughline.lending.accrual import Accrued
from throughline.lending.day_end import Owner, date_event, day_entry
from throughline.lending.delinquency import frozen_range, paused_days, range_of
from throughline.lending.models import DelinquencyHistoryRow
from throughline.lending.rates import Span
from throughline.lending.segments import REMIND_DAYS, VERSION
from throughline.lending.terms import DelinquencyRange

ONE_DAY = timedelta(days=1)


@dataclass(slots=True)
class OpenLoan:
    """A locked loan, the head of its plan, and its books as they move from day to day."""

    owner: Owner
    cob_through: date
    known: Accrued
    interest_limit_minor: int
    fee_limit_minor: int
    penalty_charged_minor: int
    watch_from: date | None
    pauses: tuple[Span, ...]
    valid_until: date | None


@dataclass(slots=True)
class Counts:
    """How often each step of a night had something to do."""

    due_dates: int = 0
    accrual: int = 0
    penalties: int = 0
    ageing: int = 0
    by_set: int = 0
    by_replay: int = 0

    def add(self, other: Counts) -> None:
        """Count another batch in."""
        for name in Counts.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Locked:
    """A batch of locked loans: those that a plan describes, and those that must be replayed."""

    by_plan: list[OpenLoan] = field(default_factory=list)
    by_replay: list[UUID] = field(default_factory=list)
    last: UUID | None = None

    def __len__(self) -> int:
        return len(self.by_plan) + len(self.by_replay)


def lock(
    session: Session, day: date, *, after: UUID | None, first: UUID, last: UUID, limit: int, patient: bool
) -> Locked:
    """Lock the next loans of a stretch that are still to be closed for a day.

    Loans that somebody else holds are passed over; with `patient` they are waited for.
    """
    # A plan that does not fit is only slow: the sequence number says whether anything was recorded since.
    rows = session.execute(
        _LOCK_PATIENTLY if patient else _LOCK,
        {"day": day, "after": after, "first": first, "last": last, "limit": limit, "version": VERSION},
    ).all()
    batch = Locked()
    for row in rows:
        batch.last = row.id
        if row.by_plan:
            batch.by_plan.append(_open_loan(row))
        else:
            batch.by_replay.append(row.id)
    return batch


def _open_loan(row: Row[Any]) -> OpenLoan:
    return OpenLoan(
        Owner(row.borrower_id, row.id, row.currency),
        row.cob_through,
        Accrued(row.recognised_interest_minor, row.recognised_fee_minor, row.recognised_penalty_minor),
        row.interest_limit_minor,
        row.fee_limit_minor,
        row.penalty_charged_minor,
        row.watch_from,
        tuple((date.fromisoformat(one), date.fromisoformat(other)) for one, other in row.pauses),
        row.valid_until,
    )


_LOCK_SQL = """
    SELECT l.borrower_id, l.id, l.currency, l.cob_through, l.recognised_interest_minor, l.recognised_fee_minor,
      l.recognised_penalty_minor, p.interest_limit_minor, p.fee_limit_minor, p.penalty_charged_minor, p.watch_from,
      p.pauses, p.valid_until,
      coalesce(p.version = :version AND NOT p.needs_replay AND p.event_seq = l.event_seq
        AND p.valid_from <= l.cob_through + 1 AND (p.valid_until IS NULL OR p.valid_until > l.cob_through),
        false) AS by_plan
    FROM lending_loan l LEFT JOIN lending_accrual_plan p ON p.borrower_id = l.borrower_id AND p.loan_id = l.id
    WHERE l.status = 'active' AND l.cob_through < :day AND l.id BETWEEN :first AND :last
      AND (CAST(:after AS uuid) IS NULL OR l.id > CAST(:after AS uuid))
    ORDER BY l.id LIMIT :limit FOR UPDATE OF l
"""
_LOCK_PATIENTLY = text(_LOCK_SQL)
_LOCK = text(_LOCK_SQL + " SKIP LOCKED")


def ready(loans: Iterable[OpenLoan], through: date) -> list[OpenLoan]:
    """The loans that lag most and can go on by their plans: those whose next day is to be closed now."""
    able = [
        one
        for one in loans
        if one.cob_through < through and (one.valid_until is None or one.cob_through < one.valid_until)
    ]
    first = min((one.cob_through for one in able), default=None)
    return [one for one in able if one.cob_through == first]


def close_next_day(
    session: Session,
    loans: Sequence[OpenLoan],
    posting_date: date,
    *,
    now: datetime,
    more_follow: bool = False,
) -> Counts:
    """Close the next open day of these locked loans, for all of them the same; returns the counts of the steps.

    The loans' rows are written by `keep`. With `more_follow` the next day will be closed at once: it brings
    the penalty interest into the installments, which would only be written over.
    """
    day = loans[0].cob_through + ONE_DAY
    counts = Counts()
    metered = _accrue(session, loans, day, posting_date, counts, now)
    if metered and not more_follow:
        counts.penalties += _bring_penalties(session, metered, day)
    watched = [one for one in loans if one.watch_from is not None and one.watch_from <= day]
    if watched:
        _watch(session, watched, metered if more_follow else [], day, counts, now)
    for one in loans:
        one.cob_through = day
    return counts


def keep(session: Session, loans: Iterable[OpenLoan]) -> None:
    """Write how far loans are closed and what of their income is in the books."""
    rows = list(loans)
    session.execute(
        _KEEP,
        {
            **_keys(rows),
            "through": array(one.cob_through for one in rows),
            "interest": array(one.known.interest_minor for one in rows),
            "fee": array(one.known.fee_minor for one in rows),
            "penalty": array(one.known.penalty_minor for one in rows),
        },
    )


_KEEP = text(
    """
    UPDATE lending_loan l SET cob_through = t.through, recognised_interest_minor = t.interest,
      recognised_fee_minor = t.fee, recognised_penalty_minor = t.penalty
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[]), CAST(:through AS date[]),
      CAST(:interest AS bigint[]), CAST(:fee AS bigint[]), CAST(:penalty AS bigint[]))
      AS t(borrower_id, loan_id, through, interest, fee, penalty)
    WHERE l.borrower_id = t.borrower_id AND l.id = t.loan_id
    """
)


def by_index(session: Session) -> None:
    """A batch is small beside the book: never read or hash a whole table for it, whatever statistics say."""
    session.execute(
        text(
            "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), "
            "set_config('enable_seqscan', 'off', true)"
        )
    )


def _keys(loans: Iterable[OpenLoan]) -> dict[str, str]:
    rows = [one.owner for one in loans]
    return {
        "borrowers": array(one.borrower_id for one in rows),
        "loans": array(one.loan_id for one in rows),
    }


# --- income -----------------------------------------------------------------------------------------


def _accrue(
    session: Session,
    loans: Sequence[OpenLoan],
    day: date,
    posting_date: date,
    counts: Counts,
    now: datetime,
) -> list[OpenLoan]:
    """Post the income of a day; returns the loans on which penalty interest runs or has run."""
    known = {one.owner.loan_id: one for one in loans}
    metered, entries = [], []
    for row in session.execute(_EARNED, {**_keys(loans), "day": day}):
        loan = known[row.loan_id]
        before = loan.known
        new = Accrued(
            min(loan.interest_limit_minor, max(int(row.interest), before.interest_minor)),
            min(loan.fee_limit_minor, max(int(row.fee), before.fee_minor)),
            min(loan.penalty_charged_minor + int(row.metered), max(int(row.penalty), before.penalty_minor)),
        )
        if new != before:
            entries.append(day_entry(loan.owner, before, new, day, posting_date))
            loan.known = new
        if row.metered:
            metered.append(loan)
    ledger.post_new_entries(session, entries, now=now)
    counts.accrual += len(entries)
    return metered


_VALUE = "s.base_minor + least(s.cap_minor, kernel_round(s.n0 + (:day - s.from_date) * s.n1, s.d, p.mode))"
_HOLDS = "s.from_date <= :day AND (s.to_date IS NULL OR s.to_date >= :day)"
_PICKED = "unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[])) AS t(borrower_id, loan_id)"
_EARNED = text(
    f"""
    SELECT t.loan_id, e.* FROM {_PICKED} CROSS JOIN LATERAL (
      SELECT coalesce(sum(v.amount) FILTER (WHERE s.kind = 'interest'), 0) AS interest,
        coalesce(sum(v.amount) FILTER (WHERE s.kind = 'fee'), 0) AS fee,
        coalesce(sum(v.amount) FILTER (WHERE s.kind = 'penalty'), 0) AS penalty,
        coalesce(sum(v.amount) FILTER (WHERE s.installment_nr IS NOT NULL), 0) AS metered
      FROM lending_accrual_plan p
      JOIN lending_accrual_segment s ON s.borrower_id = p.borrower_id AND s.loan_id = p.loan_id
      CROSS JOIN LATERAL (SELECT {_VALUE} AS amount) v
      WHERE p.borrower_id = t.borrower_id AND p.loan_id = t.loan_id AND {_HOLDS}) e
    """
)


def _bring_penalties(session: Session, loans: Sequence[OpenLoan], day: date) -> int:
    """Penalty interest into the installments and what the loans owe; returns how many installments moved."""
    moved = session.execute(_PENALTIES, {**_keys(loans), "day": day}).one()
    return int(moved.installments)


_PENALTIES = text(
    f"""
    WITH meter AS (
      SELECT t.borrower_id, t.loan_id, s.installment_nr AS nr, s.charged_minor + {_VALUE} AS penalty
      FROM {_PICKED}
      JOIN lending_accrual_plan p ON p.borrower_id = t.borrower_id AND p.loan_id = t.loan_id
      JOIN lending_accrual_segment s ON s.borrower_id = t.borrower_id AND s.loan_id = t.loan_id
      WHERE s.installment_nr IS NOT NULL AND {_HOLDS}),
    old AS (
      SELECT m.*, m.penalty - CAST(i.due_minor ->> 3 AS bigint) AS more FROM meter m
      JOIN lending_installment i ON i.borrower_id = m.borrower_id AND i.loan_id = m.loan_id AND i.nr = m.nr),
    moved AS (
      UPDATE lending_installment i SET due_minor = jsonb_set(i.due_minor, '{{3}}', to_jsonb(CAST(o.penalty AS bigint))),
        outstanding_minor = i.outstanding_minor + CAST(o.more AS bigint)
      FROM old o WHERE i.borrower_id = o.borrower_id AND i.loan_id = o.loan_id AND i.nr = o.nr AND o.more <> 0
      RETURNING i.loan_id),
    owing AS (
      UPDATE lending_loan l SET outstanding_minor = l.outstanding_minor + g.more
      FROM (SELECT borrower_id, loan_id, CAST(sum(more) AS bigint) AS more FROM old
            GROUP BY borrower_id, loan_id HAVING sum(more) <> 0) g
      WHERE l.borrower_id = g.borrower_id AND l.id = g.loan_id
      RETURNING 1)
    SELECT (SELECT count(*) FROM moved) AS installments, (SELECT count(*) FROM owing) AS loans
    """
)


# --- dates and lateness -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Watched:
    """What is open of a loan that is late or about to have an installment due."""

    loan: OpenLoan
    rows: list[tuple[int, date, int]] = field(default_factory=list)  # nr, due date, outstanding


def _watch(
    session: Session,
    loans: Sequence[OpenLoan],
    metered: Sequence[OpenLoan],
    day: date,
    counts: Counts,
    now: datetime,
) -> None:
    found = {one.owner.loan_id: _Watched(one) for one in loans}
    soon = day + timedelta(days=REMIND_DAYS + 1)
    given = {"day": day, "soon": soon, "metered": array(one.owner.loan_id for one in metered)}
    for row in session.execute(_OPEN_ROWS, _keys(loans) | given):
        found[row.loan_id].rows.append((row.nr, row.due_date, row.outstanding_minor))
    ageing = _Ageing(day, now)
    for row in session.execute(_LATENESS, _keys(loans)):
        ageing.age(found[row.loan_id], row)
    ageing.write(session)
    counts.ageing += len(ageing.changed)
    counts.due_dates += ageing.dates


# The penalty interest of the day comes from the plan: the installments may not have it yet.
_OPEN_ROWS = text(
    f"""
    SELECT t.loan_id, i.nr, i.due_date, i.outstanding_minor
      + coalesce(CAST(m.penalty - CAST(i.due_minor ->> 3 AS bigint) AS bigint), 0) AS outstanding_minor
    FROM {_PICKED}
    JOIN lending_installment i ON i.borrower_id = t.borrower_id AND i.loan_id = t.loan_id
    LEFT JOIN LATERAL (
      SELECT s.charged_minor + {_VALUE} AS penalty FROM lending_accrual_plan p
      JOIN lending_accrual_segment s ON s.borrower_id = p.borrower_id AND s.loan_id = p.loan_id
      WHERE p.borrower_id = i.borrower_id AND p.loan_id = i.loan_id AND s.installment_nr = i.nr AND {_HOLDS}
        AND t.loan_id = ANY (CAST(:metered AS uuid[]))) m ON true
    WHERE i.outstanding_minor > 0 AND i.due_date <= :soon ORDER BY t.loan_id, i.nr
    """
)
_LATENESS = text(
    f"""
    SELECT t.loan_id,
      CAST(l.terms -> 'delinquency_ranges' AS text) AS ranges,
      CAST(l.terms -> 'grace' ->> 'arrears_days' AS int) AS arrears_days,
      d.past_due_days, d.paused_days, d.delinquent_days, d.delinquent_since, d.range, d.amount_minor, d.paused
    FROM {_PICKED} JOIN lending_loan l ON l.borrower_id = t.borrower_id AND l.id = t.loan_id
    LEFT JOIN lending_delinquency d ON d.borrower_id = t.borrower_id AND d.loan_id = t.loan_id
    """
)


@lru_cache(maxsize=200)
def _ranges(document: str) -> tuple[DelinquencyRange, ...]:
    return tuple(
        DelinquencyRange(row["name"], row["from_day"], row["to_day"]) for row in json.loads(document)
    )


_AGED = (
    "past_due_days",
    "paused_days",
    "delinquent_days",
    "delinquent_since",
    "range",
    "amount_minor",
    "paused",
)


@dataclass(slots=True)
class _Ageing:
    """The lateness of many loans on a day: `delinquency.delinquency` from the rows that SQL has found."""

    day: date
    now: datetime
    dates: int = 0
    changed: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[AggregateEvent] = field(default_factory=list)

    def age(self, watched: _Watched, row: Row[Any]) -> None:
        """One loan: its new lateness, a change of range, and events."""
        loan, owner, day = watched.loan, watched.loan.owner, self.day
        late = [one for one in watched.rows if one[1] < day]
        ranges = _ranges(row.ranges)
        paused = any(first <= day < until for first, until in loan.pauses)
        past_due = away = days = 0
        since, now_range = None, None
        if late:
            oldest = late[0][1]
            past_due = (day - oldest).days
            away = paused_days(loan.pauses, oldest, day)
            days = max(0, past_due - row.arrears_days - away)
            since = oldest + timedelta(days=row.arrears_days)
            now_range = range_of(days, ranges)
        new = frozen_range(row.range, now_range, ranges, paused=paused)
        values = (past_due, away, days, since, new, sum(one[2] for one in late), paused)
        if values != tuple(getattr(row, name) for name in _AGED):
            self.changed.append((owner.borrower_id, owner.loan_id, *values))
        if new != row.range:
            self._change_range(owner, row.range, new, past_due, days, paused=paused)
        for nr, due_date, outstanding in watched.rows:
            event = date_event(owner, nr, due_date, outstanding, day, paused=paused)
            if event is not None:
                self.dates += 1
                self.events.append(
                    AggregateEvent(event, published.AGGREGATE, owner.loan_id, owner.borrower_id)
                )

    def _change_range(
        self, owner: Owner, old: str | None, new: str | None, past_due: int, days: int, *, paused: bool
    ) -> None:
        self.history.append(
            {
                "borrower_id": owner.borrower_id,
                "loan_id": owner.loan_id,
                "on_date": self.day,
                "old_range": old,
                "new_range": new,
                "past_due_days": past_due,
                "delinquent_days": days,
                "paused": paused,
                "recorded_at": self.now,
            }
        )
        event = published.BucketChanged(owner.loan_id, owner.borrower_id, old, new, past_due, days, paused)
        self.events.append(AggregateEvent(event, published.AGGREGATE, owner.loan_id, owner.borrower_id))

    def write(self, session: Session) -> None:
        """What has changed, in one statement for each table."""
        if self.changed:
            columns = {f"c{nr}": array(row[nr] for row in self.changed) for nr in range(9)}
            session.execute(_AGE, {**columns, "day": self.day})
        if self.history:
            session.execute(insert(DelinquencyHistoryRow), self.history)
        publish_many(session, self.events)


_AGE = text(
    """
    INSERT INTO lending_delinquency (borrower_id, loan_id, on_date, past_due_days, paused_days, delinquent_days,
      delinquent_since, range, amount_minor, paused)
    SELECT t.b, t.l, :day, t.past_due, t.away, t.days, t.since, t.range, t.amount, t.paused
    FROM unnest(CAST(:c0 AS uuid[]), CAST(:c1 AS uuid[]), CAST(:c2 AS int[]), CAST(:c3 AS int[]), CAST(:c4 AS int[]),
      CAST(:c5 AS date[]), CAST(:c6 AS text[]), CAST(:c7 AS bigint[]), CAST(:c8 AS boolean[]))
      AS t(b, l, past_due, away, days, since, range, amount, paused)
    ON CONFLICT (borrower_id, loan_id) DO UPDATE SET on_date = excluded.on_date,
      past_due_days = excluded.past_due_days, paused_days = excluded.paused_days,
      delinquent_days = excluded.delinquent_days, delinquent_since = excluded.delinquent_since,
      range = excluded.range, amount_minor = excluded.amount_minor, paused = excluded.paused
    """
)
