"""Protection on the real books: granted, told, ended by rule or cap, and refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, noon, paid_out, set_business_day, today
from throughline.continuity import chronicle, protection, service
from throughline.continuity.models import ProtectionCase
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent, publish
from throughline.lending import service as lending
from throughline.lending.events import InstallmentDue
from throughline.lending.models import VariationRow
from throughline.messaging import service as messaging

DAY = timedelta(days=1)
RULE = outage.newest().rows[0]


@pytest.fixture(autouse=True)
def _todays_business(database: Database) -> Iterator[None]:
    yield
    with database.transaction() as session:
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": today()})


def _published(session: Session, episode_id: UUID) -> list[str]:
    rows = session.scalars(
        select(OutboxEvent.type).where(OutboxEvent.aggregate_id == episode_id).order_by(OutboxEvent.seq)
    )
    return [row.removeprefix("continuity.") for row in rows]


def _timer(session: Session, case: ProtectionCase) -> object:
    return session.execute(
        text("SELECT due_at FROM kernel_timer WHERE kind = :kind AND key = :key"),
        {"kind": protection.CAP_TIMER, "key": str(case.id)},
    ).scalar_one_or_none()


def _open(session: Session, late: Debtor) -> tuple[UUID, ProtectionCase]:
    episode_id = late.hear(session, since=late.due - DAY)
    assert episode_id is not None
    (case,) = late.cases(session)
    return episode_id, case


def test_an_outage_over_a_due_date_stops_the_clocks(session: Session, late: Debtor) -> None:
    before = lending.loan_view(session, late.loan_id)
    assert before.due[3] > 0
    assert before.delinquency.delinquent_days > 0
    assert lending.report_view(session, late.loan_id, today()).negative_allowed
    episode_id, case = _open(session, late)
    assert (case.state, case.rule_id, case.first_day) == ("granted", RULE.id, late.due - DAY)
    assert case.last_day == late.due - DAY + timedelta(days=RULE.cap_days - 1)
    assert case.record_id is not None
    after = lending.loan_view(session, late.loan_id)
    assert after.due[3] == 0
    assert (after.delinquency.delinquent_days, after.delinquency.paused) == (0, True)
    assert after.delinquency.past_due_days == before.delinquency.past_due_days  # the contract's figure stays
    assert not lending.report_view(session, late.loan_id, today()).negative_allowed
    assert case.difference["penalty_minor"] == before.due[3]
    assert case.difference["delinquent_days"] == before.delinquency.delinquent_days
    assert _published(session, episode_id) == ["episode_opened.v1", "protection_decided.v1"]
    assert _timer(session, case) is not None
    kinds = [entry.kind for entry in chronicle.timeline(session, episode_id)]
    assert kinds == ["line", "episode_opened", "protection_granted"]
    (told,) = messaging.intents(session, borrower_id=late.id)
    assert told.template == "outage_protection_granted"


def test_the_line_returns_and_the_catch_up_days_run(session: Session, late: Debtor) -> None:
    episode_id, case = _open(session, late)
    assert late.hear(session, "active", since=today()) == episode_id
    last = today() + timedelta(days=RULE.catch_up_days)
    assert (case.state, case.last_day) == ("ended", last)
    assert case.end_reason is not None
    found = service.episode(session, episode_id)
    assert (found.state, found.back_at) == ("closed", noon(today()))
    rows = session.scalars(select(VariationRow).where(VariationRow.case_id == case.id)).all()
    assert {row.kind: row.to_date for row in rows} == {
        "delinquency_pause": last + DAY,  # counts again from the day after
        "penalty_pause": last,
        "interest_pause": last,
    }
    (hold,) = lending.loan_view(session, late.loan_id).holds
    assert (hold.from_date, hold.until_date, hold.released_at) == (late.due - DAY, last, None)
    assert not lending.report_view(session, late.loan_id, last).negative_allowed
    assert lending.report_view(session, late.loan_id, last + DAY).negative_allowed
    assert _timer(session, case) is None
    assert _published(session, episode_id)[2:] == ["protection_ended.v1", "episode_closed.v1"]
    later = lending.loan_view(session, late.loan_id, last + timedelta(days=20))
    assert later.due[3] > 0  # what is still not paid then bears penalty again
    assert later.delinquency.delinquent_days > 0


def test_a_second_outage_is_a_second_episode(session: Session, late: Debtor) -> None:
    first, _ = _open(session, late)
    late.hear(session, "active", since=late.due + DAY)
    second = late.hear(session, since=late.due + (RULE.reopen_days + 2) * DAY)
    assert second not in {None, first}
    assert len(service.episodes_page(session, borrower_id=late.id, after=None, limit=10)) == 2


def test_a_line_that_flickers_is_one_outage(session: Session, late: Debtor) -> None:
    first, case = _open(session, late)
    late.hear(session, "active", since=late.due + DAY)
    assert case.state == "ended"
    again = late.due + (1 + RULE.reopen_days) * DAY
    assert late.hear(session, since=again) == first
    found = service.episode(session, first)
    assert (found.state, found.back_at, found.closed_at) == ("open", None, None)
    assert (found.dark_since, found.stretch_since) == (noon(late.due - DAY), noon(again))
    rounds = sorted(late.cases(session), key=lambda one: one.round)
    assert [(one.round, one.state, one.first_day) for one in rounds] == [
        (1, "ended", late.due - DAY),
        (2, "granted", again),
    ]
    cap = found.dark_since.date() + (RULE.cap_days - 1) * DAY
    assert rounds[1].last_day == cap  # counted from the first day of the whole outage
    late.hear(session, "active", since=today())
    assert [one.state for one in late.cases(session)] == ["ended", "ended"]
    kinds = [entry.kind for entry in chronicle.timeline(session, first)]
    assert kinds.count("episode_reopened") == 1
    assert kinds.count("episode_closed") == 2


def test_an_outage_beyond_its_cap_ends_once(session: Session, late: Debtor) -> None:
    episode_id, case = _open(session, late)
    cap = case.last_day
    assert cap is not None
    now = clock.now()
    assert not service.cap_case(session, late.id, case.id, now=now)  # the books are not there yet
    assert case.state == "granted"
    assert _timer(session, case) == now + timedelta(hours=1)
    set_business_day(session, cap + DAY)
    assert service.cap_case(session, late.id, case.id, now=now)
    assert (case.state, case.last_day) == ("ended", cap)
    assert not service.cap_case(session, late.id, case.id, now=now)
    assert late.hear(session, "active", since=today()) == episode_id
    assert (case.state, case.last_day) == ("ended", cap)
    assert _published(session, episode_id).count("protection_ended.v1") == 1
    assert not service.cap_case(session, late.id, episode_id, now=now)  # no such case


def test_the_cap_comes_by_its_timer(database: Database, late: Debtor, run_jobs: Callable[..., int]) -> None:
    with database.transaction() as session:
        _, case = _open(session, late)
        assert case.last_day is not None
        set_business_day(session, case.last_day + DAY)
        session.execute(
            text("UPDATE kernel_timer SET due_at = now() WHERE key = :key"), {"key": str(case.id)}
        )
    run_jobs(rounds=2, hurry=False)
    with database.transaction() as session:
        (case,) = late.cases(session)
        assert case.state == "ended"


def test_weak_belief_is_asked_again_when_it_grows(session: Session, late: Debtor) -> None:
    episode_id = late.hear(session, probability="0.7499", since=late.due - DAY)
    assert late.cases(session) == []
    assert late.hear(session, probability="0.7500", since=late.due - DAY) == episode_id
    (case,) = late.cases(session)
    assert case.state == "granted"
    assert case.first_day == late.due - DAY


def test_a_refusal_says_why_and_gives_way_to_a_grant(session: Session, early: Debtor) -> None:
    episode_id = early.hear(session, since=today())
    assert episode_id is not None
    assert early.cases(session) == []  # nothing falls due within days
    found = service.episode(session, episode_id)
    long_ago = today() - timedelta(days=RULE.lead_days + 1)
    for _ in range(2):
        assert not protection.protect(session, found, early.loan_id, 1, long_ago, now=clock.now())
    (case,) = early.cases(session)
    assert (case.state, case.measures) == ("refused", [])
    assert case.record_id is not None
    assert not lending.loan_view(session, early.loan_id).delinquency.paused
    assert protection.protect(session, found, early.loan_id, 1, early.due, now=clock.now())
    assert early.cases(session) == [case]
    assert case.state == "granted"
    decided = [entry.kind for entry in chronicle.timeline(session, episode_id)][2:]
    assert decided == ["protection_refused", "protection_granted"]


@pytest.mark.parametrize("days_left", [3, 0])
def test_an_installment_falls_due_in_an_outage(
    database: Database, early: Debtor, run_jobs: Callable[..., int], days_left: int
) -> None:
    with database.transaction() as session:
        early.hear(session, since=today())
        publish(
            session,
            InstallmentDue(early.loan_id, early.id, 1, early.due, 52_000, "CNY", days_left),
            aggregate_type="loan",
            aggregate_id=early.loan_id,
            borrower_id=early.id,
        )
    run_jobs(rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        (case,) = early.cases(session)
        assert (case.state, case.installment_nr, case.due_date) == ("granted", 1, early.due)


def test_every_loan_has_its_case_and_one_only(session: Session, late: Debtor) -> None:
    second, _ = paid_out(session, late.id, started_days_ago=40)
    episode_id, _ = _open(session, late)
    cases = service.cases_of(session, episode_id)
    assert {case.loan_id for case in cases} == {late.loan_id, second}
    following = lending.loan_view(session, late.loan_id).installments[1]
    assert not service.on_installment_due(
        session, late.id, late.loan_id, following.nr, following.due_date, now=clock.now()
    )
    assert len(service.cases_of(session, episode_id)) == 2


def test_who_has_paid_needs_no_protection(session: Session, late: Debtor) -> None:
    owed = lending.loan_view(session, late.loan_id).installments[0].outstanding_minor
    event = lending.NewEvent(
        type=lending.EventType.REPAYMENT,
        value_date=today(),
        amount_minor=owed + 5_000,
        idempotency_key="paid",
    )
    lending.record_event(session, late.loan_id, event, now=clock.now())
    late.hear(session, since=today())
    assert late.cases(session) == []
