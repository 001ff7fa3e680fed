"""Borrowers who are late, their notices, and what stands about them here and at the bureau."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from messaging.people import Borrower, register
from payments.support_servers import Simulator, wait_for
from support.loans import paid_out_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.bureau import audit, notices, reporting
from throughline.lending.bureau.models import ReportItemRow
from throughline.messaging import service as messaging
from throughline.messaging.models import MsgIntent, MsgStep
from throughline.parties.purposes import Purpose

REASON = {"zh-CN": "运营商通知停机。", "en": "The carrier says that the line was suspended."}


@dataclass
class Late:
    """A borrower whose first installment is open since last month; `due` is its day."""

    borrower: Borrower
    loan_id: UUID
    due: date

    @property
    def id(self) -> UUID:
        return self.borrower.id


def today() -> date:
    return clock.local_date(clock.now(), settings().zone)


def last_month() -> date:
    """The first day of the month before this one."""
    return (today().replace(day=1) - timedelta(days=1)).replace(day=1)


def noon(day: date) -> datetime:
    """Noon in Shanghai."""
    return datetime.combine(day, time(4), tzinfo=UTC)


def late(database: Database, *, days_ago: int | None = None) -> Late:
    """Usually a loan whose first installment fell due early last month and whose second is not in that month."""
    if days_ago is None:
        days_ago = (today() - last_month()).days + 25
    borrower = register(database, Purpose.CREDIT, Purpose.CONTACT)
    with database.transaction() as session:
        loan_id = paid_out_loan(session, borrower.id, days_ago=days_ago)
        due = lending.loan_view(session, loan_id).installments[0].due_date
    return Late(borrower, loan_id, due)


def ask_notice(session: Session, who: Late, on: date) -> UUID:
    """Ask for the notice on a day; nothing of it is sent by that alone."""
    from throughline.lending.account import read_loan

    notices.tell_ahead(session, read_loan(session, who.loan_id).row, who.due, now=noon(on))
    return session.scalars(
        select(MsgIntent.id).where(
            MsgIntent.borrower_id == who.id, MsgIntent.template == "negative_report_ahead"
        )
    ).one()


def read_notice(session: Session, who: Late, on: date) -> None:
    """The borrower opens the notice in the app on a day."""
    for one in messaging.inbox(session, who.id):
        messaging.mark_read(session, who.id, one.id, now=noon(on))


def arrive(session: Session, who: Late, on: date, channel: str = "sms") -> None:
    """The provider says that the notice arrived on a day: what its receipt leaves behind, if it had not arrived yet."""
    ids = select(MsgIntent.id).where(
        MsgIntent.borrower_id == who.id, MsgIntent.template == "negative_report_ahead"
    )
    session.execute(
        update(MsgStep)
        .where(MsgStep.borrower_id == who.id, MsgStep.intent_id.in_(ids), MsgStep.channel == channel)
        .where(MsgStep.state != "delivered")
        .values(state="delivered", act_at=None, changed_at=noon(on))
        .execution_options(synchronize_session=False)
    )


def noticed(database: Database, who: Late) -> None:
    """A notice that was asked for two days after the due day and read a day later."""
    with database.transaction() as session:
        ask_notice(session, who, who.due + timedelta(days=2))
        read_notice(session, who, who.due + timedelta(days=3))


def report(database: Database, month: date | None = None) -> None:
    """Report a month, last month without one; whoever is in its book already stays as reported."""
    month = month or last_month()
    with database.transaction() as session:
        session.execute(text("DELETE FROM lending_bureau_run WHERE month = :month"), {"month": month})
        reporting.start_run(session, month, now=clock.now())
    while database.run(lambda session: reporting.report_stretch(session, month, now=clock.now(), limit=3)):
        pass


def items(session: Session, who: Late) -> list[ReportItemRow]:
    return list(
        session.scalars(
            select(ReportItemRow)
            .where(ReportItemRow.borrower_id == who.id, ReportItemRow.loan_id == who.loan_id)
            .order_by(ReportItemRow.month, ReportItemRow.n)
            .execution_options(populate_existing=True)
        )
    )


def states(database: Database, who: Late) -> list[tuple[str, str]]:
    """State and rating of each report of a loan, oldest first."""
    with database.transaction() as session:
        return [(row.state, row.said["rating"]) for row in items(session, who)]


def record(desk: Simulator, who: Late) -> dict[str, Any]:
    """What the bureau's books say of a loan for its newest month."""
    found = [row for row in desk.rows("records") if row["loan"] == str(who.loan_id)]
    return found[-1] if found else {}


def answered(desk: Simulator) -> None:
    """The bureau has answered every file that it has."""
    wait_for(lambda: all(row["state"] != "received" for row in desk.rows("files")))


def protect(session: Session, who: Late, first: date, last: date, *, case_id: UUID | None = None) -> UUID:
    """A protection for days that are over, as continuity grants it when it learns of an outage late."""
    case, V = case_id or new_id(), lending.VariationKind  # noqa: N806
    lending.apply_variations(
        session,
        who.loan_id,
        lending.VariationBatch(
            case_id=case,
            rule_id="test",
            reason=REASON,
            variations=(
                lending.Variation(V.DELINQUENCY_PAUSE, first, last + timedelta(days=1)),
                lending.Variation(V.PENALTY_PAUSE, first, last),
            ),
            report_hold=lending.Hold(f"protection_case:{case}", first, last, REASON),
            idempotency_key=f"protect:{case}",
        ),
        now=clock.now(),
    )
    return case


def nothing_unproved(database: Database) -> None:
    with database.transaction() as session:
        assert audit.unproved(session) == []
