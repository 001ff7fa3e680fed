"""Files on their way: made of what waits, sent once for their reference, asked about until the bureau has answered.

A file is stored whole, with its reference, before the first byte leaves. The transaction that does so asks the guard
again, under the locks of the loans: what can't be said any more leaves as "not stated".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session, aliased

from throughline.kernel import crypto
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.kernel.logging import get_logger
from throughline.lending.account import LoanFile, locked_loan
from throughline.lending.bureau import answers
from throughline.lending.bureau.corrections import say_again, worth_saying
from throughline.lending.bureau.evidence import Evidence, evidence_of
from throughline.lending.bureau.fileformat import Line, Subject, write_file
from throughline.lending.bureau.items import chain_of, item_ref, said_by
from throughline.lending.bureau.models import ReportFileRow, ReportItemRow
from throughline.lending.bureau.ports import Outcome, Reply
from throughline.lending.bureau.saying import Saying, say
from throughline.lending.bureau.settings import bureau_settings
from throughline.lending.bureau.states import FileState, ItemState, move
from throughline.lending.business_day import business_date
from throughline.notary import service as notary
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

log = get_logger(__name__)

STEP_TASK = "lending.bureau_step"
SENT_IS_LOST_AFTER = timedelta(minutes=2)
FIRST_ASK = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=6)
MAX_ASKS = 200
_ONE_AT_A_TIME = "lending.bureau.make_file"


class Act(StrEnum):
    """What is to be done with a file at the bureau."""

    SEND = "send"
    ASK = "ask"
    ANSWER = "answer"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Step:
    """The next call about a file. `content` belongs to `send`."""

    act: Act
    ref: str
    content: bytes = b""


# --- making a file ----------------------------------------------------------------------------------


def make_file(session: Session, *, now: datetime) -> UUID | None:
    """Make the next file of what waits, corrections first, and defer its sending; None when nothing waits."""
    alone = session.execute(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": _ONE_AT_A_TIME}
    ).scalar_one()
    wanted = _waiting(session, bureau_settings().file_items, now) if alone else []
    if not wanted:
        return None
    corrections = wanted[0].n > 0
    wanted = [row for row in wanted if (row.n > 0) == corrections]
    subjects = {} if corrections else _subjects(session, wanted, now)
    files = {loan_id: locked_loan(session, loan_id) for loan_id in sorted({row.loan_id for row in wanted})}
    ids = [row.id for row in wanted]
    rows = session.scalars(
        select(ReportItemRow)
        .where(ReportItemRow.id.in_(ids), ReportItemRow.state == ItemState.QUEUED.value)
        .order_by(ReportItemRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    lines = _lines(session, rows, files, subjects, now)
    if not lines:
        return None
    return _store(session, lines, "corrections" if corrections else "monthly", now)


def _waiting(session: Session, limit: int, now: datetime) -> list[ReportItemRow]:
    """What may leave now. A correction waits until the bureau has what it corrects."""
    corrected = aliased(ReportItemRow)
    item = ReportItemRow
    return list(
        session.scalars(
            select(item)
            .outerjoin(
                corrected, (corrected.borrower_id == item.borrower_id) & (corrected.id == item.corrects)
            )
            .where(
                item.state == ItemState.QUEUED.value,
                (item.not_before.is_(None)) | (item.not_before <= now),
                (item.corrects.is_(None)) | (corrected.state == ItemState.ACCEPTED.value),
            )
            .order_by((item.n > 0).desc(), item.id)
            .limit(limit)
        )
    )


def _subjects(session: Session, rows: Sequence[ReportItemRow], now: datetime) -> dict[UUID, Subject]:
    """Whom the reports are about, in clear, read before any loan is locked. Who may not be named is not there."""
    found: dict[UUID, Subject] = {}
    for borrower_id in sorted({row.borrower_id for row in rows}):
        try:
            facts = parties.person_facts(
                session, borrower_id, Purpose.CREDIT, now=now, reader="lending.bureau"
            )
        except (parties.ConsentMissing, parties.UnknownPerson):
            continue
        found[borrower_id] = Subject(facts.name, facts.id_number)
    return found


def _lines(
    session: Session,
    rows: Sequence[ReportItemRow],
    files: dict[UUID, LoanFile],
    subjects: dict[UUID, Subject],
    now: datetime,
) -> list[tuple[ReportItemRow, Line]]:
    loans = [one.row for one in files.values()]
    fresh, past = evidence_of(session, loans), evidence_of(session, loans, looking_back=True)
    lines = []
    for row in rows:
        file = files[row.loan_id]
        subject = subjects.get(row.borrower_id)
        if row.corrects is None and subject is None:
            row.state = move(ItemState(row.state), ItemState.LEFT_OUT).value
            continue
        if not _said_now(session, row, file, fresh[row.loan_id], past[row.loan_id], now):
            row.state = move(ItemState(row.state), ItemState.NOT_NEEDED).value
            continue
        lines.append((row, _line(session, row, file, subject)))
    return lines


def _said_now(
    session: Session, row: ReportItemRow, file: LoanFile, fresh: Evidence, past: Evidence, now: datetime
) -> bool:
    """Work out again what a report says, if anything may have changed; False when it says nothing new."""
    if row.corrects is not None:
        chain = chain_of(session, row)
        base = next(one for one in chain if one.id == row.corrects)
        saying = say_again(session, file, chain, past, store=True, now=now)
        restores = row.negative and not base.negative
        _take(row, saying)
        return worth_saying([one for one in chain if one.id != row.id], base, saying, restore=restores)
    if row.negative or row.event_seq != file.row.event_seq:
        today = business_date(session)
        saying = say(
            session, file.row, file.events, fresh, as_of=row.as_of, on=today, store=row.negative, now=now
        )
        if saying.said.negative and not row.negative:
            return True  # it was queued as nothing bad and stays so: worse is said next month
        _take(row, saying)
    return True


def _take(row: ReportItemRow, saying: Saying) -> None:
    if saying.said.negative and saying.decision_id is None:
        return  # nothing gets worse on the way out
    for name, value in saying.columns().items():
        setattr(row, name, value)


def _line(session: Session, row: ReportItemRow, file: LoanFile, subject: Subject | None) -> Line:
    loan = file.row
    return Line(
        ref=item_ref(row.id, row.tries),
        loan_ref=str(loan.id),
        corrects=_ref_of(session, row),
        period=f"{row.month:%Y-%m}",
        as_of=row.as_of,
        subject=subject,
        opened_on=loan.disbursed_on or loan.agreed_on,
        closed_on=loan.closed_on if loan.closed_on and loan.closed_on <= row.as_of else None,
        currency=loan.currency,
        granted_minor=loan.principal_minor,
        said=row.said,
    )


def _ref_of(session: Session, row: ReportItemRow) -> str | None:
    if row.corrects is None:
        return None
    return session.get_one(ReportItemRow, (row.borrower_id, row.corrects)).ref


def _store(session: Session, lines: Sequence[tuple[ReportItemRow, Line]], kind: str, now: datetime) -> UUID:
    file_id = new_id()
    ref = f"F{file_id.hex}"
    content, digest = write_file(ref, bureau_settings().member, kind, now, [line for _, line in lines])
    record = {"file": ref, "content": kind, "items": len(lines), "sha256": digest}
    session.add(
        ReportFileRow(
            id=file_id,
            ref=ref,
            content_kind=kind,
            state=FileState.SENT.value,
            items=len(lines),
            sha256=digest,
            content=crypto.seal(session, LENDER_ID, _place(file_id), content.decode()),
            sends=0,
            asks=0,
            record_id=notary.commit(session, LENDER_ID, "credit_report_file", record, now=now).record_id,
            sent_at=now,
            next_step_at=now + SENT_IS_LOST_AFTER,
        )
    )
    session.flush()
    for row, line in lines:
        row.state = move(ItemState(row.state), ItemState.SENT).value
        row.ref, row.file_id, row.sent_at, row.code = line.ref, file_id, row.sent_at or now, None
        if row.negative or row.corrects is not None:
            row.record_id = _commit(session, row, line, ref, now)
    session.flush()
    defer(session, STEP_TASK, {"file_id": str(file_id)})
    return file_id


def _commit(session: Session, row: ReportItemRow, line: Line, file_ref: str, now: datetime) -> UUID:
    record: dict[str, Any] = {
        "loan_id": row.loan_id,
        "report_id": row.id,
        "file": file_ref,
        "item": line.ref,
        "corrects": line.corrects,
        "month": line.period,
        "as_of": row.as_of,
        "currency": line.currency,
        "said": row.said,
        "notice": {"ref": row.notice_ref, "way": row.notice_way, "at": row.noticed_at}
        if row.negative
        else None,
        "decision_id": row.decision_id,
    }
    return notary.commit(session, row.borrower_id, "credit_report_sent", record, now=now).record_id


# --- one step of a file -----------------------------------------------------------------------------


def begin_step(session: Session, file_id: UUID, *, now: datetime) -> Step | None:
    """What to do next with a file; committed before the call. None when nothing is to be done."""
    row = _locked(session, file_id)
    state = FileState(row.state)
    if state is FileState.SENT and row.sends == 0:
        return _send(session, row, now)
    if state is FileState.SENT:
        # An earlier run died between this commit and its result: the end is not known.
        _unknown(session, row)
        state = FileState.UNKNOWN
    if state is FileState.UNKNOWN:
        row.next_step_at = now + SENT_IS_LOST_AFTER
        return Step(Act.ASK, row.ref)
    if state is FileState.RECEIVED:
        row.next_step_at = now + SENT_IS_LOST_AFTER
        return Step(Act.ANSWER, row.ref)
    row.next_step_at = None
    return None


def _send(session: Session, row: ReportFileRow, now: datetime) -> Step:
    row.sends += 1
    row.next_step_at = now + SENT_IS_LOST_AFTER
    content = crypto.open_sealed(session, LENDER_ID, _place(row.id), row.content)
    return Step(Act.SEND, row.ref, content.encode())


def record_sent(session: Session, file_id: UUID, reply: Reply, *, now: datetime) -> None:
    """Take in what the bureau said to a file."""
    row = _locked(session, file_id)
    if FileState(row.state) not in {FileState.SENT, FileState.UNKNOWN}:
        return
    if reply.outcome is Outcome.RECEIVED:
        _received(row, now)
    elif reply.outcome is Outcome.REFUSED:
        answers.refuse_file(session, row, reply.code, now=now)
    else:
        _unknown(session, row)
        _later(row, now)


def record_asked(session: Session, file_id: UUID, reply: Reply, *, now: datetime) -> Step | None:
    """Take in whether the bureau has a file. A step means: do that at once.

    What it does not have after its lag is sent once more, if all of it may still be said; else the bureau is asked
    never to take it, and what it holds is said anew.
    """
    row = _locked(session, file_id)
    if FileState(row.state) is not FileState.UNKNOWN:
        return None
    if reply.outcome is Outcome.RECEIVED:
        _received(row, now)
        _items_back(session, row)
    elif reply.outcome is Outcome.REFUSED:
        answers.refuse_file(session, row, reply.code, now=now)
    elif reply.outcome is Outcome.WITHDRAWN:
        answers.withdrawn(session, row, now=now)
    elif reply.outcome is Outcome.NOT_FOUND and _lag_is_over(row, now):
        if not _still_true(session, row, now):
            row.next_step_at = now + SENT_IS_LOST_AFTER
            return Step(Act.WITHDRAW, row.ref)
        row.state = FileState.SENT.value
        _items_back(session, row)
        return _send(session, row, now)
    else:
        _later(row, now)
    return None


def record_withdrawn(session: Session, file_id: UUID, reply: Reply, *, now: datetime) -> None:
    """Take in whether the bureau will never take a file."""
    row = _locked(session, file_id)
    if FileState(row.state) is not FileState.UNKNOWN:
        return
    if reply.outcome is Outcome.WITHDRAWN:
        answers.withdrawn(session, row, now=now)
    elif reply.outcome is Outcome.RECEIVED:
        _received(row, now)
        _items_back(session, row)
    else:
        _later(row, now)


def record_no_answer(session: Session, file_id: UUID, *, now: datetime) -> None:
    """The bureau has the file and has not answered yet."""
    row = _locked(session, file_id)
    if FileState(row.state) is FileState.RECEIVED:
        _later(row, now)


def claim_due(session: Session, *, now: datetime, limit: int = 50) -> int:
    """Defer a step for files whose time has come; returns how many."""
    due = session.execute(_CLAIM, {"now": now, "again": now + SENT_IS_LOST_AFTER, "limit": limit}).scalars()
    ids = list(due)
    for file_id in ids:
        defer(session, STEP_TASK, {"file_id": str(file_id)})
    return len(ids)


_CLAIM = text(
    """
    UPDATE lending_bureau_file SET next_step_at = :again WHERE id IN (
      SELECT id FROM lending_bureau_file WHERE next_step_at <= :now ORDER BY next_step_at LIMIT :limit
      FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


def ask_again(session: Session, file_id: UUID, *, now: datetime) -> bool:
    """Look at a file at once, also one that nobody asks about any more; False when it is settled."""
    row = session.get(ReportFileRow, file_id, with_for_update=True)
    if row is None or FileState(row.state) not in {FileState.SENT, FileState.UNKNOWN, FileState.RECEIVED}:
        return False
    row.asks, row.next_step_at = 0, now
    return True


def _still_true(session: Session, row: ReportFileRow, now: datetime) -> bool:
    """Whether everything in a file may still be said, under the locks of its loans."""
    items = session.scalars(select(ReportItemRow).where(ReportItemRow.file_id == row.id)).all()
    files = {one: locked_loan(session, one) for one in sorted({item.loan_id for item in items})}
    loans = [one.row for one in files.values()]
    fresh, past = evidence_of(session, loans), evidence_of(session, loans, looking_back=True)
    today = business_date(session)
    for item in items:
        file = files[item.loan_id]
        if item.corrects is not None:
            chain = chain_of(session, item)
            saying = say_again(session, file, chain, past[item.loan_id], store=False, now=now)
        elif item.negative or item.event_seq != file.row.event_seq:
            saying = say(
                session, file.row, file.events, fresh[item.loan_id],
                as_of=item.as_of, on=today, store=False, now=now,
            )  # fmt: skip
        else:
            continue
        if saying.said != said_by(item):
            return False
    return True


def _received(row: ReportFileRow, now: datetime) -> None:
    row.state, row.asks, row.next_step_at = FileState.RECEIVED.value, 0, now + FIRST_ASK


def _unknown(session: Session, row: ReportFileRow) -> None:
    row.state = FileState.UNKNOWN.value
    answers.move_items(session, row, ItemState.UNKNOWN)


def _items_back(session: Session, row: ReportFileRow) -> None:
    answers.move_items(session, row, ItemState.SENT)


def _later(row: ReportFileRow, now: datetime) -> None:
    row.asks += 1
    if row.asks >= MAX_ASKS:
        row.next_step_at = None
        log.error("nobody asks about a file of the bureau any more", file_ref=row.ref, state=row.state)
        return
    row.next_step_at = now + min(LONGEST_WAIT, FIRST_ASK * 2 ** min(row.asks, 20))


def _lag_is_over(row: ReportFileRow, now: datetime) -> bool:
    return now >= row.sent_at + timedelta(seconds=bureau_settings().not_found_lag_s)


def _locked(session: Session, file_id: UUID) -> ReportFileRow:
    return session.get_one(ReportFileRow, file_id, with_for_update=True, populate_existing=True)


def _place(file_id: UUID) -> str:
    return f"lending_bureau_file|{file_id}|content"


def content_of(session: Session, row: ReportFileRow) -> list[dict[str, Any]]:
    """The lines of a file as they were sent. Personal data: for tests and for a supervisor's question."""
    text_ = crypto.open_sealed(session, LENDER_ID, _place(row.id), row.content)
    return [json.loads(one) for one in text_.splitlines()]
