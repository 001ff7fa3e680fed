"""Disputes: a borrower says that a report is wrong, here or at the bureau. A hold stands until it is decided.

While it is open nothing negative about that month is said, also not what was said already: the report is corrected to
"not stated, disputed". Upheld, it stays so for ever; refused, what stood before comes back through the guard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import LOCALES, N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.lending.account import locked_loan
from throughline.lending.bureau import notices
from throughline.lending.bureau.answers import ReportUnknown
from throughline.lending.bureau.clocks import dispute_clock
from throughline.lending.bureau.corrections import check_loan
from throughline.lending.bureau.models import BureauCursorRow, DisputeRow, ReportItemRow
from throughline.lending.bureau.ports import BureauDispute, Outcome, Reply
from throughline.lending.bureau.states import GONE_OUT, ItemState
from throughline.lending.holds import Hold, end_report_hold, lift_report_hold, place_report_hold
from throughline.notary import service as notary

log = get_logger(__name__)

SOURCE = "credit_dispute"
ANSWER_TASK = "lending.bureau_answer_dispute"
CURSOR = "disputes"
MAX_CHARS = 2_000
MAX_ASKS = 100
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=6)
LEASE = timedelta(minutes=2)
HELD_FOR = N_("You dispute this report; until it is decided nothing negative is said about that month.")


class DisputeUnknown(NotFound):
    code = "credit-dispute-unknown"
    title = N_("There is no such dispute of a credit report")


class NothingReported(Conflict):
    code = "nothing-reported"
    title = N_("Only what the bureau has been told can be disputed")


class DisputeDecided(Conflict):
    code = "credit-dispute-decided"
    title = N_("The dispute is decided already")


class ReasonNeeded(Invalid):
    code = "reason-needed"
    title = N_("A decision needs its reason in Chinese and in English, each up to 2,000 characters")


class WordsNeeded(Invalid):
    code = "words-needed"
    title = N_("Please say what is wrong, in up to 2,000 characters")


class DisputeState(StrEnum):
    """Where a dispute stands."""

    OPEN = "open"
    UPHELD = "upheld"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Resolution:
    """A decision about a dispute. `upheld`: for the borrower."""

    upheld: bool
    reason: Text
    by: str


def open_dispute(
    session: Session,
    item_id: UUID,
    statement: str,
    *,
    borrower_id: UUID | None = None,
    bureau_ref: str | None = None,
    opened_at: datetime | None = None,
    now: datetime,
) -> UUID:
    """Open a dispute of a report; an open one of the same loan and month is that dispute.

    With `borrower_id` another borrower's report is ReportUnknown. Raises NothingReported, WordsNeeded.
    """
    item = session.scalars(select(ReportItemRow).where(ReportItemRow.id == item_id)).one_or_none()
    if item is None or (borrower_id is not None and item.borrower_id != borrower_id):
        raise ReportUnknown
    words = statement.strip()
    if not words or len(words) > MAX_CHARS:
        raise WordsNeeded(WordsNeeded.title, field="statement")
    loan = locked_loan(session, item.loan_id).row
    session.refresh(item)
    if ItemState(item.state) not in GONE_OUT:
        raise NothingReported
    known = _known(session, item, bureau_ref)
    if known is not None:
        return known
    at = opened_at or now
    clock = dispute_clock(at, settings().jurisdiction, settings().zone)
    dispute_id = new_id()
    session.add(
        DisputeRow(
            borrower_id=item.borrower_id,
            id=dispute_id,
            loan_id=loan.id,
            item_id=item.id,
            month=item.month,
            state=DisputeState.OPEN.value,
            came_from="bureau" if bureau_ref else "borrower",
            bureau_ref=bureau_ref,
            statement=crypto.seal(session, item.borrower_id, _place(dispute_id, "statement"), words),
            opened_at=at,
            rule_id=clock.rule_id,
            due_on=clock.due_on,
            due_at=clock.due_at,
            look_by=clock.look_by,
            provisional=clock.provisional,
            answer_state="none",
            asks=0,
        )
    )
    session.flush()
    hold = Hold(source_of(dispute_id), item.month, None, bilingual(HELD_FOR))
    place_report_hold(session, loan.id, hold, now=now)
    return dispute_id


def _known(session: Session, item: ReportItemRow, bureau_ref: str | None) -> UUID | None:
    query = select(DisputeRow.id).where(DisputeRow.borrower_id == item.borrower_id)
    if bureau_ref is not None:
        found = session.execute(query.where(DisputeRow.bureau_ref == bureau_ref)).scalar_one_or_none()
        if found is not None:
            return found
    row = session.scalars(
        select(DisputeRow).where(
            DisputeRow.borrower_id == item.borrower_id,
            DisputeRow.loan_id == item.loan_id,
            DisputeRow.month == item.month,
            DisputeRow.state == DisputeState.OPEN.value,
        )
    ).one_or_none()
    if row is not None and bureau_ref is not None and row.bureau_ref is None:
        row.bureau_ref = bureau_ref  # the bureau is answered with the one decision
    return row.id if row is not None else None


def source_of(dispute_id: UUID) -> str:
    """The source of a dispute's hold."""
    return f"{SOURCE}:{dispute_id}"


def resolve(session: Session, dispute_id: UUID, decision: Resolution, *, now: datetime) -> None:
    """Decide a dispute: the hold ends, the borrower is told, the bureau is answered if it came from there.

    Upheld, the month stays protected for ever and its report is corrected; refused, what stood comes back through
    the guard. Raises DisputeUnknown, DisputeDecided, ReasonNeeded.
    """
    if not all(0 < len(decision.reason.get(one, "").strip()) <= MAX_CHARS for one in LOCALES):
        raise ReasonNeeded(ReasonNeeded.title, field="reason")
    found = session.scalars(select(DisputeRow).where(DisputeRow.id == dispute_id)).one_or_none()
    if found is None:
        raise DisputeUnknown
    locked_loan(session, found.loan_id)
    row = session.get_one(
        DisputeRow, (found.borrower_id, dispute_id), with_for_update=True, populate_existing=True
    )
    if row.state != DisputeState.OPEN:
        raise DisputeDecided
    state = DisputeState.UPHELD if decision.upheld else DisputeState.REFUSED
    row.state, row.resolved_at, row.resolved_by = state.value, now, decision.by
    row.answer = crypto.seal(
        session, row.borrower_id, _place(row.id, "answer"), json.dumps(decision.reason, ensure_ascii=False)
    )
    if row.bureau_ref is not None:
        row.answer_state, row.next_step_at = "due", now
        defer(session, ANSWER_TASK, {"dispute_id": str(row.id)})
    session.flush()
    item = session.get_one(ReportItemRow, (row.borrower_id, row.item_id))
    if decision.upheld:
        end_report_hold(session, row.loan_id, source_of(row.id), item.as_of)
    else:
        lift_report_hold(session, row.loan_id, source_of(row.id), reason=decision.reason, now=now)
    record = {
        "loan_id": row.loan_id,
        "dispute_id": row.id,
        "report_id": row.item_id,
        "month": f"{row.month:%Y-%m}",
        "decision": state.value,
        "reason": decision.reason,
        "opened_at": row.opened_at,
        "due_on": row.due_on,
        "rule_id": row.rule_id,
    }
    notary.commit(session, row.borrower_id, "credit_dispute_decided", record, now=now)
    notices.tell_answered(session, row.borrower_id, row.loan_id, row.id, row.month, now=now)
    check_loan(session, row.loan_id, restore=not decision.upheld, now=now)


# --- what comes and goes through the bureau ---------------------------------------------------------


def cursor(session: Session) -> int:
    """The number of the last dispute that was read at the bureau."""
    row = session.get(BureauCursorRow, CURSOR)
    return row.after if row else 0


def take_in(session: Session, rows: Sequence[BureauDispute], *, now: datetime) -> int:
    """Open the disputes that the bureau forwards and move on; returns how many are ours."""
    opened = 0
    for one in rows:
        item_id = session.scalars(
            select(ReportItemRow.id).where(ReportItemRow.ref == one.item_ref)
        ).one_or_none()
        if item_id is None:
            log.error("the bureau forwards a dispute of a report that is not ours", dispute=one.ref)
        else:
            open_dispute(
                session,
                item_id,
                one.statement or "–",
                bureau_ref=one.ref,
                opened_at=min(one.opened_at, now),
                now=now,
            )
            opened += 1
        session.execute(
            insert(BureauCursorRow)
            .values(name=CURSOR, after=one.nr)
            .on_conflict_do_update(index_elements=["name"], set_={"after": one.nr})
        )
    return opened


@dataclass(frozen=True, slots=True)
class DueAnswer:
    """An answer that the bureau waits for. `key` names it: repeated, it is the same answer."""

    ref: str
    key: str
    outcome: str
    text: str


def begin_answer(session: Session, dispute_id: UUID, *, now: datetime) -> DueAnswer | None:
    """The answer to send, committed as on its way before the call; None when none is due."""
    row = session.scalars(
        select(DisputeRow).where(DisputeRow.id == dispute_id).with_for_update()
    ).one_or_none()
    if row is None or row.bureau_ref is None or row.answer_state not in {"due", "unknown"}:
        return None
    # Until the bureau has said so nobody knows; the same answer again is the same for its key.
    row.answer_state, row.next_step_at = "unknown", now + LEASE
    reason: Text = answer_of(session, row) or {}
    said = "\n".join(reason[one] for one in LOCALES if one in reason)
    return DueAnswer(row.bureau_ref, f"dispute-{row.id.hex}", row.state, said)


def record_answer(session: Session, dispute_id: UUID, reply: Reply, *, now: datetime) -> None:
    """Take in what the bureau said to an answer."""
    row = session.scalars(select(DisputeRow).where(DisputeRow.id == dispute_id).with_for_update()).one()
    if row.answer_state != "unknown":
        return
    row.asks += 1
    if reply.outcome is Outcome.RECEIVED:
        row.answer_state, row.next_step_at = "done", None
    elif reply.outcome is Outcome.REFUSED or row.asks >= MAX_ASKS:
        row.answer_state, row.next_step_at = "failed", None
        log.error("the bureau does not take the answer to a dispute", dispute=row.bureau_ref, code=reply.code)
    else:
        row.next_step_at = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(row.asks, 20))


def claim_due(session: Session, *, now: datetime, limit: int = 50) -> int:
    """Defer the sending of answers whose time has come; returns how many."""
    ids = list(session.execute(_CLAIM, {"now": now, "again": now + LEASE, "limit": limit}).scalars())
    for dispute_id in ids:
        defer(session, ANSWER_TASK, {"dispute_id": str(dispute_id)})
    return len(ids)


_CLAIM = text(
    """
    UPDATE lending_bureau_dispute SET next_step_at = :again WHERE id IN (
      SELECT id FROM lending_bureau_dispute WHERE next_step_at <= :now ORDER BY next_step_at LIMIT :limit
      FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


def statement_of(session: Session, row: DisputeRow) -> str:
    """The borrower's words."""
    return crypto.open_sealed(session, row.borrower_id, _place(row.id, "statement"), row.statement)


def answer_of(session: Session, row: DisputeRow) -> Text | None:
    """The reason of the decision in both languages; None before it."""
    if row.answer is None:
        return None
    found: Text = json.loads(
        crypto.open_sealed(session, row.borrower_id, _place(row.id, "answer"), row.answer)
    )
    return found


def _place(dispute_id: UUID, column: str) -> str:
    return f"lending_bureau_dispute|{dispute_id}|{column}"
