"""Borrowers with a loan and a phone line, and what is heard of the line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from messaging.people import Borrower, register
from support.loans import usual_loan
from throughline.continuity import service
from throughline.continuity.models import ProtectionCase
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.business_day import locked_business_day

REASON: Text = {"zh-CN": "运营商通知停机。", "en": "The carrier says that the line is suspended."}


@dataclass
class Debtor:
    """A borrower with one loan; `due` is the day of its first installment."""

    borrower: Borrower
    loan_id: UUID
    due: date
    line_id: UUID = field(default_factory=new_id)

    @property
    def id(self) -> UUID:
        return self.borrower.id

    def news(
        self, state: str = "suspended", probability: str = "0.9700", *, since: date | None = None
    ) -> service.LineNews:
        """What `line` says; `since` noon of a day (today without it)."""
        return service.LineNews(
            line_id=self.line_id,
            borrower_id=self.id,
            contact_point_id=self.borrower.phone,
            state=state,
            probability=probability,
            cannot_receive=probability,
            since=noon(since) if since else clock.now(),
            reason=REASON,
            evidence=["camara:1"],
        )

    def hear(self, session: Session, state: str = "suspended", probability: str = "0.9700",
             *, since: date | None = None) -> UUID | None:  # fmt: skip
        return service.on_line_news(session, self.news(state, probability, since=since), now=clock.now())

    def cases(self, session: Session) -> list[ProtectionCase]:
        session.flush()
        return service.protections_of_loan(session, self.loan_id)


def today() -> date:
    return clock.local_date(clock.now(), settings().zone)


def noon(day: date) -> datetime:
    """Noon in Shanghai: the same calendar day in UTC."""
    return datetime.combine(day, time(4), tzinfo=UTC)


def debtor(database: Database, *, started_days_ago: int = 40) -> Debtor:
    """A loan of CNY 3,000 over six months, paid out so many days ago; nothing is paid back yet."""
    borrower = register(database)
    with database.transaction() as session:
        loan_id, due = paid_out(session, borrower.id, started_days_ago=started_days_ago)
    return Debtor(borrower, loan_id, due)


def paid_out(session: Session, borrower_id: UUID, *, started_days_ago: int) -> tuple[UUID, date]:
    start = today() - timedelta(days=started_days_ago)
    loan_id = lending.open_loan(
        session,
        usual_loan(borrower_id, start),
        now=clock.now(),
    )
    event = lending.NewEvent(
        type=lending.EventType.DISBURSEMENT, value_date=start, amount_minor=300_000,
        idempotency_key=f"payout:{loan_id}",
    )  # fmt: skip
    lending.record_event(session, loan_id, event, now=clock.now())
    return loan_id, lending.loan_view(session, loan_id).installments[0].due_date


@contextmanager
def rolled_back(database: Database) -> Iterator[Session]:
    """A session whose work is thrown away: examples do not see each other."""
    with Session(database.engine, expire_on_commit=False) as session:
        transaction = session.begin()
        yield session
        transaction.rollback()


def set_business_day(session: Session, day: date) -> None:
    """The close of business has come to this day."""
    row = locked_business_day(session)
    assert row is not None
    row.open_day = day
    session.flush()
