"""A loan that is closed needs no protection: its case ends or is refused with a reason, and the loan is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, set_business_day, today
from throughline.continuity import chronicle, protection, service
from throughline.continuity.models import ProtectionCase
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import publish
from throughline.lending import service as lending
from throughline.lending.events import InstallmentDue
from throughline.lending.state import LoanStatus
from throughline.messaging import service as messaging

DAY = timedelta(days=1)
RULE = outage.newest().rows[0]


@pytest.fixture(autouse=True)
def _todays_business(database: Database) -> Iterator[None]:
    yield
    with database.transaction() as session:
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": today()})


def record(session: Session, debtor: Debtor, kind: str, on: date, **fields: Any) -> None:
    new = lending.NewEvent(lending.EventType(kind), on, f"{kind}:{on}", **fields)
    lending.record_event(session, debtor.loan_id, new, now=clock.now())


def close(session: Session, debtor: Debtor, kind: str = "pay_off") -> None:
    """Give the loan up, or settle it by the amount of the quote, as a borrower does."""
    fields = {}
    if kind == "pay_off":
        fields["amount_minor"] = lending.payoff(session, debtor.loan_id, today()).total_minor
    record(session, debtor, kind, today(), **fields)


def events_of(session: Session, debtor: Debtor) -> list[str]:
    return [row.type for row in lending.event_rows(session, debtor.loan_id, limit=100)]


def opened(session: Session, debtor: Debtor, since: date) -> ProtectionCase:
    debtor.hear(session, since=since)
    (case,) = debtor.cases(session)
    assert case.state == "granted"
    return case


@pytest.mark.parametrize("closing", ["pay_off", "write_off"])
def test_the_line_returns_after_the_loan_was_closed(session: Session, late: Debtor, closing: str) -> None:
    case = opened(session, late, late.due - DAY)
    close(session, late, closing)
    before = lending.loan_view(session, late.loan_id)
    known = events_of(session, late)
    told = len(messaging.intents(session, borrower_id=late.id))
    # It was back a week ago, and is known only now: cutting the pauses there would charge interest again.
    late.hear(session, "active", since=today() - timedelta(days=7))
    assert case.state == "ended"
    assert case.end_reason
    assert "已结清或核销" in case.end_reason["zh-CN"]
    assert "closed" in case.end_reason["en"]
    assert case.ended_at is not None
    after = lending.loan_view(session, late.loan_id)
    assert events_of(session, late) == known
    assert (after.status, after.outstanding_minor, after.due) == (before.status, 0, before.due)
    (hold,) = after.holds
    assert hold.until_date == case.last_day
    assert len(messaging.intents(session, borrower_id=late.id)) == told  # nothing is left to be told of
    entry = next(
        one for one in chronicle.timeline(session, case.episode_id) if one.kind == "protection_ended"
    )
    assert entry.text == case.end_reason


def test_the_cap_comes_after_the_loan_was_closed(
    database: Database, late: Debtor, run_jobs: Callable[..., int]
) -> None:
    with database.transaction() as session:
        case = opened(session, late, late.due - DAY)
        assert case.last_day
        close(session, late)
        known = events_of(session, late)
        set_business_day(session, case.last_day + DAY)
        session.execute(
            text("UPDATE kernel_timer SET due_at = now() WHERE key = :key"), {"key": str(case.id)}
        )
    run_jobs(rounds=2, hurry=False)
    with database.transaction() as session:
        (case,) = late.cases(session)
        assert case.state == "ended"
        assert events_of(session, late) == known


def test_an_outage_that_begins_after_the_closing_protects_nothing(session: Session, late: Debtor) -> None:
    close(session, late)
    episode_id = late.hear(session, since=today())
    assert episode_id
    episode = service.episode(session, episode_id)
    known = events_of(session, late)
    for _ in range(2):  # asked again, it is the same answer and no second decision
        assert not protection.protect(session, episode, late.loan_id, 2, today() + DAY, now=clock.now())
    (case,) = late.cases(session)
    assert (case.state, case.rule_id, case.first_day, case.measures) == ("refused", None, None, [])
    assert "已结清或核销" in case.reason["zh-CN"]
    assert case.record_id is not None
    assert events_of(session, late) == known
    decided = [one.kind for one in chronicle.timeline(session, episode_id)]
    assert decided.count("protection_refused") == 1


def test_a_job_about_an_installment_of_a_closed_loan_is_done_once(
    database: Database, early: Debtor, run_jobs: Callable[..., int]
) -> None:
    """The reminder was on its way when the loan was paid off: the handler must not fail for ever."""
    with database.transaction() as session:
        early.hear(session, since=today())
        close(session, early)
        publish(
            session,
            InstallmentDue(early.loan_id, early.id, 1, early.due, 52_000, "CNY", 0),
            aggregate_type="loan",
            aggregate_id=early.loan_id,
            borrower_id=early.id,
        )
    run_jobs(rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        (case,) = early.cases(session)
        assert case.state == "refused"
        assert lending.loan_view(session, early.loan_id).status is LoanStatus.CLOSED


def test_a_payout_that_came_back_leaves_nothing_to_protect(session: Session, early: Debtor) -> None:
    payout = lending.event_rows(session, early.loan_id, limit=1)[0]
    record(session, early, "reversal", today(), target=payout.id)
    episode_id = early.hear(session, since=today())
    assert episode_id
    episode = service.episode(session, episode_id)
    assert not protection.protect(session, episode, early.loan_id, 1, early.due, now=clock.now())
    (case,) = early.cases(session)
    assert case.state == "refused"


def test_late_evidence_still_counts_for_the_days_before_the_closing(session: Session, late: Debtor) -> None:
    """Late fees of dark days come back also when the loan was paid off meanwhile."""
    close(session, late)
    assert lending.loan_view(session, late.loan_id).paid[3] > 0
    late.hear(session, since=late.due - DAY)
    (case,) = late.cases(session)
    assert case.state == "granted"
    assert lending.loan_view(session, late.loan_id).overpaid_minor > 0
