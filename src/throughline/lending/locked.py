"""Loans that the night has locked, with the heads of their plans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from throughline.kernel.db import plain_array
from throughline.lending.account import source_of
from throughline.lending.accrual import Accrued
from throughline.lending.day_end import Owner
from throughline.lending.rates import Span
from throughline.lending.segments import VERSION


@dataclass(slots=True)
class OpenLoan:
    """A locked loan, the head of its plan, and its books as they move from day to day."""

    owner: Owner
    borrower: str  # the ids once more, as the texts that every statement takes
    loan: str
    source: str
    cob_through: date
    known: Accrued
    mode: str
    interest_limit_minor: int
    fee_limit_minor: int
    penalty_charged_minor: int
    watch_from: date | None
    pauses: tuple[Span, ...]
    valid_until: date | None


@dataclass(slots=True)
class Locked:
    """A batch of locked loans: those that a plan describes, those whose plan is old, and those to be replayed."""

    by_plan: list[OpenLoan] = field(default_factory=list)
    to_plan: list[UUID] = field(default_factory=list)
    by_replay: list[UUID] = field(default_factory=list)
    last: UUID | None = None

    def __len__(self) -> int:
        return len(self.by_plan) + len(self.to_plan) + len(self.by_replay)


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
        elif row.to_plan:
            batch.to_plan.append(row.id)
        else:
            batch.by_replay.append(row.id)
    return batch


def _open_loan(row: Row[Any]) -> OpenLoan:
    return OpenLoan(
        Owner(row.borrower_id, row.id, row.currency),
        str(row.borrower_id),
        str(row.id),
        source_of(row.id),
        row.cob_through,
        Accrued(row.recognised_interest_minor, row.recognised_fee_minor, row.recognised_penalty_minor),
        row.mode,
        row.interest_limit_minor,
        row.fee_limit_minor,
        row.penalty_charged_minor,
        row.watch_from,
        tuple((date.fromisoformat(one), date.fromisoformat(other)) for one, other in row.pauses or ()),
        row.valid_until,
    )


_LOCK_SQL = """
    SELECT l.borrower_id, l.id, l.currency, l.cob_through, l.recognised_interest_minor, l.recognised_fee_minor,
      l.recognised_penalty_minor, p.interest_limit_minor, p.fee_limit_minor, p.penalty_charged_minor, p.watch_from,
      nullif(p.pauses, '[]') AS pauses, p.valid_until, p.mode,
      coalesce(p.version = :version AND NOT p.needs_replay AND p.event_seq = l.event_seq
        AND p.valid_from <= l.cob_through + 1 AND (p.valid_until IS NULL OR p.valid_until > l.cob_through),
        false) AS by_plan,
      coalesce(NOT p.needs_replay AND (p.version <> :version OR p.event_seq <> l.event_seq
        OR p.valid_until <= l.cob_through), p.loan_id IS NULL) AS to_plan
    FROM lending_loan l LEFT JOIN lending_accrual_plan p ON p.borrower_id = l.borrower_id AND p.loan_id = l.id
    WHERE l.status = 'active' AND l.cob_through < :day AND l.id BETWEEN :first AND :last
      AND (CAST(:after AS uuid) IS NULL OR l.id > CAST(:after AS uuid))
    ORDER BY l.id LIMIT :limit FOR UPDATE OF l
"""
_LOCK_PATIENTLY = text(_LOCK_SQL)
_LOCK = text(_LOCK_SQL + " SKIP LOCKED")


def keys_of(loans: Iterable[OpenLoan]) -> dict[str, str]:
    """The keys of loans, as parameters of a statement."""
    rows = list(loans)
    return {
        "borrowers": plain_array(one.borrower for one in rows),
        "loans": plain_array(one.loan for one in rows),
    }
