"""A loan account as its verbs hold it: the locked row, the terms, and the events read back as values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_
from throughline.kernel.statement import Statement
from throughline.lending.accrual import Accrued
from throughline.lending.business_day import ONLY, first_business_date
from throughline.lending.event_json import details_of
from throughline.lending.history import EventType, LoanEvent
from throughline.lending.models import LoanEventRow, LoanRow
from throughline.lending.reading_json import Node
from throughline.lending.replay import Walk
from throughline.lending.state import LoanState
from throughline.lending.terms import LoanTerms
from throughline.lending.terms_json import read_terms


class RecordedEvent(NamedTuple):
    """An event as it is stored, only read."""

    id: UUID
    seq: int
    type: str
    value_date: date
    amount_minor: int | None
    target: UUID | None
    case_id: UUID | None
    payload: dict[str, Any]
    idempotency_key: str
    request_hash: bytes
    record_id: UUID | None


EventRow = LoanEventRow | RecordedEvent  # as the session keeps it, or only read
_EVENT = ", ".join(f"e.{name}" for name in RecordedEvent._fields)
# One statement for all that every verb reads of its loan; the row of a loan without events is empty.
_EVENTS = Statement(
    f"""
    SELECT (SELECT open_day FROM lending_business_day WHERE id = {ONLY}),
      (SELECT count(*) FROM lending_installment WHERE borrower_id = $1 AND loan_id = $2),
      (SELECT range FROM lending_delinquency WHERE borrower_id = $1 AND loan_id = $2),
      {_EVENT}
    FROM (SELECT 1) AS always LEFT JOIN lending_event e ON e.borrower_id = $1 AND e.loan_id = $2
    ORDER BY e.seq
    """
)
_EVENTS_OF_MANY = Statement(
    f"""
    SELECT e.loan_id, {_EVENT} FROM lending_event e WHERE e.borrower_id = ANY ($1) AND e.loan_id = ANY ($2)
    ORDER BY e.loan_id, e.seq
    """
)
_LOAN = select(LoanRow).where(LoanRow.id == bindparam("loan_id"))
_LOCKED = _LOAN.with_for_update().execution_options(populate_existing=True)
_LOCKED_IF_FREE = _LOAN.with_for_update(skip_locked=True).execution_options(populate_existing=True)


class LoanUnknown(NotFound):
    code = "loan-unknown"
    title = N_("There is no such loan")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a loan's newest state, as far as it has to be known before that is written anew."""

    installments: int  # how many rows there are; none when the cache was dropped or never made
    range: str | None  # of delinquency, as last set


@dataclass(slots=True)
class LoanFile:
    """One loan: its row (locked for writing, or only read), its terms, its events in the order of recording.

    `open_day` is the business day that was open when the loan was read.
    """

    row: LoanRow
    terms: LoanTerms
    open_day: date
    kept: Kept
    events: list[LoanEvent]
    recorded: dict[str, EventRow] = field(default_factory=dict)  # by idempotency key
    _newest: tuple[int, Walk] | None = None  # how many events were walked, and the walk

    def state(self, as_of: date) -> LoanState:
        """The loan replayed to a day. Asked again for that day it is replayed only if events came that
        the walk of before does not take."""
        count, walk = self._newest or (0, None)
        new = self.events[count:]
        if walk is None or walk.as_of != as_of or not all(walk.takes(event) for event in new):
            walk, new = Walk.through(self.terms, self.events, as_of=as_of), []
        for event in new:
            walk.go_on(event)
        self._newest = (len(self.events), walk)
        return walk.state

    @property
    def recognised(self) -> Accrued:
        """The income in the books so far."""
        row = self.row
        return Accrued(row.recognised_interest_minor, row.recognised_fee_minor, row.recognised_penalty_minor)

    @recognised.setter
    def recognised(self, value: Accrued) -> None:
        self.row.recognised_interest_minor = value.interest_minor
        self.row.recognised_fee_minor = value.fee_minor
        self.row.recognised_penalty_minor = value.penalty_minor

    @property
    def source(self) -> str:
        """How the ledger names this loan."""
        return source_of(self.row.id)


def source_of(loan_id: UUID) -> str:
    """The source of a loan's entries and payment orders."""
    return f"loan:{loan_id}"


def lock_loan(session: Session, loan_id: UUID, *, skip_locked: bool = False) -> LoanFile | None:
    """The loan under its row lock: the first thing that every writing verb does.

    Raises LoanUnknown. With `skip_locked` None when somebody else holds the lock or the loan is gone.
    """
    lock = _LOCKED_IF_FREE if skip_locked else _LOCKED
    row = session.scalars(lock, {"loan_id": loan_id}).one_or_none()
    if row is None:
        if skip_locked:
            return None
        raise LoanUnknown
    return _file(session, row)


def locked_loan(session: Session, loan_id: UUID) -> LoanFile:
    """The loan under its row lock, waiting for it if need be. Raises LoanUnknown."""
    file = lock_loan(session, loan_id)
    if file is None:
        raise LoanUnknown
    return file


def read_loan(session: Session, loan_id: UUID, *, borrower_id: UUID | None = None) -> LoanFile:
    """The loan without a lock, for reading. Raises LoanUnknown, also for another borrower's loan."""
    query = select(LoanRow).where(LoanRow.id == loan_id)
    if borrower_id is not None:
        query = query.where(LoanRow.borrower_id == borrower_id)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise LoanUnknown
    return _file(session, row)


def _file(session: Session, row: LoanRow) -> LoanFile:
    found = _EVENTS.rows(session, row.borrower_id, row.id)
    open_day, kept_installments, kept_range, first, *_ = found[0]
    events = [RecordedEvent._make(one[3:]) for one in found] if first is not None else []
    return LoanFile(
        row,
        terms_of(row),
        open_day or first_business_date(),
        Kept(kept_installments, kept_range),
        [event_of(event) for event in events],
        {event.idempotency_key: event for event in events},
    )


def events_of(session: Session, rows: Sequence[LoanRow]) -> dict[UUID, list[LoanEvent]]:
    """The events of many loans in the order of recording, by loan: one statement for all, for batch work."""
    found: dict[UUID, list[LoanEvent]] = {row.id: [] for row in rows}
    events = _EVENTS_OF_MANY.rows(session, [row.borrower_id for row in rows], list(found))
    for loan_id, *event in events:
        found[loan_id].append(event_of(RecordedEvent._make(event)))
    return found


def terms_of(row: LoanRow) -> LoanTerms:
    """The frozen terms of a loan."""
    return _terms_of(json.dumps(row.terms, sort_keys=True), row.currency)


@lru_cache(maxsize=4_096)
def _terms_of(document: str, currency: str) -> LoanTerms:
    """Terms are immutable and read again with every event, so the reading is kept."""
    return read_terms(Node("$.terms", json.loads(document)), currency)


def event_of(row: EventRow) -> LoanEvent:
    """A stored event as the replay takes it."""
    payload = row.payload
    return LoanEvent(
        id=str(row.id),
        type=EventType(row.type),
        value_date=row.value_date,
        amount_minor=row.amount_minor,
        target=str(row.target) if row.target else None,
        case=str(row.case_id) if row.case_id else None,
        **details_of(payload),
    )
