"""Appending events to a loan: replay before and after, and write only the difference.

One path for every kind of event: payments, charges, reversals, protection. The caller holds the loan's
row lock and has brought the loan up to the day before the open business day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Invalid
from throughline.kernel.events import AggregateEvent, Event, publish_together
from throughline.kernel.i18n import N_
from throughline.kernel.together import Row, Together
from throughline.ledger import service as ledger
from throughline.lending import events as published
from throughline.lending.account import LoanFile
from throughline.lending.accrual import Accrued
from throughline.lending.books import earned_by, plan_entries
from throughline.lending.bureau.gone_out import has_gone_out
from throughline.lending.cache import (
    replanned,
    standing_values,
    write_changed_installments,
    write_delinquency,
    write_schedule,
    write_transactions,
)
from throughline.lending.checks import HistoryError, check, check_state
from throughline.lending.event_json import payload_of
from throughline.lending.history import PAYMENTS, PLAN_CHANGES, UNDOES, EventType, LoanEvent
from throughline.lending.models import LoanEventRow
from throughline.lending.periods import ScheduleError
from throughline.lending.state import LoanState, LoanStatus

ONE_DAY = timedelta(days=1)


class EventRefused(Invalid):
    """The event does not fit the loan's history."""

    code = "event-refused"
    title = N_("This does not fit the history of the loan")


_SCHEDULE_PROBLEMS = {
    "installment_not_found": N_("No installment is due on that day"),
    "due_date_out_of_order": N_("The new due date would meet or pass another one"),
    "tranche_after_maturity": N_("No installment is left after this payout"),
    "due_dates_meet": N_("By the loan's calendar two due dates would meet"),
    "installment_too_small": N_("The installment does not repay the loan"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who records an event, under which key; `request_hash` tells another request with the same key."""

    actor: str
    idempotency_key: str
    request_hash: bytes
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What appending did. `rows` are the events' rows, `transactions` the ids of
    transaction rows, by event id."""

    before: LoanState
    after: LoanState
    rows: tuple[Row, ...]
    transactions: dict[str, UUID]


def append(
    session: Session,
    into: Together,
    file: LoanFile,
    new: Sequence[LoanEvent],
    origin: Origin,
    *,
    posting_date: date,
    reason: str,
    now: datetime,
) -> Appended:
    """Append events and gather what they change, all or nothing; the caller writes it. Raises EventRefused.

    The first event carries the idempotency key; its siblings of one batch carry the key with a number.
    """
    as_of = max(clock.local_date(now, file.row.zone), posting_date)
    before, known = file.state(as_of), list(file.events)
    for event in new:
        check_new(file, before, event, as_of)
        file.events.append(event)
    after = replayed(file, as_of)
    through = file.row.cob_through
    if after.status is LoanStatus.ACTIVE and before.status is not LoanStatus.ACTIVE:
        # A loan that becomes active (again) has no days to close one by one: its income by date is posted at once.
        through = posting_date - ONE_DAY
    earned_before, earned_after = _earned(file, known, new, through)
    plan = plan_entries(
        before,
        after,
        recognised=file.recognised,
        earned_before=earned_before,
        earned_after=earned_after,
        loan_id=file.row.id,
    )
    rows = _events(into, file, new, origin, posting_date, now)
    head = rows[0]
    drafts = [
        ledger.EntryDraft(
            key, file.row.borrower_id, file.source, head["value_date"], posting_date, file.row.currency, lines
        )
        for key, lines in (
            (f"loan-event:{head['id']}", plan.event_lines),
            (f"loan-event:{head['id']}:accrual", plan.accrual_lines),
        )
        if lines
    ]
    ledger.post_together(into, session, drafts, now=now)
    write_changed_installments(session, into, file.row, before, after, file.kept)
    if replanned(before, after):
        write_schedule(session, file.row, after, made_at_seq=rows[-1]["seq"], reason=reason)
    write_delinquency(into, file.row, after, file.kept, on=posting_date, now=now)
    transactions = write_transactions(
        session, into, file, before, after, made_by=head["id"], posting_date=posting_date
    )
    into.change(
        file.row,
        {
            **standing_values(after),
            "event_seq": rows[-1]["seq"],
            "cob_through": through,
            "recognised_interest_minor": plan.recognised.interest_minor,
            "recognised_fee_minor": plan.recognised.fee_minor,
            "recognised_penalty_minor": plan.recognised.penalty_minor,
        },
    )
    _publish_status(into, file, before, after)
    _publish_correction(session, into, file, new, posting_date)
    return Appended(before, after, rows, transactions)


def _earned(
    file: LoanFile, known: Sequence[LoanEvent], new: Sequence[LoanEvent], through: date | None
) -> tuple[Accrued, Accrued]:
    """Income by the last closed day without and with the new events.

    Money that moves on the open day changes nothing before it: then neither has to be worked out.
    """
    if through == file.row.cob_through and all(
        event.type in PAYMENTS and through is not None and event.value_date > through for event in new
    ):
        return Accrued(), Accrued()
    return earned_by(file.terms, known, through), earned_by(file.terms, file.events, through)


def check_new(file: LoanFile, before: LoanState, event: LoanEvent, as_of: date) -> None:
    """Raise EventRefused unless the event fits the loan's history and its state before it."""
    try:
        check(file.terms, file.events, event)
        check_state(before, event)
    except HistoryError as error:
        raise EventRefused(error.detail, field=error.field, reason=error.code, **error.params) from error
    # A pause may be granted ahead, and so may its last day be set ahead (the days to catch up).
    ahead = event.variation is not None or event.type in {EventType.END_VARIATIONS, *PLAN_CHANGES}
    if not ahead and event.value_date > as_of:
        raise EventRefused(N_("The value date lies in the future"), field="value_date")


def replayed(file: LoanFile, as_of: date) -> LoanState:
    """The loan with its new events. Raises EventRefused when they make no plan."""
    try:
        return file.state(as_of)
    except ScheduleError as error:
        raise EventRefused(
            _SCHEDULE_PROBLEMS.get(error.code, ""), field="variation", reason=error.code
        ) from error


def _events(
    into: Together,
    file: LoanFile,
    new: Sequence[LoanEvent],
    origin: Origin,
    posting_date: date,
    now: datetime,
) -> tuple[Row, ...]:
    return tuple(
        into.new(
            LoanEventRow,
            borrower_id=file.row.borrower_id,
            loan_id=file.row.id,
            seq=file.row.event_seq + number,
            id=UUID(event.id),
            type=event.type.value,
            value_date=event.value_date,
            posting_date=posting_date,
            recorded_at=now,
            amount_minor=event.amount_minor,
            target=UUID(event.target) if event.target else None,
            case_id=UUID(event.case) if event.case else None,
            payload=payload_of(event),
            actor=origin.actor,
            external_id=origin.external_id,
            idempotency_key=f"{origin.idempotency_key}#{number - 1}"
            if number > 1
            else origin.idempotency_key,
            request_hash=origin.request_hash,
            record_id=None,
        )
        for number, event in enumerate(new, 1)
    )


def _publish_status(into: Together, file: LoanFile, before: LoanState, after: LoanState) -> None:
    loan = file.row
    if after.closed and after.closed_on is not None and not before.closed:
        tell(
            into, file, published.LoanClosed(loan.id, loan.borrower_id, after.closed_on, after.overpaid_minor)
        )
    elif before.closed and after.status is LoanStatus.ACTIVE:
        tell(into, file, published.LoanReopened(loan.id, loan.borrower_id))


# What changes days before its own value date, whatever that is.
_REACHES_BACK = {
    EventType.REVERSAL,
    EventType.VARIATION,
    EventType.DELINQUENCY_RESUME,
    EventType.END_VARIATIONS,
    EventType.REVOKE_VARIATIONS,
    *UNDOES,
}


def _publish_correction(
    session: Session, into: Together, file: LoanFile, new: Sequence[LoanEvent], posting_date: date
) -> None:
    """What was reported of a day before may have changed: say so, if anything of it has gone out.

    Reports are of days that are closed, so an event of the open day that reaches back to none asks nothing.
    """
    back = next((one for one in new if one.type in _REACHES_BACK), None)
    first = min(new, key=lambda one: one.value_date)
    if back is None and first.value_date >= posting_date:
        return
    about = first.value_date if back is None else None
    if has_gone_out(session, file.row.borrower_id, file.row.id, about=about):
        cause = (back or first).type.value
        tell(into, file, published.ReportCorrectionNeeded(file.row.id, file.row.borrower_id, cause))


def tell(into: Together, file: LoanFile, event: Event) -> None:
    """Publish an event of this loan; the caller holds its lock."""
    publish_together(into, AggregateEvent(event, published.AGGREGATE, file.row.id, file.row.borrower_id))
