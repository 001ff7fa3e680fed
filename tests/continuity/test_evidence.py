"""Evidence for a bare claim: handed in late, looked at by a person, accepted with the past repaired, or refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, noon, rolled_back, today
from continuity.papers import jpeg, pdf, png
from throughline.continuity import chronicle, jobs, reports, reviews, service
from throughline.continuity.evidence import deciding, handing_in, keeping, looking, media, numbers, standing
from throughline.continuity.evidence.models import EvidenceFile
from throughline.continuity.models import Episode
from throughline.kernel import clock, crypto
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.messaging import service as messaging
from throughline.notary import service as notary
from throughline.parties import service as parties

DAY = timedelta(days=1)
REASON = {"zh-CN": "停机通知清楚。", "en": "The stop notice is clear."}
WORDS = "我的 SIM 卡在医院里丢了"


def reported(session: Session, who: Debtor, *, days_ago: int = 11, days: int | None = None) -> Episode:
    since = noon(today() - days_ago * DAY)
    until = since + days * DAY if days is not None else None
    found = service.report(session, who.id, "phone_lost", from_at=since, to_at=until, now=clock.now())
    return service.episode(session, found)


def paper(sent: bytes = b"", words: str = "") -> media.NewFile:
    return media.looked_at("carrier_notice", words, sent or png())


def hand_in(session: Session, who: Debtor, episode: Episode, sent: bytes = b"") -> EvidenceFile:
    return handing_in.for_report(session, who.id, episode.id, paper(sent, WORDS), now=clock.now())


def seen(session: Session, row: EvidenceFile, by: UUID) -> looking.Opened:
    return looking.opened_by_staff(session, row.id, by=by, now=clock.now())


def proved(episode: Episode) -> deciding.Proved:
    return deciding.Proved("suspended", episode.dark_since, clock.now())


def accept(session: Session, episode: Episode, by: UUID) -> UUID:
    return deciding.accept(session, episode.id, proved(episode), reason=REASON, by=by, now=clock.now())


def told(session: Session, who: Debtor) -> list[str]:
    return [one.template for one in messaging.intents(session, borrower_id=who.id)]


def entries(session: Session, episode_id: UUID) -> list[str]:
    return [entry.kind for entry in chronicle.timeline(session, episode_id)]


def test_evidence_after_the_grace_repairs_the_past(session: Session, late: Debtor) -> None:
    untouched = lending.loan_view(session, late.loan_id)
    episode = reported(session, late)
    (word,) = late.cases(session)
    assert word.state == "ended"  # the days on the word are over
    bare = lending.loan_view(session, late.loan_id)
    assert bare.delinquency.delinquent_days > 0
    row = hand_in(session, late, episode)
    assert (row.state, row.media_type, row.kind) == ("waiting", "image/png", "carrier_notice")
    assert row.answer_by == row.handed_in_at + timedelta(days=numbers.days("answer_days", today()))
    by = new_id()
    seen(session, row, by)
    outage_id = accept(session, episode, by)
    outage = service.episode(session, outage_id)
    assert (outage.cause, outage.kind, outage.source) == ("line", "suspended", "staff")
    assert f"evidence:{row.id}" in outage.evidence
    assert (episode.state, episode.merged_into) == ("merged", outage_id)
    assert (row.state, row.decided_by, row.answer, row.outage_id) == ("accepted", by, REASON, outage_id)
    newest = late.cases(session)[0]
    assert (newest.episode_id, newest.state) == (outage_id, "ended")
    after = lending.loan_view(session, late.loan_id)
    assert after.delinquency.delinquent_days == 0 < bare.delinquency.delinquent_days
    assert after.due[3] == 0 < untouched.due[3]
    assert "evidence_accepted" in told(session, late)
    for one, kinds in (
        (episode.id, ["evidence_handed_in", "evidence_opened", "episode_merged", "evidence_accepted"]),
        (outage_id, ["episode_opened", "episode_merged", "evidence_accepted"]),
    ):
        known = entries(session, one)
        assert [kind for kind in known if kind in kinds] == kinds
    records = [one.kind for one in notary.records_of(session, late.id, limit=50)]
    assert {"evidence_handed_in", "evidence_accepted"} <= set(records)


def test_a_refusal_leaves_what_was_given_on_the_word(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    before = lending.loan_view(session, late.loan_id)
    (case,) = late.cases(session)
    row = hand_in(session, late, episode)
    by = new_id()
    seen(session, row, by)
    deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
    assert (row.state, row.answer, row.outage_id) == ("refused", REASON, None)
    assert (case.state, episode.state) == ("ended", "open")
    after = lending.loan_view(session, late.loan_id)
    assert (after.due, after.delinquency, after.pauses) == (before.due, before.delinquency, before.pauses)
    assert told(session, late).count("evidence_refused") == 1
    with pytest.raises(standing.NothingWaits):
        deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
    more = hand_in(session, late, episode, jpeg())  # something better may follow
    assert more.state == "waiting"
    assert [one.state for one in standing.files_of(session, episode.id)] == ["refused", "waiting"]


def test_nothing_negative_is_reported_while_evidence_waits(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    assert lending.report_view(session, late.loan_id, today()).negative_allowed
    row = hand_in(session, late, episode)
    assert not lending.report_view(session, late.loan_id, today()).negative_allowed
    by = new_id()
    seen(session, row, by)
    deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
    assert lending.report_view(session, late.loan_id, today()).negative_allowed


def test_evidence_that_waits_when_the_line_itself_speaks(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    row, by = hand_in(session, late, episode), new_id()
    found = late.hear(session, since=late.due - DAY)
    assert episode.merged_into == found
    view = lending.loan_view(session, late.loan_id)
    seen(session, row, by)
    deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
    after = lending.loan_view(session, late.loan_id)
    assert (after.due, after.delinquency, after.pauses) == (view.due, view.delinquency, view.pauses)
    assert episode.merged_into == found


def test_nobody_decides_about_what_they_have_not_opened(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    first, by = hand_in(session, late, episode), new_id()
    with pytest.raises(standing.EvidenceUnseen):
        accept(session, episode, by)
    seen(session, first, by)
    second = hand_in(session, late, episode, pdf())  # comes while somebody decides
    for act in (
        lambda: accept(session, episode, by),
        lambda: deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now()),
    ):
        with pytest.raises(standing.EvidenceUnseen):
            act()
    seen(session, second, new_id())  # somebody else's look does not count
    with pytest.raises(standing.EvidenceUnseen):
        accept(session, episode, by)
    seen(session, second, by)
    with pytest.raises(reviews.ReasonMissing):
        deciding.refuse(session, episode.id, reason={"en": "Only one"}, by=by, now=clock.now())
    accept(session, episode, by)
    assert (first.state, second.state) == ("accepted", "accepted")


def test_days_that_cannot_be_change_nothing(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    row, by = hand_in(session, late, episode), new_id()
    seen(session, row, by)
    now = clock.now()
    for kind, since, until in (
        ("phone_lost", now - DAY, now),
        ("suspended", now - 400 * DAY, now),
        ("suspended", now + DAY, None),
        ("suspended", now - DAY, now - 2 * DAY),
    ):
        with pytest.raises(reviews.DayImpossible):
            deciding.accept(
                session, episode.id, deciding.Proved(kind, since, until), reason=REASON, by=by, now=now
            )
    assert row.state == "waiting"


def test_each_look_is_written_down_for_the_borrower(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    row, by = hand_in(session, late, episode), new_id()
    for _ in range(2):
        found = seen(session, row, by)
    assert found.content == png()
    assert found.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    reads = [one for one in parties.access_log(session, late.id) if one.field == looking.READ_AS]
    assert [one.reader for one in reads] == [f"staff:{by}"] * 2
    assert entries(session, episode.id).count("evidence_opened") == 1
    with pytest.raises(standing.EvidenceUnknown):
        looking.opened_by_staff(session, new_id(), by=by, now=clock.now())


def test_files_and_words_are_sealed_and_bound_to_their_place(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    first, second = hand_in(session, late, episode), hand_in(session, late, episode, jpeg())
    raw = session.execute(
        text("SELECT content, words FROM continuity_evidence WHERE id = :id"), {"id": first.id}
    ).one()
    assert png() not in raw.content
    assert WORDS.encode() not in raw.words
    assert standing.words_of(session, first) == WORDS
    second.content = raw.content
    with pytest.raises(crypto.SealBroken):
        standing.content_of(session, second)
    crypto.destroy_data_key(session, late.id)  # erasure takes the files along
    session.flush()
    with pytest.raises(crypto.SealBroken):
        standing.content_of(session, first)


def test_the_same_file_twice_is_one_and_five_are_enough(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    first = hand_in(session, late, episode)
    assert hand_in(session, late, episode).id == first.id
    for grey in range(1, standing.MOST_FILES):
        hand_in(session, late, episode, png(grey=grey))
    with pytest.raises(handing_in.TooManyFiles):
        hand_in(session, late, episode, png(grey=99))
    assert hand_in(session, late, episode).id == first.id
    (waiting,) = [
        one for one in standing.queue(session, after=None, limit=50) if one.episode_id == episode.id
    ]
    assert waiting.files == standing.MOST_FILES
    assert standing.queue(session, after=waiting.id, limit=50) == []


def test_where_no_evidence_is_accepted(session: Session, late: Debtor, early: Debtor) -> None:
    mine = reported(session, late, days_ago=9, days=2)
    with pytest.raises(handing_in.ReportNotFound):
        hand_in(session, early, mine)
    assert mine.closed_at
    after = mine.closed_at + timedelta(days=numbers.days("accept_days", today()))
    handing_in.for_report(session, late.id, mine.id, paper(), now=after)
    with pytest.raises(handing_in.EvidenceTooLate) as late_now:
        handing_in.for_report(session, late.id, mine.id, paper(pdf()), now=after + timedelta(seconds=1))
    assert "Object to the decision" in str(late_now.value)
    on_evidence = late.hear(session, since=today() - 2 * DAY)
    assert on_evidence
    with pytest.raises(handing_in.EvidenceNotNeeded):
        handing_in.for_report(session, late.id, on_evidence, paper(), now=clock.now())


def test_a_report_in_review_is_granted_with_its_evidence_and_not_refused_before(
    session: Session, late: Debtor
) -> None:
    reported(session, late, days_ago=30, days=25)
    second = reported(session, late, days_ago=8)
    cases = service.cases_of(session, second.id)
    (case,) = cases
    assert case.state == "review"
    row, by = hand_in(session, late, second), new_id()
    with pytest.raises(reviews.EvidenceWaits):
        service.decide_review(session, case.id, grant=False, reason=REASON, by=by, now=clock.now())
    seen(session, row, by)
    accept(session, second, by)
    assert case.state in ("granted", "ended")
    assert case.id not in [one.id for one in service.queue(session, after=None, limit=50)]


def test_evidence_for_an_objection_is_decided_with_it(session: Session, late: Debtor) -> None:
    late.hear(session, since=late.due - DAY)
    (case,) = late.cases(session)
    service.revoke(session, case.id, reason=REASON, by=new_id(), now=clock.now())
    with pytest.raises(handing_in.NoOpenObjection):
        handing_in.for_appeal(session, late.id, case.id, paper(), now=clock.now())
    appeal = service.appeal(session, late.id, case.id, "?", now=clock.now())
    row = handing_in.for_appeal(session, late.id, case.id, paper(), now=clock.now())
    assert row.appeal_id == appeal.id
    assert case.episode_id not in [one.episode_id for one in standing.queue(session, after=None, limit=50)]
    by = new_id()
    with pytest.raises(standing.EvidenceUnseen):
        service.decide_appeal(session, appeal.id, uphold=False, reason=REASON, by=by, now=clock.now())
    seen(session, row, by)
    service.decide_appeal(session, appeal.id, uphold=True, reason=REASON, by=by, now=clock.now())
    assert (row.state, row.answer) == ("accepted", REASON)
    with pytest.raises(handing_in.NoOpenObjection):
        handing_in.for_appeal(session, late.id, case.id, paper(pdf()), now=clock.now())


def test_the_borrower_ends_an_outage_that_was_accepted_as_going_on(session: Session, early: Debtor) -> None:
    episode = reported(session, early, days_ago=3)
    row, by = hand_in(session, early, episode), new_id()
    seen(session, row, by)
    outage_id = deciding.accept(
        session, episode.id, deciding.Proved("suspended", episode.dark_since, None), reason=REASON, by=by,
        now=clock.now(),
    )  # fmt: skip
    outage = service.episode(session, outage_id)
    assert outage.state == "open"
    reports.over(session, early.id, outage_id, back_at=clock.now(), now=clock.now())
    assert outage.state == "closed"
    watched = early.hear(session, since=today())
    assert watched
    with pytest.raises(reports.ReportUnknown):  # of a line that is watched the line tells
        reports.over(session, early.id, watched, back_at=clock.now(), now=clock.now())


def test_what_has_served_its_purpose_goes_and_the_decision_stays(session: Session, late: Debtor) -> None:
    episode = reported(session, late)
    row, by = hand_in(session, late, episode), new_id()
    assert row.expires_at is None  # what waits is not thrown away
    seen(session, row, by)
    deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
    assert row.expires_at
    kept = timedelta(days=numbers.days("keep_refused_days", today()))
    assert row.decided_at is not None
    assert row.expires_at == row.decided_at + kept
    assert keeping.purge(session, now=row.expires_at - timedelta(seconds=1)) == 0
    assert keeping.purge(session, now=row.expires_at) == 1
    assert keeping.purge(session, now=row.expires_at) == 0
    session.expire_all()
    assert (row.content, row.words, row.state, row.answer) == (None, None, "refused", REASON)
    assert standing.words_of(session, row) == ""
    with pytest.raises(standing.EvidenceUnknown):
        looking.opened_by_owner(session, late.id, row.id)


def test_the_nightly_job_purges(
    database: Database, late: Debtor, demo_clock: Callable[..., timedelta]
) -> None:
    def prepare(session: Session) -> UUID:
        episode = reported(session, late)
        row, by = hand_in(session, late, episode), new_id()
        seen(session, row, by)
        deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
        row.expires_at = clock.now()
        return row.id

    row_id = database.run(prepare)
    jobs.purge_evidence(0)
    with database.transaction() as session:
        assert standing.file(session, row_id).purged_at is not None


def test_many_at_once_keep_the_limit_and_one_decides(database: Database, late: Debtor) -> None:
    with database.transaction() as session:
        episode_id = reported(session, late, days_ago=12).id

    def send(grey: int) -> str:
        try:
            row = database.run(
                lambda session: (
                    handing_in.for_report(
                        session, late.id, episode_id, paper(png(grey=grey // 2)), now=clock.now()
                    ).id
                )
            )
        except handing_in.TooManyFiles:
            return "full"
        return str(row)

    with ThreadPoolExecutor(max_workers=8) as many:
        answers = list(many.map(send, range(16)))  # eight files, each twice
    taken = set(answers) - {"full"}
    assert len(taken) == standing.MOST_FILES
    assert "full" in answers
    by = [new_id(), new_id()]
    with database.transaction() as session:
        for row in standing.files_of(session, episode_id):
            for one in by:
                seen(session, row, one)

    def decide(one: UUID) -> str:
        try:
            database.run(
                lambda session: deciding.refuse(session, episode_id, reason=REASON, by=one, now=clock.now())
            )
        except standing.NothingWaits:
            return "nothing"
        return "refused"

    with ThreadPoolExecutor(max_workers=2) as both:
        assert sorted(both.map(decide, by)) == ["nothing", "refused"]
    with database.transaction() as session:
        states = session.scalars(
            select(EvidenceFile.state).where(EvidenceFile.episode_id == episode_id)
        ).all()
        assert states == ["refused"] * standing.MOST_FILES


def test_whenever_evidence_comes_the_loan_ends_the_same(database: Database, late: Debtor) -> None:
    """At once, after the grace, twice, after a refusal: what is accepted for the same days costs the same."""
    ends = []
    for refused_before in (0, 1, 2):
        with rolled_back(database) as session:
            episode, by = reported(session, late), new_id()
            for number in range(refused_before):
                row = hand_in(session, late, episode, png(grey=number))
                seen(session, row, by)
                deciding.refuse(session, episode.id, reason=REASON, by=by, now=clock.now())
            row = hand_in(session, late, episode, pdf())
            seen(session, row, by)
            days = deciding.Proved("suspended", noon(late.due - DAY), noon(late.due + 3 * DAY))
            deciding.accept(session, episode.id, days, reason=REASON, by=by, now=clock.now())
            view = lending.loan_view(session, late.loan_id, today() + 30 * DAY)
            ends.append((view.due, view.outstanding, view.delinquency))
    with rolled_back(database) as session:
        service.record_outage(
            session, late.id, "suspended", from_at=noon(late.due - DAY), to_at=noon(late.due + 3 * DAY),
            evidence="letter 9", by=new_id(), now=clock.now(),
        )  # fmt: skip
        service.report(
            session, late.id, "phone_lost", from_at=noon(today() - 11 * DAY), to_at=None, now=clock.now()
        )
        view = lending.loan_view(session, late.loan_id, today() + 30 * DAY)
        recorded = (view.due, view.outstanding, view.delinquency)
    assert len({repr(one) for one in ends}) == 1
    assert ends[0][0][3] <= recorded[0][3]  # never worse than without the word
