"""Decisions by people: reviews, appeals, grants by hand and taken back, outages recorded by staff."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, noon, today
from throughline.continuity import chronicle, protection, reviews, service
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.notary import service as notary

DAY = timedelta(days=1)
LINE = outage.newest().rows[0]
REASON = {"zh-CN": "运营商来函证实。", "en": "The carrier's letter bears it out."}


def figures(session: Session, who: Debtor) -> tuple[object, ...]:
    """What the books say of a loan now and in two months."""
    views = [lending.loan_view(session, who.loan_id, today() + days * DAY) for days in (0, 60)]
    return tuple(
        (one.due, one.outstanding, one.delinquency, one.range, [row.due_date for row in one.installments])
        for one in views
    )


def test_taking_a_grant_back_leaves_the_loan_as_if_it_had_never_been(session: Session, late: Debtor) -> None:
    before = figures(session, late)
    late.hear(session, since=late.due - DAY)
    (case,) = late.cases(session)
    assert figures(session, late) != before
    done = service.revoke(session, case.id, reason=REASON, by=new_id(), now=clock.now())
    assert done.state == "revoked"
    assert figures(session, late) == before
    assert lending.report_view(session, late.loan_id, today()).negative_allowed
    kinds = [entry.kind for entry in chronicle.timeline(session, case.episode_id)]
    assert kinds[-2:] == ["protection_granted", "protection_revoked"]
    assert case.record_id
    assert notary.record_view(session, case.record_id) is not None
    with pytest.raises(reviews.NothingToRevoke):
        service.revoke(session, case.id, reason=REASON, by=new_id(), now=clock.now())
    late.hear(session, probability="0.9900", since=late.due - DAY)  # heard again, it is not given again
    assert figures(session, late) == before


def test_an_appeal_is_decided_by_somebody_else_and_holds_reports_meanwhile(
    session: Session, late: Debtor
) -> None:
    late.hear(session, since=late.due - DAY)
    (case,) = late.cases(session)
    first = new_id()
    service.revoke(session, case.id, reason=REASON, by=first, now=clock.now())
    row = service.appeal(session, late.id, case.id, "我的手机真的停机了。", now=clock.now())
    assert service.words_of(session, row) == "我的手机真的停机了。"
    assert not lending.report_view(session, late.loan_id, today()).negative_allowed
    with pytest.raises(reviews.AppealImpossible):
        service.appeal(session, late.id, case.id, "again", now=clock.now())
    with pytest.raises(reviews.SamePerson):
        service.decide_appeal(session, row.id, uphold=True, reason=REASON, by=first, now=clock.now())
    service.decide_appeal(session, row.id, uphold=True, reason=REASON, by=new_id(), now=clock.now())
    assert (row.state, case.state) == ("upheld", "granted")
    assert lending.loan_view(session, late.loan_id).due[3] == 0
    late.hear(session, "active", since=today())
    assert case.state == "ended"
    assert case.last_day == today() + LINE.catch_up_days * DAY


def test_a_dismissed_appeal_lifts_the_hold(session: Session, late: Debtor) -> None:
    late.hear(session, since=late.due - DAY)
    (case,) = late.cases(session)
    service.revoke(session, case.id, reason=REASON, by=new_id(), now=clock.now())
    for _ in range(3):
        row = service.appeal(session, late.id, case.id, "No.", now=clock.now())
        service.decide_appeal(session, row.id, uphold=False, reason=REASON, by=new_id(), now=clock.now())
        assert lending.report_view(session, late.loan_id, today()).negative_allowed
    with pytest.raises(reviews.AppealImpossible):  # three times is enough
        service.appeal(session, late.id, case.id, "No.", now=clock.now())


def test_a_grant_by_hand_where_no_rule_gives_it(session: Session, late: Debtor) -> None:
    episode_id = late.hear(session, since=late.due + 5 * DAY)  # after the lead time: the due date is outside
    assert late.cases(session) == []
    assert episode_id
    found = service.episode(session, episode_id)
    protection.protect(session, found, late.loan_id, 1, late.due, now=clock.now())
    (case,) = late.cases(session)
    assert case.state == "refused"
    row = service.appeal(session, late.id, case.id, "!", now=clock.now())
    with pytest.raises(reviews.DayImpossible):
        service.decide_appeal(session, row.id, uphold=True, reason=REASON, by=new_id(), now=clock.now())
    last = today() + 5 * DAY
    service.decide_appeal(
        session, row.id, uphold=True, reason=REASON, by=new_id(), now=clock.now(), last_day=last
    )
    assert (case.state, case.last_day) == ("granted", last)
    assert lending.loan_view(session, late.loan_id).delinquency.paused


def test_others_cases_cannot_be_objected_to(session: Session, late: Debtor, early: Debtor) -> None:
    late.hear(session, since=late.due - DAY)
    (case,) = late.cases(session)
    with pytest.raises(reviews.AppealImpossible):  # it is granted
        service.appeal(session, late.id, case.id, "?", now=clock.now())
    with pytest.raises(reviews.CaseNotFound):
        service.appeal(session, early.id, case.id, "?", now=clock.now())
    with pytest.raises(reviews.ReasonMissing):
        service.revoke(session, case.id, reason={"en": "Only one"}, by=new_id(), now=clock.now())
    with pytest.raises(reviews.NotInReview):
        service.decide_review(session, case.id, grant=True, reason=REASON, by=new_id(), now=clock.now())


def test_staff_record_an_outage_of_the_past(session: Session, late: Debtor) -> None:
    before = lending.loan_view(session, late.loan_id)
    assert before.due[3] > 0
    service.record_outage(
        session, late.id, "suspended", from_at=noon(late.due - DAY), to_at=noon(late.due + 2 * DAY),
        evidence="letter 2026-117", by=new_id(), now=clock.now(),
    )  # fmt: skip
    (case,) = late.cases(session)
    assert (case.state, case.last_day) == ("ended", late.due + (2 + LINE.catch_up_days) * DAY)
    after = lending.loan_view(session, late.loan_id)
    # The days from the outage to the end of catching up are taken out, those before and after are not.
    assert after.delinquency.delinquent_days == before.delinquency.delinquent_days - 6
    with pytest.raises(reviews.DayImpossible):
        service.record_outage(
            session, late.id, "suspended", from_at=noon(today() + DAY), to_at=None, evidence="x", by=new_id(),
            now=clock.now(),
        )  # fmt: skip
