"""Reading the guard's books: reports, files, disputes; what a borrower sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text, tuple_
from sqlalchemy.orm import Session

from throughline.kernel.i18n import Text
from throughline.lending.bureau import disputes
from throughline.lending.bureau.answers import ReportUnknown
from throughline.lending.bureau.disputes import DisputeState, DisputeUnknown
from throughline.lending.bureau.models import DisputeRow, ReportFileRow, ReportItemRow, ReportRunRow
from throughline.lending.bureau.states import ItemState

# The lists that staff look at, and what each holds.
LISTS = ("held", "corrections", "refused", "waiting")


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One report. `said` are the words for the bureau; `past_due_days` never leaves."""

    id: UUID
    borrower_id: UUID
    loan_id: UUID
    month: date
    as_of: date
    state: str
    n: int
    corrects: UUID | None
    why: Text | None
    negative: bool
    past_due_days: int
    delinquent_days: int
    said: dict[str, Any]
    missing: list[dict[str, Any]]
    notice_way: str | None
    noticed_at: datetime | None
    decision_id: UUID | None
    ref: str | None
    file_id: UUID | None
    tries: int
    code: str | None
    queued_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    record_id: UUID | None
    confirmed_record_id: UUID | None
    newest: bool = True


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute with its clock. The words are the borrower's and personal; never printed."""

    id: UUID
    borrower_id: UUID
    loan_id: UUID
    item_id: UUID
    month: date
    state: str
    came_from: str
    bureau_ref: str | None
    statement: str = field(repr=False)
    opened_at: datetime
    rule_id: str
    due_on: date
    due_at: datetime
    look_by: date | None
    provisional: bool
    overdue: bool
    resolved_at: datetime | None
    resolved_by: str | None
    answer: Text | None
    answer_state: str


def reports(
    session: Session,
    *,
    borrower_id: UUID | None = None,
    loan_id: UUID | None = None,
    which: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[ReportItem]:
    """A page of reports, newest first: of a borrower, of a loan, of one of `LISTS`, or all.

    held: something negative that was not said, with what is missing; corrections: on their way; refused: by the
    bureau; waiting: not sent yet.
    """
    query = select(ReportItemRow)
    if borrower_id is not None:
        query = query.where(ReportItemRow.borrower_id == borrower_id)
    if loan_id is not None:
        query = query.where(ReportItemRow.loan_id == loan_id)
    if which is not None:
        query = _narrowed(query, which)
    if after is not None:
        query = query.where(ReportItemRow.id < after)
    rows = session.scalars(query.order_by(ReportItemRow.id.desc()).limit(limit)).all()
    return _items(session, rows)


def _narrowed(query: Select[ReportItemRow], which: str) -> Select[ReportItemRow]:
    state = ReportItemRow.state
    if which == "held":
        return query.where(text("missing <> '[]'"))  # as its index says it
    if which == "corrections":
        on_its_way = [one.value for one in (ItemState.QUEUED, ItemState.SENT, ItemState.UNKNOWN)]
        return query.where(ReportItemRow.n > 0, state.in_(on_its_way))
    if which == "refused":
        return query.where(state == ItemState.REJECTED.value)
    return query.where(state == ItemState.QUEUED.value)


def report(session: Session, item_id: UUID, *, borrower_id: UUID | None = None) -> ReportItem:
    """One report. Raises ReportUnknown, also for another borrower's."""
    row = session.scalars(select(ReportItemRow).where(ReportItemRow.id == item_id)).one_or_none()
    if row is None or (borrower_id is not None and row.borrower_id != borrower_id):
        raise ReportUnknown
    return _items(session, [row])[0]


def _items(session: Session, rows: Sequence[ReportItemRow]) -> list[ReportItem]:
    newest = _newest(session, rows)
    names = [one for one in ReportItem.__slots__ if one != "newest"]
    return [
        ReportItem(**{name: getattr(row, name) for name in names}, newest=row.id in newest) for row in rows
    ]


def _newest(session: Session, rows: Sequence[ReportItemRow]) -> set[UUID]:
    """Of these reports the ids of those that no other report of their month came after."""
    item = ReportItemRow
    if not rows:
        return set()
    found = session.execute(
        select(item.borrower_id, item.loan_id, item.month, func.max(item.n))
        .where(
            tuple_(item.borrower_id, item.loan_id).in_({(row.borrower_id, row.loan_id) for row in rows}),
            item.state != ItemState.NOT_NEEDED.value,
        )
        .group_by(item.borrower_id, item.loan_id, item.month)
    )
    last = {(borrower, loan, month): n for borrower, loan, month, n in found}
    return {row.id for row in rows if last.get((row.borrower_id, row.loan_id, row.month)) == row.n}


def files(session: Session, *, after: UUID | None = None, limit: int = 50) -> list[ReportFileRow]:
    """A page of files, newest first."""
    query = select(ReportFileRow)
    if after is not None:
        query = query.where(ReportFileRow.id < after)
    return list(session.scalars(query.order_by(ReportFileRow.id.desc()).limit(limit)))


def runs(session: Session, *, limit: int = 24) -> list[ReportRunRow]:
    """The newest months that were reported."""
    return list(session.scalars(select(ReportRunRow).order_by(ReportRunRow.month.desc()).limit(limit)))


def dispute_list(
    session: Session,
    *,
    state: str | None = None,
    borrower_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
    now: datetime,
) -> list[Dispute]:
    """A page of disputes by deadline, the nearest first; open ones, those of a borrower, or all."""
    query = select(DisputeRow)
    if state is not None:
        query = query.where(DisputeRow.state == state)
    if borrower_id is not None:
        query = query.where(DisputeRow.borrower_id == borrower_id)
    if after is not None:
        last = session.scalars(select(DisputeRow).where(DisputeRow.id == after)).one_or_none()
        if last is None:
            return []
        query = query.where(tuple_(DisputeRow.due_at, DisputeRow.id) > (last.due_at, last.id))
    rows = session.scalars(query.order_by(DisputeRow.due_at, DisputeRow.id).limit(limit))
    return [_dispute(session, row, now) for row in rows]


def dispute(session: Session, dispute_id: UUID, *, now: datetime) -> Dispute:
    """One dispute. Raises DisputeUnknown."""
    row = session.scalars(select(DisputeRow).where(DisputeRow.id == dispute_id)).one_or_none()
    if row is None:
        raise DisputeUnknown
    return _dispute(session, row, now)


def _dispute(session: Session, row: DisputeRow, now: datetime) -> Dispute:
    return Dispute(
        id=row.id,
        borrower_id=row.borrower_id,
        loan_id=row.loan_id,
        item_id=row.item_id,
        month=row.month,
        state=row.state,
        came_from=row.came_from,
        bureau_ref=row.bureau_ref,
        statement=disputes.statement_of(session, row),
        opened_at=row.opened_at,
        rule_id=row.rule_id,
        due_on=row.due_on,
        due_at=row.due_at,
        look_by=row.look_by,
        provisional=row.provisional,
        overdue=row.state == DisputeState.OPEN and now >= row.due_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        answer=disputes.answer_of(session, row),
        answer_state=row.answer_state,
    )
