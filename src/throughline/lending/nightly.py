"""Closing a day of many loans at once: SQL multiplies, rounds and moves, by the accrual plans (lending.md section 11).

The numbers are those of the pure path in `closing`; a test compares the rows of both. The loans are locked by
the caller; everything here runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import plain_array
from throughline.ledger import service as ledger
from throughline.lending.accrual import Accrued
from throughline.lending.ageing import watch
from throughline.lending.day_end import day_debits, day_key
from throughline.lending.locked import OpenLoan, keys_of

ONE_DAY = timedelta(days=1)


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
        counts.penalties += _bring_penalties(session, [one.loan for one in metered], day)
    watched = [one for one in loans if one.watch_from is not None and one.watch_from <= day]
    if watched:
        meters = {one.loan.owner.loan_id: one.meters for one in metered} if more_follow else {}
        aged = watch(session, watched, meters, day, now=now)
        counts.ageing += aged.loans
        counts.due_dates += aged.dates
    for one in loans:
        one.cob_through = day
    return counts


def keep(session: Session, loans: Iterable[OpenLoan]) -> None:
    """Write how far loans are closed and what of their income is in the books."""
    rows = list(loans)
    session.execute(
        _KEEP,
        {
            **keys_of(rows),
            "through": plain_array(one.cob_through for one in rows),
            "interest": plain_array(one.known.interest_minor for one in rows),
            "fee": plain_array(one.known.fee_minor for one in rows),
            "penalty": plain_array(one.known.penalty_minor for one in rows),
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


def forget_failures(session: Session, loans: Iterable[OpenLoan]) -> None:
    """These loans go on: why they waited is over."""
    session.execute(_FORGET, keys_of(loans))


_FORGET = text(
    """
    DELETE FROM lending_cob_failure f USING unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[])) AS t(b, l)
    WHERE f.borrower_id = t.b AND f.loan_id = t.l
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


# --- income -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Metered:
    """A loan on which penalty interest runs or has run, and the penalty of its installments by number."""

    loan: OpenLoan
    meters: dict[int, int]


def _accrue(
    session: Session,
    loans: Sequence[OpenLoan],
    day: date,
    posting_date: date,
    counts: Counts,
    now: datetime,
) -> list[_Metered]:
    """Post the income of a day; returns the loans on which penalty interest runs or has run."""
    metered, entries = [], ledger.NewEntries(posting_date)
    given = {**keys_of(loans), "modes": plain_array(one.mode for one in loans), "day": day}
    for place, interest, fee, penalty, running, numbers, penalties in session.execute(_EARNED, given):
        loan = loans[place - 1]
        before = loan.known
        new = Accrued(
            min(loan.interest_limit_minor, max(interest, before.interest_minor)),
            min(loan.fee_limit_minor, max(fee, before.fee_minor)),
            min(loan.penalty_charged_minor + running, max(penalty, before.penalty_minor)),
        )
        if new != before:
            entries.add(
                key=day_key(loan.loan, day),
                borrower=loan.borrower,
                source=loan.source,
                value_date=day,
                currency=loan.owner.currency,
                loan=loan.loan,
                debits=day_debits(before, new),
            )
            loan.known = new
        if running:
            metered.append(_Metered(loan, dict(zip(numbers, penalties, strict=True))))
    entries.post(session, now=now)
    counts.accrual += len(entries)
    return metered


# Many lines are flat: what has not begun, and what stands still. They need no rounding.
_AMOUNT = (
    "s.base_minor + CASE WHEN s.n0 = 0 AND s.n1 = 0 THEN least(s.cap_minor, 0) ELSE "
    "least(s.cap_minor, kernel_round(s.n0 + (:day - s.from_date) * s.n1, s.d, {mode})) END"
)
_HOLDS = "s.from_date <= :day AND (s.to_date IS NULL OR s.to_date >= :day)"
_PICKED = "unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[])) AS t(borrower_id, loan_id)"
_EARNED = text(
    f"""
    SELECT t.place, e.*
    FROM unnest(CAST(:borrowers AS uuid[]), CAST(:loans AS uuid[]), CAST(:modes AS text[]))
      WITH ORDINALITY AS t(borrower_id, loan_id, mode, place)
    CROSS JOIN LATERAL (
      SELECT CAST(coalesce(sum(v.amount) FILTER (WHERE s.kind = 'interest'), 0) AS bigint) AS interest,
        CAST(coalesce(sum(v.amount) FILTER (WHERE s.kind = 'fee'), 0) AS bigint) AS fee,
        CAST(coalesce(sum(v.amount) FILTER (WHERE s.kind = 'penalty'), 0) AS bigint) AS penalty,
        CAST(coalesce(sum(v.amount) FILTER (WHERE s.installment_nr IS NOT NULL), 0) AS bigint) AS running,
        array_agg(CAST(s.installment_nr AS int)) FILTER (WHERE s.installment_nr IS NOT NULL) AS numbers,
        array_agg(CAST(s.charged_minor + v.amount AS bigint)) FILTER (WHERE s.installment_nr IS NOT NULL) AS penalties
      FROM lending_accrual_segment s
      CROSS JOIN LATERAL (SELECT {_AMOUNT.format(mode="t.mode")} AS amount) v
      WHERE s.borrower_id = t.borrower_id AND s.loan_id = t.loan_id AND {_HOLDS}) e
    """
)


def _bring_penalties(session: Session, loans: Sequence[OpenLoan], day: date) -> int:
    """Penalty interest into the installments and what the loans owe; returns how many installments moved."""
    moved = session.execute(_PENALTIES, {**keys_of(loans), "day": day}).one()
    return int(moved.installments)


_VALUE = _AMOUNT.format(mode="p.mode")
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
