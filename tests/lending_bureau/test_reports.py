"""Reports on their way to a real bureau: proved or not stated, unknown and found again, corrected, never twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from lending_bureau.late import (
    REASON,
    answered,
    arrive,
    ask_notice,
    items,
    last_month,
    late,
    noon,
    nothing_unproved,
    noticed,
    protect,
    record,
    report,
    states,
    today,
)
from payments.support_servers import Simulator
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.lending import service as lending
from throughline.lending.bureau import answers, corrections, letters, lines, sending
from throughline.lending.bureau.models import ReportFileRow, ReportItemRow, ReportRunRow
from throughline.lending.bureau.saying import month_end
from throughline.messaging import service as messaging
from throughline.notary import service as notary

Go = Callable[..., None]


def test_good_and_bad_leave_and_what_is_not_proved_is_not_stated(
    database: Database, desk: Simulator, go: Go
) -> None:
    days = (today() - last_month()).days - 5
    fresh, told, untold = late(database, days_ago=days), late(database), late(database)
    noticed(database, told)
    report(database)
    go()
    answered(desk)
    go()
    assert record(desk, fresh)["rating"] == "current"
    assert states(database, told) == [("accepted", "late")]
    assert (record(desk, told)["rating"], record(desk, told)["hold_code"]) == ("late", None)
    assert record(desk, told)["days_late"] > 0
    assert states(database, untold) == [("accepted", "not_stated")]
    theirs = record(desk, untold)
    assert (theirs["rating"], theirs["hold_code"]) == ("not_stated", "H")
    assert (theirs["days_late"], theirs["late_minor"]) == (0, 0)
    with database.transaction() as session:
        (row,) = items(session, untold)
        assert [one["piece"] for one in row.missing] == ["a", "b", "e"]
        assert row.past_due_days > 0  # the contractual delay is known here, and only here
        (bad,) = items(session, told)
        assert bad.record_id is not None
        assert notary.record_view(session, bad.record_id).kind == "credit_report_sent"
        # Whoever was not told is told now, so that the next month can say what is true.
        assert [one.template for one in messaging.intents(session, borrower_id=untold.id)] == [
            "negative_report_ahead"
        ]
    nothing_unproved(database)


def test_a_run_that_is_killed_goes_on_and_makes_nothing_twice(
    database: Database, desk: Simulator, go: Go
) -> None:
    people = [late(database) for _ in range(7)]
    report(database)
    report(database)  # its job ran again from the start
    with database.transaction() as session:
        run = session.get_one(ReportRunRow, last_month())
        assert (run.state, run.as_of) == ("done", month_end(last_month()))
        for who in people:
            assert len(items(session, who)) == 1
    go()
    answered(desk)
    go()
    assert {states(database, who)[0][0] for who in people} == {"accepted"}


def test_an_outage_learned_of_after_the_report_is_corrected_and_told(
    database: Database, desk: Simulator, go: Go
) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    go()
    answered(desk)
    go()
    assert record(desk, who)["rating"] == "late"
    with database.transaction() as session:
        protect(session, who, who.due - timedelta(days=2), month_end(last_month()))
    nothing_is_sent_twice = len(desk.rows("items"))
    go()
    answered(desk)
    go()
    assert states(database, who)[-1] == ("accepted", "current")
    assert (record(desk, who)["rating"], record(desk, who)["days_late"]) == ("current", 0)
    assert record(desk, who)["versions"] == 2
    assert len(desk.rows("items")) == nothing_is_sent_twice + 1
    with database.transaction() as session:
        first, second = items(session, who)
        assert second.corrects == first.id
        assert second.confirmed_record_id is not None
        kinds = [one.kind for one in notary.records_of(session, who.id)]
        assert kinds.count("credit_report_corrected") == 1
        told = [one.subject["en"] for one in messaging.inbox(session, who.id)]
        assert told[0] == "Your credit record was corrected"
        # The same news again changes nothing.
        assert corrections.check_loan(session, who.loan_id, now=clock.now()) == []
    nothing_unproved(database)


@pytest.mark.parametrize("fault", ["drop_answer", "error_500", "malformed", "unsigned", "forged"])
def test_an_answer_that_is_lost_after_the_file_was_taken_is_found_by_asking(
    fault: str, database: Database, desk: Simulator, go: Go
) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    desk.fault(fault)
    go(1)
    assert states(database, who) == [("unknown", "late")]
    go(1)
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "late")]
    with database.transaction() as session:
        file = session.get_one(ReportFileRow, items(session, who)[0].file_id)
        assert (file.state, file.sends) == ("answered", 1)
    assert next(row for row in desk.rows("files") if row["ref"] == file.ref)["received"] == 1


def test_a_file_that_never_arrived_is_sent_again_under_its_name(
    database: Database, desk: Simulator, go: Go, demo_clock: Callable[..., Any]
) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    desk.fault("drop_request")
    go(1)
    assert states(database, who) == [("unknown", "late")]
    go(1)  # the bureau does not have it, but may still find it
    assert states(database, who) == [("unknown", "late")]
    demo_clock(minutes=2)
    go(1)
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "late")]
    with database.transaction() as session:
        file = session.get_one(ReportFileRow, items(session, who)[0].file_id)
    assert (file.state, file.sends) == ("answered", 2)
    assert next(row for row in desk.rows("files") if row["ref"] == file.ref)["received"] == 1


def test_what_may_not_be_said_any_more_is_withdrawn_and_not_sent_again(
    database: Database, desk: Simulator, go: Go, demo_clock: Callable[..., Any]
) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    desk.fault("drop_request")
    go(1)
    with database.transaction() as session:
        lost = session.get_one(ReportFileRow, items(session, who)[0].file_id)
        lending.place_report_hold(
            session, who.loan_id, lending.Hold("outage:1", who.due, None, REASON), now=clock.now()
        )
    demo_clock(minutes=2)
    go(2)
    answered(desk)
    go()
    withdrawn = next(row for row in desk.rows("files") if row["ref"] == lost.ref)
    assert (withdrawn["state"], withdrawn["received"]) == ("withdrawn", 0)
    assert record(desk, who)["rating"] == "not_stated"
    assert record(desk, who)["versions"] == 1
    assert states(database, who)[0] == ("accepted", "not_stated")  # a correction of it said nothing new
    nothing_unproved(database)


def test_a_hold_placed_between_queue_and_sending_is_seen(database: Database, desk: Simulator, go: Go) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    assert states(database, who) == [("queued", "late")]
    with database.transaction() as session:
        lending.place_report_hold(
            session, who.loan_id, lending.Hold("protection_case:1", who.due, None, REASON), now=clock.now()
        )
    go()
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "not_stated")]
    assert record(desk, who)["versions"] == 1


def test_a_refused_item_is_tried_again_within_limits_and_then_by_a_person(
    database: Database, desk: Simulator, go: Go, demo_clock: Callable[..., Any]
) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    desk.fault("reject_item", times=2, code="BUSY")
    desk.fault("reject_item", code="SUBJECT_UNKNOWN")
    for _ in range(3):
        go(2)
        answered(desk)
        go(1)
        demo_clock(minutes=30)
    assert states(database, who) == [("rejected", "late")]
    with database.transaction() as session:
        (row,) = items(session, who)
        assert (row.code, row.tries) == ("SUBJECT_UNKNOWN", 2)
        answers.retry(session, row.id, now=clock.now())
    go(2)
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "late")]
    with database.transaction() as session, pytest.raises(answers.NotRefused):
        answers.retry(session, row.id, now=clock.now())


def test_a_correction_waits_for_its_report_and_needs_none_if_that_was_refused(
    database: Database, desk: Simulator, go: Go
) -> None:
    who, other = late(database), late(database)
    for one in (who, other):
        noticed(database, one)
    report(database)
    with database.transaction() as session:
        sending.make_file(session, now=clock.now())  # the key is stored, nothing has left
        for one in (who, other):
            protect(session, one, one.due - timedelta(days=2), month_end(last_month()))
    desk.fault("reject_item", code="FORMAT")
    go(4)
    answered(desk)
    go(3)
    found = sorted(tuple(states(database, one)) for one in (who, other))
    assert found == [
        (("accepted", "late"), ("accepted", "current")),
        (("rejected", "late"), ("not_needed", "current")),
    ]


def test_money_learned_of_late_lessens_the_record_and_its_reversal_does_not_worsen_it(
    database: Database, desk: Simulator, go: Go
) -> None:
    who = late(database)
    noticed(database, who)
    report(database)
    go()
    answered(desk)
    go()
    with database.transaction() as session:
        open_minor = lending.loan_view(session, who.loan_id).installments[0].outstanding_minor
        paid = lending.NewEvent(lending.EventType.REPAYMENT, who.due, "late-news", open_minor)
        done = lending.record_event(session, who.loan_id, paid, now=clock.now())
    go(2)
    answered(desk)
    go()
    assert record(desk, who)["rating"] == "current"
    assert record(desk, who)["versions"] == 2
    lessened = record(desk, who)
    with database.transaction() as session:
        back = lending.NewEvent(lending.EventType.REVERSAL, today(), "bounced", target=done.event_id)
        lending.record_event(session, who.loan_id, back, now=clock.now())
    go(3)
    assert record(desk, who) == lessened


def test_a_text_into_a_line_that_was_off_proves_nothing_also_when_that_is_learned_late(
    database: Database, desk: Simulator, go: Go
) -> None:
    who = late(database)
    with database.transaction() as session:
        ask_notice(session, who, who.due + timedelta(days=2))
        arrive(session, who, who.due + timedelta(days=3))
    report(database)
    go()
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "late")]
    with database.transaction() as session:
        since, back = noon(who.due + timedelta(days=1)), noon(who.due + timedelta(days=6))
        (stands,) = lines.heard(session, who.id, who.borrower.phone, cannot_receive=1, since=since)
        assert stands == who.loan_id
        corrections.check_loan(session, stands, now=clock.now())
        lines.heard(session, who.id, who.borrower.phone, cannot_receive=0, since=back)
    go(2)
    answered(desk)
    go()
    assert states(database, who)[-1] == ("accepted", "not_stated")
    assert record(desk, who)["hold_code"] == "H"
    nothing_unproved(database)


def test_a_registered_letter_is_a_notice_from_the_day_it_was_handed_over(
    database: Database, desk: Simulator, go: Go
) -> None:
    who = late(database)
    letter = letters.Letter(
        "中国邮政", "XA 1234-5678 9CN", who.due + timedelta(days=1), who.due + timedelta(days=4)
    )
    with database.transaction() as session:
        before = lending.report_standing(session, who.loan_id, today())
        assert (before.negative, before.leaves) == (True, False)
        made = letters.record_letter(session, who.loan_id, letter, by="staff:1", now=clock.now())
        assert letters.record_letter(session, who.loan_id, letter, by="staff:1", now=clock.now()) == made
        assert lending.report_standing(session, who.loan_id, today()).leaves
    report(database)
    go()
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "late")]
    nothing_unproved(database)


def test_whom_we_may_not_name_is_left_out(database: Database, desk: Simulator, go: Go) -> None:
    from throughline.parties import service as parties
    from throughline.parties.purposes import Purpose

    who = late(database)
    report(database)
    with database.transaction() as session:
        parties.withdraw_consent(session, who.id, Purpose.CREDIT, {"channel": "test"}, now=clock.now())
    go()
    assert states(database, who)[0][0] == "left_out"
    assert record(desk, who) == {}


def test_a_malformed_answer_file_settles_nothing(database: Database, desk: Simulator, go: Go) -> None:
    who = late(database)
    report(database)
    go(1)
    answered(desk)
    desk.fault("malformed_answer")
    go(1)
    assert states(database, who)[0][0] == "sent"
    go(1)
    assert states(database, who)[0][0] == "accepted"


def test_a_refused_file_is_seen_whole(database: Database, desk: Simulator, go: Go) -> None:
    who = late(database)
    report(database)
    with database.transaction() as session:
        file_id = sending.make_file(session, now=clock.now())
        assert file_id is not None
        sending.begin_step(session, file_id, now=clock.now())
    from throughline.lending.bureau.registry import bureau

    there = bureau()
    assert there is not None
    with database.transaction() as session:
        row = session.get_one(ReportFileRow, file_id)
        reply = there.send(row.ref, b"{}\n{}\n")
        assert (reply.outcome, reply.code) == ("refused", "FORMAT")
        sending.record_sent(session, file_id, reply, now=clock.now())
    assert states(database, who)[0][0] == "rejected"


def test_every_item_is_taken_once_over_all_tests(database: Database, desk: Simulator) -> None:
    """Our books equal theirs: what we hold as accepted is what they hold, word for word."""
    theirs = {row["ref"]: row for row in desk.rows("items")}
    with database.transaction() as session:
        ours = session.scalars(select(ReportItemRow).where(ReportItemRow.state == "accepted")).all()
        assert session.execute(select(func.count()).select_from(ReportItemRow)).scalar_one() > 20
    import json

    for row in ours:
        said = json.loads(theirs[row.ref or ""]["document"])
        assert {name: said[name] for name in row.said} == row.said
