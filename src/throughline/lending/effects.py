"""What each recorded event changed on the day it was recorded: the loan with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.lending.account import read_loan
from throughline.lending.delinquency import delinquency
from throughline.lending.history import REVERSIBLE, EventType, cancelled
from throughline.lending.models import LoanEventRow
from throughline.lending.replay import replay
from throughline.lending.state import LoanState, LoanStatus


@dataclass(frozen=True, slots=True)
class Effect:
    """The differences that one event made, after minus before, as of the day of its recording.

    `undo` is the type of event that takes it back, if one can, with `undo_target` as what it is about.
    """

    late_days: int
    outstanding_minor: int
    interest_minor: int
    penalty_minor: int
    delinquent_days: int
    status: tuple[LoanStatus, LoanStatus] | None
    moved: tuple[tuple[int, date, date], ...]
    undo: EventType | None
    undo_target: UUID | None


_UNDO = {
    EventType.CHARGE: EventType.WAIVE_CHARGE,
    EventType.WAIVE_CHARGE: EventType.UNDO_WAIVER,
    EventType.CHARGE_OFF: EventType.UNDO_CHARGE_OFF,
    EventType.WRITE_OFF: EventType.UNDO_WRITE_OFF,
}


def effects(session: Session, loan_id: UUID, rows: Sequence[LoanEventRow]) -> dict[UUID, Effect]:
    """The effect of each of these events of a loan, by their ids. Raises LoanUnknown."""
    file = read_loan(session, loan_id)
    gone = cancelled(file.events)
    found = {}
    # The loan after one event is the loan before the next one, if that was recorded on the same day.
    newest: tuple[int, date, LoanState] | None = None
    for row in rows:
        as_of = max(clock.local_date(row.recorded_at, file.row.zone), row.posting_date)
        if newest is not None and newest[:2] == (row.seq - 1, as_of):
            before = newest[2]
        else:
            before = replay(file.terms, file.events[: row.seq - 1], as_of=as_of)
        after = replay(file.terms, file.events[: row.seq], as_of=as_of)
        newest = (row.seq, as_of, after)
        found[row.id] = _effect(row, before, after, taken_back=str(row.id) in gone)
    return found


def _effect(row: LoanEventRow, before: LoanState, after: LoanState, *, taken_back: bool) -> Effect:
    kind = EventType(row.type)
    undo = EventType.REVERSAL if kind in REVERSIBLE else _UNDO.get(kind)
    target = {EventType.REVERSAL: row.id, EventType.WAIVE_CHARGE: row.id, EventType.UNDO_WAIVER: row.target}
    dates = {one.nr: one.due_date for one in before.installments}
    return Effect(
        late_days=max(0, (row.posting_date - row.value_date).days),
        outstanding_minor=sum(after.outstanding) - sum(before.outstanding),
        interest_minor=_due(after, 1) - _due(before, 1),
        penalty_minor=_due(after, 3) - _due(before, 3),
        delinquent_days=delinquency(after, after.as_of).delinquent_days
        - delinquency(before, before.as_of).delinquent_days,
        status=(before.status, after.status) if before.status is not after.status else None,
        moved=tuple(
            (one.nr, dates[one.nr], one.due_date)
            for one in after.installments
            if dates.get(one.nr, one.due_date) != one.due_date
        ),
        undo=None if taken_back else undo,
        undo_target=target.get(undo) if undo else None,
    )


def _due(state: LoanState, component: int) -> int:
    return sum(row.due[component] for row in state.installments)
