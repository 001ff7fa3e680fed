"""What a borrower reports of themselves: a short grace on the word, evidence that takes it over, doubt to a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, noon, set_business_day, today
from throughline.continuity import chronicle, protection, reports, reviews, service
from throughline.continuity.models import Episode
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.messaging import service as messaging

DAY = timedelta(days=1)
WORD = next(row for row in outage.newest().rows if row.cause == "claim")
REASON = {"zh-CN": "已核实。", "en": "Checked."}


def said(
    session: Session, who: Debtor, kind: str = "phone_lost", *, days_ago: int = 10, days: int | None = None
) -> Episode:
    since = noon(today() - days_ago * DAY)
    until = since + days * DAY if days is not None else None
    episode_id = service.report(session, who.id, kind, from_at=since, to_at=until, now=clock.now())
    return service.episode(session, episode_id)


def test_a_bare_word_gives_days_and_says_that_evidence_is_accepted(session: Session, late: Debtor) -> None:
    before = lending.loan_view(session, late.loan_id)
    episode = said(session, late)
    assert (episode.cause, episode.kind, episode.state) == ("claim", "phone_lost", "open")
    (case,) = late.cases(session)
    assert WORD.grace_days
    assert (case.first_day, case.last_day) == (late.due, late.due + (WORD.grace_days - 1) * DAY)
    assert case.state == "ended"  # those days are over already
    after = lending.loan_view(session, late.loan_id)
    assert after.delinquency.delinquent_days == before.delinquency.delinquent_days - WORD.grace_days
    assert 0 < after.due[3] <= before.due[3]  # the first days bear no penalty by the contract
    templates = {one.template for one in messaging.intents(session, borrower_id=late.id)}
    assert templates == {"protection_granted_word", "protection_ends"}


def test_the_second_word_in_the_period_goes_to_a_person(session: Session, late: Debtor) -> None:
    said(session, late, days_ago=30, days=25)
    second = said(session, late, days_ago=8)
    cases = service.cases_of(session, second.id)
    assert [case.state for case in cases] == ["review"]
    assert not lending.report_view(session, late.loan_id, today()).negative_allowed
    held = lending.loan_view(session, late.loan_id)
    assert held.delinquency.paused
    waiting = service.queue(session, after=None, limit=10)
    assert [one.id for one in waiting if one.borrower_id == late.id] == [cases[0].id]
    service.decide_review(session, cases[0].id, grant=False, reason=REASON, by=new_id(), now=clock.now())
    assert cases[0].state == "refused"
    assert not lending.loan_view(session, late.loan_id).delinquency.paused
    assert lending.report_view(session, late.loan_id, today()).negative_allowed


def test_evidence_takes_the_report_over(session: Session, late: Debtor) -> None:
    episode = said(session, late)
    found = late.hear(session, since=late.due - 2 * DAY)
    assert (episode.state, episode.merged_into) == ("merged", found)
    assert lending.loan_view(session, late.loan_id).due[3] == 0
    for one in (episode.id, found):
        assert one is not None
        assert "episode_merged" in [entry.kind for entry in chronicle.timeline(session, one)]


def test_a_report_of_days_that_are_proved_is_noted_there(session: Session, late: Debtor) -> None:
    found = late.hear(session, since=late.due - 2 * DAY)
    assert said(session, late, days_ago=5).id == found
    assert len(service.episodes_page(session, borrower_id=late.id, after=None, limit=10)) == 1
    assert len(late.cases(session)) == 1


def test_a_contradicted_word_goes_to_a_person_and_holds_meanwhile(session: Session, early: Debtor) -> None:
    episode = said(session, early, days_ago=1)
    set_business_day(session, early.due)
    assert protection.on_installment_due(session, early.id, early.loan_id, 1, early.due, now=clock.now())
    (case,) = early.cases(session)
    assert case.state == "granted"
    assert episode.claim_id
    assert reports.contradict(session, episode.claim_id, clock.now(), ["s1", "s2"], now=clock.now())
    assert not reports.contradict(session, episode.claim_id, clock.now(), ["s1"], now=clock.now())
    assert case.state == "review"
    assert lending.loan_view(session, early.loan_id).pauses.delinquency
    before = lending.loan_view(session, early.loan_id, early.due + 30 * DAY)
    reviews.decide_review(session, case.id, grant=False, reason=REASON, by=new_id(), now=clock.now())
    after = lending.loan_view(session, early.loan_id, early.due + 30 * DAY)
    assert after.delinquency.delinquent_days > before.delinquency.delinquent_days
    assert not after.pauses.delinquency


def test_the_borrower_says_that_it_is_over(session: Session, early: Debtor) -> None:
    episode = said(session, early, days_ago=1)
    reports.over(session, early.id, episode.id, back_at=clock.now(), now=clock.now())
    assert episode.state == "closed"
    with pytest.raises(reports.ReportUnknown):
        reports.over(session, early.id, episode.id, back_at=clock.now(), now=clock.now())


@pytest.mark.parametrize(("days_ago", "days"), [(181, None), (-1, None), (5, 6), (5, 0)])
def test_times_that_cannot_be_are_refused(
    session: Session, early: Debtor, days_ago: int, days: int | None
) -> None:
    with pytest.raises(reports.ReportImpossible):
        said(session, early, days_ago=days_ago, days=days)


def test_reporting_again_and_again_is_stopped(session: Session, early: Debtor) -> None:
    for number in range(reports.MOST_LATELY):
        said(session, early, days_ago=60 + number * 3, days=1)
    with pytest.raises(reports.TooManyReports):
        said(session, early, days_ago=2, days=1)
