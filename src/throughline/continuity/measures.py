"""A case's measures on its loan: put on as one batch, cut at the last day, taken back whole, due date moved."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from throughline.compliance.calendars import working_days
from throughline.continuity.models import ProtectionCase
from throughline.continuity.policy import Facts, Outcome, Verdict, Window
from throughline.contracts.outage import OutageRow
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.lending import service as lending
from throughline.lending.service import EventRefused, Variation, VariationKind

ONE_DAY = timedelta(days=1)
CALENDAR = "CN"


def put_on(
    session: Session, loan_id: UUID, batch_id: UUID, verdict: Verdict, facts: Facts, *, now: datetime
) -> lending.VariationReceipt | None:
    """Put a verdict's measures on the loan; None where it only holds reports.

    Raises LoanClosed, LoanNotPaidOut, before anything is written.
    """
    row, window = verdict.row, verdict.window
    if row is None or window is None:
        raise ValueError("only a verdict with a window has measures")
    until = window.last if facts.ended is not None and verdict.outcome is Outcome.GRANTED else None
    hold = lending.Hold(hold_source(batch_id), window.first, until, verdict.reason)
    variations = _variations(verdict.measures, window)
    if not variations:
        lending.place_report_hold(session, loan_id, hold, now=now)
        return None
    batch = lending.VariationBatch(
        case_id=batch_id,
        rule_id=row.id,
        reason=verdict.reason,
        variations=variations,
        report_hold=hold if "report_hold" in verdict.measures else None,
        idempotency_key=f"protect:{batch_id}",
    )
    return lending.apply_variations(session, loan_id, batch, now=now)


def cut(
    session: Session, loan_id: UUID, batch_id: UUID, last_day: date, *, reason: Text, now: datetime
) -> bool:
    """Make `last_day` the last day of a batch; False where the loan is closed and its pauses stay as they are."""
    open_loan = True
    try:
        lending.end_variations(session, loan_id, batch_id, last_day, reason=reason, now=now)
    except lending.LoanClosed:
        open_loan = False
    except lending.CaseUnknown:
        pass  # it holds reports only
    lending.end_report_hold(session, loan_id, hold_source(batch_id), last_day)
    return open_loan


def take_back(session: Session, loan_id: UUID, batch_id: UUID, *, reason: Text, now: datetime) -> None:
    """Take a batch back whole: the loan stands as if it had never been. A moved due date moves back too."""
    for name in (batch_id, shift_id(batch_id)):
        with suppress(lending.CaseUnknown):  # it never moved a due date, or it holds reports only
            lending.revoke_variations(session, loan_id, name, reason, now=now)
    lending.lift_report_hold(session, loan_id, hold_source(batch_id), reason=reason, now=now)


def shift_due_date(
    session: Session, case: ProtectionCase, row: OutageRow, back_on: date, *, now: datetime
) -> date | None:
    """Move the due date that fell into an outage of ours to the working days after its end; None: it stays.

    The days of the move bear no interest. A date that would reach the next installment's stays where it is: the
    pauses of the case hold all the same.
    """
    inside = case.first_day is not None and case.first_day <= case.due_date <= back_on
    if row.shift_working_days is None or not inside or case.batch_id is None:
        return None
    new = back_on
    for _ in range(max(1, row.shift_working_days)):
        new = working_days(CALENDAR).on_or_after(new + ONE_DAY)
    variations = [Variation(VariationKind.DUE_DATE_SHIFT, case.due_date, new)]
    if "interest_pause" in case.measures:
        variations.append(Variation(VariationKind.INTEREST_PAUSE, case.due_date, new - ONE_DAY))
    batch = lending.VariationBatch(
        case_id=shift_id(case.batch_id),
        rule_id=row.id,
        reason=bilingual(
            N_("The due date moves from %(old)s to %(new)s because our service failed then."),
            old=case.due_date.isoformat(),
            new=new.isoformat(),
        ),
        variations=tuple(variations),
        report_hold=None,
        idempotency_key=f"shift:{case.batch_id}",
    )
    try:
        lending.apply_variations(session, case.loan_id, batch, now=now)
    except (EventRefused, lending.LoanClosed, lending.LoanNotPaidOut):
        return None
    return new


def hold_source(batch_id: UUID) -> str:
    """The name of a case's hold on bureau reports."""
    return f"protection_case:{batch_id}"


def shift_id(batch_id: UUID) -> UUID:
    """The name of the batch that moves the due date of a case with that batch."""
    return uuid5(batch_id, "shift")


def difference(receipt: lending.VariationReceipt) -> dict[str, int]:
    """What a batch changed on the loan, as it is kept with the case."""
    return {
        "interest_minor": receipt.interest_minor,
        "penalty_minor": receipt.penalty_minor,
        "delinquent_days": receipt.delinquent_days,
    }


def _variations(measures: frozenset[str], window: Window) -> tuple[Variation, ...]:
    """The measures as dated variations. The clock of delinquency runs again the day after the window."""
    ends = {
        "delinquency_pause": window.last + ONE_DAY,
        "penalty_pause": window.last,
        "interest_pause": window.last,
    }
    return tuple(
        Variation(VariationKind(kind), window.first, last) for kind, last in ends.items() if kind in measures
    )
