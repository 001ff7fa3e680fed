"""What is kept of a state so that SQL can read it: transactions, allocations, installments, plan versions,
variations, delinquency. None of it is a source of truth; all of it can be made again from the events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from throughline.kernel.events import AggregateEvent, publish_together
from throughline.kernel.ids import new_id
from throughline.kernel.together import Together
from throughline.lending import events
from throughline.lending.account import Kept, LoanFile
from throughline.lending.delinquency import Delinquency, delinquency, frozen_range
from throughline.lending.models import (
    AllocationRow,
    DelinquencyHistoryRow,
    DelinquencyRow,
    InstallmentRow,
    LoanRow,
    ScheduleRow,
    TransactionRow,
)
from throughline.lending.state import InstallmentState, LoanState, Transaction


def write_transactions(
    session: Session,
    into: Together,
    file: LoanFile,
    before: LoanState,
    after: LoanState,
    *,
    made_by: UUID,
    posting_date: date,
) -> dict[str, UUID]:
    """Append what changed: new transactions, replayed ones with other portions, reversals of vanished ones.

    Returns the ids of the rows, by event id.
    """
    old = {one.id: one for one in before.transactions}
    new = {one.id: one for one in after.transactions}
    changed = [one for one in after.transactions if _portions(old.get(one.id)) != _portions(one)]
    gone = [one for one in before.transactions if one.id not in new]
    newest = _newest_rows(session, file.row, [one.id for one in (*changed, *gone) if one.id in old])
    written = {}
    for one in changed:
        row = _transaction(file.row, one, made_by, posting_date)
        into.new(TransactionRow, **{**row, "replay_of": newest.get(one.id)})
        written[one.id] = row["id"]
        for values in allocation_values(one):
            into.new(AllocationRow, borrower_id=file.row.borrower_id, transaction_id=row["id"], **values)
    for one in gone:
        row = _transaction(file.row, one, made_by, posting_date, sign=-1)
        into.new(TransactionRow, **{**row, "reversal_of": newest.get(one.id)})
    return written


def _portions(one: Transaction | None) -> tuple[Any, ...] | None:
    # The balance after a transaction moves with every back-dated event; alone it is no reason for a new row.
    return (one.amount_minor, one.portions, one.overpayment_minor, one.lines) if one else None


def _newest_rows(session: Session, row: LoanRow, event_ids: Sequence[str]) -> dict[str, UUID]:
    if not event_ids:
        return {}
    found = session.execute(
        select(TransactionRow.event_id, TransactionRow.id)
        .where(
            TransactionRow.borrower_id == row.borrower_id,
            TransactionRow.loan_id == row.id,
            TransactionRow.event_id.in_([UUID(one) for one in event_ids]),
        )
        .ext(distinct_on(TransactionRow.event_id))
        .order_by(TransactionRow.event_id, TransactionRow.id.desc())
    )
    return {str(event_id): row_id for event_id, row_id in found}


def _transaction(
    loan: LoanRow, one: Transaction, made_by: UUID, posting_date: date, sign: int = 1
) -> dict[str, Any]:
    return {
        "borrower_id": loan.borrower_id,
        "id": new_id(),
        "loan_id": loan.id,
        "made_by": made_by,
        "posting_date": posting_date,
        "replay_of": None,
        "reversal_of": None,
        **transaction_values(one, sign),
    }


def transaction_values(one: Transaction, sign: int = 1) -> dict[str, Any]:
    """The columns of a transaction that its replay decides; `sign` -1 takes it back."""
    principal, interest, fee, penalty = one.portions
    return {
        "event_id": UUID(one.id),
        "type": one.type.value,
        "value_date": one.value_date,
        "amount_minor": sign * one.amount_minor,
        "principal_minor": sign * principal,
        "interest_minor": sign * interest,
        "fee_minor": sign * fee,
        "penalty_minor": sign * penalty,
        "overpayment_minor": sign * one.overpayment_minor,
        "principal_balance_minor": one.principal_balance_minor,
    }


def allocation_values(one: Transaction) -> list[dict[str, Any]]:
    """What a transaction paid, by installment and component."""
    amounts: dict[tuple[int, str], int] = {}
    for line in one.lines:
        place = (line.installment, line.component.name.lower())
        amounts[place] = amounts.get(place, 0) + line.amount_minor
    return [
        {"installment_nr": nr, "component": component, "amount_minor": amount}
        for (nr, component), amount in amounts.items()
    ]


def write_installments(session: Session, loan: LoanRow, state: LoanState) -> None:
    """Bring the installment rows to a state."""
    known = {
        row.nr: row
        for row in session.scalars(
            select(InstallmentRow).where(
                InstallmentRow.borrower_id == loan.borrower_id, InstallmentRow.loan_id == loan.id
            ),
            execution_options={"populate_existing": True},
        )
    }
    for one in state.installments:
        row = known.pop(one.nr, None)
        if row is None:
            row = InstallmentRow(borrower_id=loan.borrower_id, loan_id=loan.id, nr=one.nr)
            session.add(row)
        for name, value in installment_values(one).items():
            setattr(row, name, value)
    for row in known.values():
        session.delete(row)
    for name, value in standing_values(state).items():
        setattr(loan, name, value)


def write_changed_installments(
    session: Session, into: Together, loan: LoanRow, before: LoanState, after: LoanState, known: Kept
) -> None:
    """Bring only those installment rows to a state that differ from the state before.

    When rows are missing, because the cache was dropped or never made, all are written.
    """
    old = {one.nr: one for one in before.installments}
    whole = known.installments == len(old)
    for one in after.installments:
        kept = old.get(one.nr)
        if not whole or (kept is not one and kept != one):  # most are the very same
            into.replace(
                InstallmentRow,
                borrower_id=loan.borrower_id,
                loan_id=loan.id,
                nr=one.nr,
                **installment_values(one),
            )
    if known.installments > len(after.installments):
        session.execute(
            delete(InstallmentRow).where(
                InstallmentRow.borrower_id == loan.borrower_id,
                InstallmentRow.loan_id == loan.id,
                InstallmentRow.nr.not_in([one.nr for one in after.installments]),
            )
        )


def installment_values(one: InstallmentState) -> dict[str, Any]:
    """The columns of an installment, but for its key."""
    return {
        "from_date": one.from_date,
        "due_date": one.due_date,
        "due_minor": list(one.due),
        "paid_minor": list(one.paid),
        "waived_minor": list(one.waived),
        "outstanding_minor": one.outstanding_minor,
        "obligations_met_on": one.obligations_met_on,
    }


def standing_values(state: LoanState) -> dict[str, Any]:
    """The columns of a loan that say where it stands."""
    return {
        "status": state.status.value,
        "disbursed_on": state.disbursed_on,
        "closed_on": state.closed_on,
        "outstanding_minor": sum(state.outstanding),
    }


def write_schedule(
    session: Session, loan: LoanRow, state: LoanState, *, made_at_seq: int, reason: str
) -> None:
    """Keep a new version of the plan, if dates or planned amounts differ from the newest one."""
    plan = planned(state)
    newest = session.scalars(
        select(ScheduleRow)
        .where(ScheduleRow.borrower_id == loan.borrower_id, ScheduleRow.loan_id == loan.id)
        .order_by(ScheduleRow.version.desc())
        .limit(1)
    ).first()
    if plan and (newest is None or newest.installments != plan):
        session.add(
            ScheduleRow(
                borrower_id=loan.borrower_id,
                loan_id=loan.id,
                version=newest.version + 1 if newest else 1,
                reason=reason,
                made_at_seq=made_at_seq,
                installments=plan,
            )
        )


def replanned(before: LoanState, after: LoanState) -> bool:
    """Whether dates or planned amounts have changed."""
    return before.schedule is not after.schedule and planned(before) != planned(after)


def planned(state: LoanState) -> list[dict[str, Any]]:
    """The plan of a loan as a version of it is kept."""
    return [
        {
            "nr": row.nr,
            "from": row.from_date.isoformat(),
            "due_date": row.due_date.isoformat(),
            "principal_minor": row.principal_minor,
            "interest_minor": row.interest_minor,
        }
        for row in (state.schedule.installments if state.schedule else ())
    ]


def write_delinquency(
    into: Together, loan: LoanRow, state: LoanState, known: Kept, *, on: date, now: datetime
) -> None:
    """Set the range of a loan for a day; a change goes into the history and is published."""
    late = delinquency(state, on)
    old = known.range
    new = frozen_range(old, late.range, state.terms.ranges, paused=late.paused)
    owner = {"borrower_id": loan.borrower_id, "loan_id": loan.id}
    into.replace(DelinquencyRow, **owner, **delinquency_values(late, new))
    if new == old:
        return
    into.new(
        DelinquencyHistoryRow,
        **owner,
        id=new_id(),
        on_date=on,
        old_range=old,
        new_range=new,
        past_due_days=late.past_due_days,
        delinquent_days=late.delinquent_days,
        paused=late.paused,
        recorded_at=now,
    )
    changed = events.BucketChanged(
        loan.id, loan.borrower_id, old, new, late.past_due_days, late.delinquent_days, late.paused
    )
    publish_together(into, AggregateEvent(changed, events.AGGREGATE, loan.id, loan.borrower_id))


def delinquency_values(late: Delinquency, standing: str | None) -> dict[str, Any]:
    """The columns of a loan's lateness; `standing` is the range that is kept."""
    return {
        "on_date": late.on,
        "past_due_days": late.past_due_days,
        "paused_days": late.paused_days,
        "delinquent_days": late.delinquent_days,
        "delinquent_since": late.delinquent_since,
        "range": standing,
        "amount_minor": late.amount_minor,
        "paused": late.paused,
    }


def rebuild(session: Session, file: LoanFile, *, as_of: date) -> LoanState:
    """Drop the installment rows of a loan and make them again from its events; returns the state."""
    session.execute(
        delete(InstallmentRow).where(
            InstallmentRow.borrower_id == file.row.borrower_id, InstallmentRow.loan_id == file.row.id
        )
    )
    state = file.state(as_of)
    write_installments(session, file.row, state)
    session.flush()
    return state


def open_rows(state: LoanState) -> list[InstallmentState]:
    """Installments on which something is still to be paid."""
    return [row for row in state.installments if row.outstanding_minor > 0]
