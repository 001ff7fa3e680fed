"""Protection of a borrower: variations put into a loan's history as one batch, and what they change.

`continuity` decides; this module refuses only what is impossible, applies all or nothing, and answers
with the difference (lending.md section 7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import N_, Text
from throughline.kernel.ids import new_id
from throughline.kernel.together import Together
from throughline.lending import events as published
from throughline.lending.account import EventRow, LoanFile, event_of, locked_loan
from throughline.lending.business_day import business_date
from throughline.lending.closing import bring_up_to_date
from throughline.lending.delinquency import delinquency
from throughline.lending.history import (
    EventType,
    LoanEvent,
    Treatment,
    Variation,
    VariationKind,
    variations_in_force,
)
from throughline.lending.holds import Hold, place_report_hold
from throughline.lending.models import LoanEventRow, VariationRow
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.writing import ONE_DAY, Appended, Origin, append, tell
from throughline.notary import service as notary

MAX_VARIATIONS = 20  # in one batch; a case has four kinds


class BatchKeyReused(Invalid):
    code = "batch-key-reused"
    title = N_("This key belongs to another batch of variations")


class CaseUnknown(NotFound):
    code = "case-unknown"
    title = N_("No variation of this loan belongs to that case")


class BatchEmpty(Invalid):
    code = "batch-empty"
    title = N_("A batch has from 1 to 20 variations")


class LoanNotPaidOut(Conflict):
    code = "loan-not-paid-out"
    title = N_("The loan has not been paid out")


class LoanClosed(Conflict):
    """Nothing is owed any more, so there is nothing to pause; the loan is left as it is."""

    code = "loan-closed"
    title = N_("The loan is closed: nothing is owed on it")


@dataclass(frozen=True, slots=True)
class VariationBatch:
    """What a case grants, all or nothing. `rule_id` is the dated rule that grants it."""

    case_id: UUID
    rule_id: str
    reason: Text
    variations: tuple[Variation, ...]
    report_hold: Hold | None
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class NewDueDate:
    """An installment whose due date moved."""

    nr: int
    old: date
    new: date


@dataclass(frozen=True, slots=True)
class VariationReceipt:
    """The difference that a change of variations made: what is taken back (negative: what comes back).

    Interest counts the whole plan, penalties and delinquent days up to today.
    """

    case_id: UUID
    interest_minor: int
    penalty_minor: int
    delinquent_days: int
    new_due_dates: tuple[NewDueDate, ...]
    record_id: UUID
    repeated: bool


def apply_variations(
    session: Session, loan_id: UUID, batch: VariationBatch, *, now: datetime
) -> VariationReceipt:
    """Apply a batch, now or back-dated. The same key again gives the receipt of the first.

    Raises LoanUnknown, LoanNotPaidOut, BatchEmpty, BatchKeyReused, EventRefused; LoanClosed for days from the
    closing on (those before it may still be protected). What it raises it raises before it has written.
    """
    file = locked_loan(session, loan_id)
    fingerprint = hashlib.sha256(rfc8785.dumps(_batch_json(batch))).digest()
    known = file.recorded.get(batch.idempotency_key)
    if known is not None:
        if known.request_hash != fingerprint:
            raise BatchKeyReused
        return _receipt_of(known)
    if not 1 <= len(batch.variations) <= MAX_VARIATIONS:
        raise BatchEmpty
    if file.row.disbursed_on is None:
        raise LoanNotPaidOut
    closed_on = _closed_on(file)
    if closed_on is not None and any(one.from_date >= closed_on for one in batch.variations):
        raise LoanClosed
    new = [
        LoanEvent(
            id=str(new_id()),
            type=EventType.VARIATION,
            value_date=one.from_date,
            variation=one,
            case=str(batch.case_id),
        )
        for one in batch.variations
    ]
    done = _append(session, file, new, batch.idempotency_key, fingerprint, batch.rule_id, now=now)
    session.add_all(
        VariationRow(
            borrower_id=file.row.borrower_id,
            event_id=UUID(event.id),
            loan_id=loan_id,
            case_id=batch.case_id,
            kind=one.kind.value,
            from_date=one.from_date,
            to_date=one.to_date,
            shift_following=one.shift_following,
            rule_id=batch.rule_id,
            reason=batch.reason,
            revoked_by=None,
        )
        for event, one in zip(new, batch.variations, strict=True)
    )
    if batch.report_hold is not None:
        place_report_hold(session, loan_id, batch.report_hold, now=now)
    return _finish(session, file, done, batch.case_id, "applied", batch.reason, batch.rule_id, now=now)


def end_variations(
    session: Session, loan_id: UUID, case_id: UUID, last_day: date, *, reason: Text, now: datetime
) -> VariationReceipt:
    """Set the last day of a case's pauses (interest and penalty stand through it, the clock of delinquency
    runs again from the day after). Ending never lengthens; a repeat with the same day changes nothing.

    Raises LoanUnknown, CaseUnknown; LoanClosed, because cutting a pause that the borrower settled by could make
    a closed loan owe again.
    """
    event_type, key = EventType.END_VARIATIONS, f"end:{case_id}:{last_day}"
    return _take_away(session, loan_id, case_id, event_type, last_day, key, reason, now=now)


def revoke_variations(
    session: Session, loan_id: UUID, case_id: UUID, reason: Text, *, now: datetime
) -> VariationReceipt:
    """Take back a grant made in error: the replay runs as if it had never been. Raises LoanUnknown, CaseUnknown."""
    file = locked_loan(session, loan_id)
    event_type, key = EventType.REVOKE_VARIATIONS, f"revoke:{case_id}"
    return _take_away(session, file.row.id, case_id, event_type, business_date(session), key, reason, now=now)


def _take_away(
    session: Session,
    loan_id: UUID,
    case_id: UUID,
    event_type: EventType,
    day: date,
    key: str,
    reason: Text,
    *,
    now: datetime,
) -> VariationReceipt:
    file = locked_loan(session, loan_id)
    known = file.recorded.get(key)
    if known is not None:
        return _receipt_of(known)
    if not any(event.case == str(case_id) for event in file.events):
        raise CaseUnknown
    if event_type is EventType.END_VARIATIONS and _closed_on(file) is not None:
        raise LoanClosed
    new = LoanEvent(id=str(new_id()), type=event_type, value_date=day, case=str(case_id))
    done = _append(session, file, [new], key, b"", event_type.value, now=now)
    _refresh_rows(session, file, case_id, UUID(new.id))
    change = "ended" if event_type is EventType.END_VARIATIONS else "revoked"
    return _finish(session, file, done, case_id, change, reason, "", now=now)


def _closed_on(file: LoanFile) -> date | None:
    """The day from which nothing is owed; None while the loan is not closed."""
    return None if file.row.status == LoanStatus.ACTIVE.value else file.row.closed_on


def _append(
    session: Session,
    file: LoanFile,
    new: Sequence[LoanEvent],
    key: str,
    fingerprint: bytes,
    why: str,
    *,
    now: datetime,
) -> Appended:
    posting_date = business_date(session)
    bring_up_to_date(session, file, through=posting_date - ONE_DAY, now=now)
    origin = Origin("continuity", key, fingerprint)
    rows = Together()
    done = append(session, rows, file, new, origin, posting_date=posting_date, reason=why, now=now)
    rows.write(session)
    return done


def _refresh_rows(session: Session, file: LoanFile, case_id: UUID, by: UUID) -> None:
    """Bring the rows that SQL joins to what stands now: cut to their last day, or marked as taken away."""
    rows = session.scalars(
        select(VariationRow).where(
            VariationRow.borrower_id == file.row.borrower_id,
            VariationRow.loan_id == file.row.id,
            VariationRow.case_id == case_id,
            VariationRow.revoked_by.is_(None),
        )
    )
    history = list(file.events)
    for row in rows:
        # What became of this one variation: the history without its siblings of the case.
        alone = [
            event
            for event in history
            if event.type is not EventType.VARIATION or event.id == str(row.event_id)
        ]
        standing = variations_in_force(alone)
        if standing:
            row.to_date = standing[0].to_date
        else:
            row.revoked_by = by
    session.flush()


def _finish(
    session: Session,
    file: LoanFile,
    done: Appended,
    case_id: UUID,
    change: str,
    reason: Text,
    rule_id: str,
    *,
    now: datetime,
) -> VariationReceipt:
    """Measure the difference, commit it to the notary, keep it with the event, publish it."""
    before, after = done.before, done.after
    difference: dict[str, Any] = {
        "interest_minor": _due(before, 1) - _due(after, 1),
        "penalty_minor": _due(before, 3) - _due(after, 3),
        "delinquent_days": delinquency(before, before.as_of).delinquent_days
        - delinquency(after, after.as_of).delinquent_days,
        "new_due_dates": [
            [new.nr, old.due_date.isoformat(), new.due_date.isoformat()]
            for old, new in zip(before.installments, after.installments, strict=False)
            if old.due_date != new.due_date
        ],
    }
    record = {
        "loan_id": file.row.id,
        "case_id": case_id,
        "change": change,
        "rule_id": rule_id,
        "reason": reason,
        "currency": file.row.currency,
        "variations": [_variation_json(one) for one in variations_in_force(file.events)],
        **difference,
    }
    rows = Together()
    head = session.get_one(LoanEventRow, (file.row.borrower_id, file.row.id, done.rows[0]["seq"]))
    head.record_id = notary.commit(
        session, file.row.borrower_id, "protection", record, now=now, into=rows
    ).record_id
    head.payload = {**head.payload, "difference": difference}
    receipt = _receipt(head, case_id, difference, repeated=False)
    tell(
        rows,
        file,
        published.VariationsChanged(
            file.row.id,
            file.row.borrower_id,
            case_id,
            change,
            receipt.interest_minor,
            receipt.penalty_minor,
            receipt.delinquent_days,
            receipt.record_id,
        ),
    )
    rows.write(session)
    return receipt


def _due(state: LoanState, component: int) -> int:
    return sum(row.due[component] for row in state.installments)


def _receipt_of(row: EventRow) -> VariationReceipt:
    case = event_of(row).case or ""
    return _receipt(row, UUID(case), row.payload["difference"], repeated=True)


def _receipt(row: EventRow, case_id: UUID, difference: dict[str, Any], *, repeated: bool) -> VariationReceipt:
    if row.record_id is None:
        raise LookupError("a change of variations has its record")
    return VariationReceipt(
        case_id=case_id,
        interest_minor=difference["interest_minor"],
        penalty_minor=difference["penalty_minor"],
        delinquent_days=difference["delinquent_days"],
        new_due_dates=tuple(
            NewDueDate(nr, date.fromisoformat(old), date.fromisoformat(new))
            for nr, old, new in difference["new_due_dates"]
        ),
        record_id=row.record_id,
        repeated=repeated,
    )


def _batch_json(batch: VariationBatch) -> dict[str, Any]:
    hold = batch.report_hold
    return {
        "case_id": str(batch.case_id),
        "rule_id": batch.rule_id,
        "variations": [_variation_json(one) for one in batch.variations],
        "report_hold": [hold.source, hold.from_date.isoformat(), str(hold.until_date)] if hold else None,
    }


def _variation_json(one: Variation) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": one.kind.value,
        "from": one.from_date.isoformat(),
        "to": one.to_date.isoformat(),
    }
    if one.kind is VariationKind.DUE_DATE_SHIFT:
        document["shift_following"] = one.shift_following
    if one.treatment is not Treatment.FORGIVE:
        document["treatment"] = one.treatment.value
    return document
