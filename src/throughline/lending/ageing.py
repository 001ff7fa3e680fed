"""How late many loans are at the close of a day, and what the new day brings for their installments.

The numbers are those of `closing`, which does it for one loan. The loans are locked by the caller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import array
from throughline.kernel.events import AggregateEvent, publish_many
from throughline.kernel.ids import new_id
from throughline.lending import events as published
from throughline.lending.day_end import Owner, date_event
from throughline.lending.delinquency import Late, count_days, frozen_range, range_of
from throughline.lending.locked import OpenLoan, keys_of
from throughline.lending.reading_json import Node
from throughline.lending.segments import REMIND_DAYS
from throughline.lending.terms import DelinquencyRange, LoanTerms
from throughline.lending.terms_json import read_terms


@dataclass(slots=True)
class _Watched:
    """What is open of a loan that is late or about to have an installment due."""

    loan: OpenLoan
    rows: list[tuple[int, date, int]] = field(default_factory=list)  # nr, due date, outstanding


def watch(
    session: Session,
    loans: Sequence[OpenLoan],
    meters: Mapping[UUID, Mapping[int, int]],
    day: date,
    *,
    now: datetime,
) -> Aged:
    """Write how late loans are at the close of a day, and publish what the new day brings.

    `meters`: penalties by loan and installment, in minor units, that the installments may not have yet.
    """
    found = [_Watched(one) for one in loans]
    keys = keys_of(loans)
    soon = day + timedelta(days=REMIND_DAYS + 1)
    for place, nr, due_date, outstanding, charged in session.execute(_OPEN_ROWS, keys | {"soon": soon}):
        watched = found[place - 1]
        penalty = meters.get(watched.loan.owner.loan_id, {}).get(nr, charged)
        watched.rows.append((nr, due_date, outstanding + penalty - charged))
    rules = _rules_of(session, loans)
    ageing = _Ageing(day, now)
    for place, *row in session.execute(_LATENESS, keys):
        watched = found[place - 1]
        ageing.age(watched, rules[watched.loan.owner.loan_id], tuple(row))
    ageing.write(session)
    return Aged(len(ageing.changed), ageing.dates)


@dataclass(frozen=True, slots=True)
class Aged:
    """How many loans have another lateness, and how many dates were told of."""

    loans: int
    dates: int


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the terms of a loan say of delay. `terms` are there where they say more than most."""

    arrears_days: int
    ranges: tuple[DelinquencyRange, ...]
    floor_minor: int = 0
    terms: LoanTerms | None = None

    def in_time_through(self, due_date: date) -> date:
        """The last day on which paying what is due on `due_date` is in time."""
        return due_date if self.terms is None else self.terms.in_time_through(due_date)


def _more_rules(document: str, currency: str) -> _Rules:
    terms = read_terms(Node("$.terms", json.loads(document)), currency)
    return _Rules(terms.arrears_days, terms.ranges, terms.floor_minor, terms)


# The terms of a loan never change, and reading them means unpacking a document. A book that catches up asks for
# the same loans every day; in a big one they come once a night, so that keeping more would be of no use.
_known: dict[UUID, _Rules] = {}
KNOWN_RULES = 20_000


def _rules_of(session: Session, loans: Sequence[OpenLoan]) -> dict[UUID, _Rules]:
    found = {one.owner.loan_id: _known.get(one.owner.loan_id) for one in loans}
    new = [one for one in loans if found[one.owner.loan_id] is None]
    if new:
        if len(_known) + len(new) > KNOWN_RULES:
            _known.clear()
        for loan_id, arrears_days, ranges, document, currency in session.execute(_RULES, keys_of(new)):
            rules = (
                _Rules(arrears_days, _ranges(ranges)) if document is None else _more_rules(document, currency)
            )
            found[loan_id] = _known[loan_id] = rules
    return {loan_id: rules for loan_id, rules in found.items() if rules is not None}


_RULES = text(
    """
    SELECT l.id, CAST(l.terms -> 'grace' ->> 'arrears_days' AS int) AS arrears_days,
      CAST(l.terms -> 'delinquency_ranges' AS text) AS ranges,
      CASE WHEN l.terms ?| ARRAY['delinquency_floor', 'non_working_days'] THEN CAST(l.terms AS text) END AS document,
      l.currency
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[])) AS t(borrower_id, loan_id)
    JOIN lending_loan l ON l.borrower_id = t.borrower_id AND l.id = t.loan_id
    """
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
_PLACED = "unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[])) WITH ORDINALITY AS t(borrower_id, loan_id, place)"
_OPEN_ROWS = text(
    f"""
    SELECT t.place, i.nr, i.due_date, i.outstanding_minor, CAST(i.due_minor ->> 3 AS bigint) AS charged_minor
    FROM {_PLACED}
    JOIN lending_installment i ON i.borrower_id = t.borrower_id AND i.loan_id = t.loan_id
    WHERE i.outstanding_minor > 0 AND i.due_date <= :soon ORDER BY t.place, i.nr
    """
)
_LATENESS = text(
    f"""
    SELECT t.place, {", ".join(f"d.{name}" for name in _AGED)}
    FROM {_PLACED} LEFT JOIN lending_delinquency d ON d.borrower_id = t.borrower_id AND d.loan_id = t.loan_id
    """
)


@lru_cache(maxsize=200)
def _ranges(document: str) -> tuple[DelinquencyRange, ...]:
    return tuple(
        DelinquencyRange(row["name"], row["from_day"], row["to_day"]) for row in json.loads(document)
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

    def age(self, watched: _Watched, rules: _Rules, old: tuple[Any, ...]) -> None:
        """One loan: its new lateness, a change of range, and events. `old`: its lateness so far, as `_AGED`."""
        loan, owner, day = watched.loan, watched.loan.owner, self.day
        late = [
            Late(nr, in_time, outstanding)
            for nr, due_date, outstanding in watched.rows
            if due_date < day and (in_time := rules.in_time_through(due_date)) < day
        ]
        ranges, old_range = rules.ranges, old[_AGED.index("range")]
        paused = any(first <= day < until for first, until in loan.pauses)
        counted = count_days(late, day, loan.pauses, rules.arrears_days, rules.floor_minor)
        past_due, days = counted.past_due_days, counted.delinquent_days
        new = frozen_range(old_range, range_of(days, ranges), ranges, paused=paused)
        values = (
            past_due,
            counted.paused_days,
            days,
            counted.delinquent_since,
            new,
            sum(one.amount_minor for one in late),
            paused,
        )
        if values != old:
            self.changed.append((loan.borrower, loan.loan, *values))
        if new != old_range:
            self._change_range(owner, old_range, new, past_due, days, paused=paused)
        for nr, due_date, outstanding in watched.rows:
            in_time = rules.in_time_through(due_date)
            event = date_event(owner, nr, due_date, outstanding, day, in_time=in_time, paused=paused)
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
                "id": str(new_id()),
                "borrower_id": str(owner.borrower_id),
                "loan_id": str(owner.loan_id),
                "old_range": old,
                "new_range": new,
                "past_due_days": past_due,
                "delinquent_days": days,
                "paused": paused,
            }
        )
        event = published.BucketChanged(owner.loan_id, owner.borrower_id, old, new, past_due, days, paused)
        self.events.append(AggregateEvent(event, published.AGGREGATE, owner.loan_id, owner.borrower_id))

    def write(self, session: Session) -> None:
        """What has changed, in one statement for each table."""
        if self.changed:
            columns = {f"c{nr}": array(column) for nr, column in enumerate(zip(*self.changed, strict=True))}
            session.execute(_AGE, {**columns, "day": self.day})
        if self.history:
            session.execute(
                _CHANGE_RANGE, {"rows": json.dumps(self.history), "day": self.day, "now": self.now}
            )
        publish_many(session, self.events)


_CHANGE_RANGE = text(
    """
    INSERT INTO lending_delinquency_history (borrower_id, id, loan_id, on_date, old_range, new_range, past_due_days,
      delinquent_days, paused, recorded_at)
    SELECT r.borrower_id, r.id, r.loan_id, :day, r.old_range, r.new_range, r.past_due_days, r.delinquent_days, r.paused, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(borrower_id uuid, id uuid, loan_id uuid, old_range text,
      new_range text, past_due_days int, delinquent_days int, paused boolean)
    """
)
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
