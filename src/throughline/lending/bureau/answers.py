"""What the bureau answered: item by item, once, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.lending import events as published
from throughline.lending.account import locked_loan
from throughline.lending.bureau import notices
from throughline.lending.bureau.fileformat import Answered
from throughline.lending.bureau.items import chain_of
from throughline.lending.bureau.models import ReportFileRow, ReportItemRow
from throughline.lending.bureau.states import FileState, ItemState, move
from throughline.notary import service as notary

# Refusals that time may heal; all others need a person.
PASSING = frozenset({"BUSY", "NO_ORIGINAL", "LATER"})
MAX_TRIES = 6
FIRST_TRY = timedelta(minutes=1)
LONGEST_TRY = timedelta(hours=12)
ASK_AGAIN = timedelta(minutes=1)


class ReportUnknown(NotFound):
    code = "credit-report-unknown"
    title = N_("There is no such credit report")


class NotRefused(Conflict):
    code = "credit-report-not-refused"
    title = N_("Only a report that the bureau refused can be sent again")


def take_answers(session: Session, file_id: UUID, said: Sequence[Answered], *, now: datetime) -> int:
    """Settle the items of a file by the bureau's answers; returns how many are still open.

    A repeat changes nothing; an answer about an item that is not in the file is passed over.
    """
    loans = session.scalars(
        select(ReportItemRow.loan_id)
        .where(ReportItemRow.file_id == file_id, ReportItemRow.corrects.is_not(None))
        .distinct()
    ).all()
    for loan_id in sorted(loans):
        locked_loan(
            session, loan_id
        )  # before what hangs on it; an event of the loan is published under its lock
    row = session.get_one(ReportFileRow, file_id, with_for_update=True, populate_existing=True)
    if FileState(row.state) not in {FileState.RECEIVED, FileState.UNKNOWN}:
        return 0
    answered = {one.ref: one for one in said}
    open_items = 0
    for item in _items(session, row):
        answer = answered.get(item.ref or "")
        if answer is None:
            open_items += ItemState(item.state) in {ItemState.SENT, ItemState.UNKNOWN}
        elif ItemState(item.state) in {ItemState.SENT, ItemState.UNKNOWN}:
            _settle(session, item, answer, now)
    if open_items:
        row.next_step_at = now + ASK_AGAIN
    else:
        row.state, row.answered_at, row.next_step_at = FileState.ANSWERED.value, now, None
    session.flush()
    return open_items


def refuse_file(session: Session, row: ReportFileRow, code: str | None, *, now: datetime) -> None:
    """The bureau refused a file as a whole: nothing of it was taken."""
    row.state, row.code, row.answered_at, row.next_step_at = FileState.REFUSED.value, code, now, None
    for item in _items(session, row):
        if ItemState(item.state) in {ItemState.SENT, ItemState.UNKNOWN}:
            _settle(session, item, Answered(item.ref or "", "rejected", code), now)


def withdrawn(session: Session, row: ReportFileRow, *, now: datetime) -> None:
    """The bureau will never take the file: what was in it waits again and is worked out anew."""
    row.state, row.answered_at, row.next_step_at = FileState.WITHDRAWN.value, now, None
    for item in _items(session, row):
        if ItemState(item.state) in {ItemState.SENT, ItemState.UNKNOWN}:
            item.state = move(ItemState(item.state), ItemState.QUEUED).value
            item.tries += 1
            item.ref = item.file_id = item.sent_at = item.record_id = None
    session.flush()


def move_items(session: Session, row: ReportFileRow, to: ItemState) -> None:
    """Items that are not settled go with their file."""
    for item in _items(session, row):
        if ItemState(item.state) in {ItemState.SENT, ItemState.UNKNOWN}:
            item.state = move(ItemState(item.state), to).value
    session.flush()


def retry(session: Session, item_id: UUID, *, now: datetime) -> None:
    """Send a refused report again, by a person. Raises ReportUnknown, NotRefused."""
    item = session.scalars(
        select(ReportItemRow).where(ReportItemRow.id == item_id).with_for_update()
    ).one_or_none()
    if item is None:
        raise ReportUnknown
    if ItemState(item.state) is not ItemState.REJECTED:
        raise NotRefused
    _again(item, not_before=None)
    session.flush()


def _items(session: Session, row: ReportFileRow) -> list[ReportItemRow]:
    return list(
        session.scalars(
            select(ReportItemRow)
            .where(ReportItemRow.file_id == row.id)
            .order_by(ReportItemRow.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def _settle(session: Session, item: ReportItemRow, answer: Answered, now: datetime) -> None:
    item.answered_at = now
    if answer.taken:
        item.state = move(ItemState(item.state), ItemState.ACCEPTED).value
        item.code = None
        if item.corrects is not None:
            _confirmed(session, item, now)
        return
    item.state = move(ItemState(item.state), ItemState.REJECTED).value
    item.code = answer.code
    _follow(session, item)
    if answer.code in PASSING and item.tries < MAX_TRIES:
        _again(item, not_before=now + min(LONGEST_TRY, FIRST_TRY * 4**item.tries))


def _again(item: ReportItemRow, *, not_before: datetime | None) -> None:
    item.state = move(ItemState(item.state), ItemState.QUEUED).value
    item.tries += 1
    item.not_before, item.file_id, item.ref = not_before, None, None


def _follow(session: Session, refused: ReportItemRow) -> None:
    """A correction of what the bureau refused corrects what it took before that, or nothing."""
    chain = chain_of(session, refused)
    taken = [one for one in chain if ItemState(one.state) is ItemState.ACCEPTED and one.n < refused.n]
    for item in chain:
        if item.corrects == refused.id and ItemState(item.state) is ItemState.QUEUED:
            if taken:
                item.corrects = taken[-1].id
            elif refused.code not in PASSING:
                item.state = move(ItemState(item.state), ItemState.NOT_NEEDED).value


def _confirmed(session: Session, item: ReportItemRow, now: datetime) -> None:
    """The bureau took a correction: proved for the borrower, told, published. The loan is locked."""
    record = {
        "loan_id": item.loan_id,
        "report_id": item.id,
        "item": item.ref,
        "month": f"{item.month:%Y-%m}",
        "said": item.said,
        "why": item.why,
        "sent_record_id": item.record_id,
    }
    item.confirmed_record_id = notary.commit(
        session, item.borrower_id, "credit_report_corrected", record, now=now
    ).record_id
    notices.tell_corrected(session, item.borrower_id, item.loan_id, item.id, item.month, now=now)
    publish(
        session,
        published.CreditReportCorrected(
            item.loan_id, item.borrower_id, item.id, item.month, item.negative, item.confirmed_record_id
        ),
        aggregate_type=published.AGGREGATE,
        aggregate_id=item.loan_id,
        borrower_id=item.borrower_id,
    )
