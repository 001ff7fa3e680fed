"""Disputes: opened here or at the bureau, a hold and a clock, decided both ways, answered once; and their HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from lending_bureau.late import (
    REASON,
    Late,
    answered,
    items,
    late,
    nothing_unproved,
    noticed,
    protect,
    record,
    report,
    states,
)
from payments.support_servers import Simulator
from support.callers import Browse, browsing
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.http import Caller
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.lending.api import router
from throughline.lending.bureau import answers, disputes, jobs, views
from throughline.lending.bureau.saying import month_end
from throughline.messaging import service as messaging

Go = Callable[..., None]


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(router) as found:
        yield found


def staff(browse: Browse) -> TestClient:
    return browse(Caller("staff", new_id(), None, frozenset({"lending:read", "lending:write"})))


def mine(browse: Browse, who: Late) -> TestClient:
    return browse(Caller("borrower", who.id, None, frozenset()))


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


@pytest.fixture
def bad(database: Database, desk: Simulator, go: Go) -> Late:
    """A borrower whose delay stands at the bureau."""
    who = late(database)
    noticed(database, who)
    report(database)
    go()
    answered(desk)
    go()
    assert states(database, who) == [("accepted", "late")]
    return who


def settle(desk: Simulator, go: Go) -> None:
    go(2)
    answered(desk)
    go()


def newest(database: Database, who: Late) -> UUID:
    with database.transaction() as session:
        return items(session, who)[-1].id


def decide(database: Database, dispute_id: UUID, *, upheld: bool) -> None:
    decision = disputes.Resolution(upheld, REASON, "staff:1")
    database.run(lambda session: disputes.resolve(session, dispute_id, decision, now=clock.now()))


@pytest.mark.parametrize("upheld", [True, False])
def test_while_it_is_open_nothing_is_stated_and_then_what_was_decided(
    upheld: bool, database: Database, desk: Simulator, go: Go, bad: Late, browse: Browse
) -> None:
    before = record(desk, bad)
    answer = mine(browse, bad).post(
        f"/api/v1/me/credit-reports/{newest(database, bad)}/disputes",
        json={"statement": "我的手机停机了，没有收到通知。"},
        headers=key(),
    )
    assert answer.status_code == 201, answer.text
    dispute_id = UUID(answer.json()["id"])
    settle(desk, go)
    assert (record(desk, bad)["rating"], record(desk, bad)["hold_code"]) == ("not_stated", "D")
    listed = staff(browse).get("/api/v1/credit-disputes", params={"state": "open"}).json()["items"]
    found = next(one for one in listed if one["id"] == str(dispute_id))
    assert (found["rule_id"], found["overdue"]) == ("CN-CREDIT-DISPUTE", False)
    with database.transaction() as session:
        kept = lending.report_standing(session, bad.loan_id, month_end(items(session, bad)[0].month))
        assert ("c", "dispute") in {(one["piece"], one["code"]) for one in kept.missing}
    body = {"decision": "upheld" if upheld else "refused", "reason_zh": "理由", "reason_en": "Reason"}
    path = f"/api/v1/credit-disputes/{dispute_id}/resolution"
    assert staff(browse).post(path, json=body, headers=key()).status_code == 200
    assert staff(browse).post(path, json=body, headers=key()).json()["code"] == "credit-dispute-decided"
    settle(desk, go)
    after = record(desk, bad)
    if upheld:
        assert (after["rating"], after["hold_code"]) == ("not_stated", "H")
    else:
        assert {name: after[name] for name in ("rating", "days_late", "late_minor")} == {
            name: before[name] for name in ("rating", "days_late", "late_minor")
        }
    (told,) = mine(browse, bad).get("/api/v1/me/credit-disputes").json()["items"]
    assert (told["state"], told["answer"]) == (body["decision"], {"zh-CN": "理由", "en": "Reason"})
    with database.transaction() as session:
        subjects = [one.subject["en"] for one in messaging.inbox(session, bad.id)]
        assert "Your dispute of a credit report is answered" in subjects
    nothing_unproved(database)


def test_a_dispute_at_the_bureau_is_taken_in_once_and_answered_once(
    database: Database, desk: Simulator, go: Go, bad: Late, run_jobs: Callable[..., int]
) -> None:
    with database.transaction() as session:
        ref = items(session, bad)[0].ref
    theirs = desk.post("disputes", item=ref, statement="不是我").json()
    jobs.fetch_disputes(0)
    desk.fault("disputes_twice")
    jobs.fetch_disputes(0)
    with database.transaction() as session:
        found = list(views.dispute_list(session, borrower_id=bad.id, now=clock.now()))  # fmt: skip
        assert [(one.came_from, one.bureau_ref, one.statement) for one in found] == [
            ("bureau", theirs["ref"], "不是我")
        ]
    settle(desk, go)
    desk.fault("drop_answer")
    decide(database, found[0].id, upheld=True)
    run_jobs(rounds=1, timers=False)
    with database.transaction() as session:
        assert views.dispute(session, found[0].id, now=clock.now()).answer_state == "unknown"
    jobs.answer_dispute(dispute_id=str(found[0].id))
    jobs.answer_dispute(dispute_id=str(found[0].id))  # done already
    with database.transaction() as session:
        assert views.dispute(session, found[0].id, now=clock.now()).answer_state == "done"
    (at_bureau,) = [row for row in desk.rows("disputes") if row["ref"] == theirs["ref"]]
    assert (at_bureau["outcome"], at_bureau["answers"]) == ("upheld", 2)  # the same answer twice: one key
    assert "The carrier says" in at_bureau["answer"]


def test_refused_does_not_bring_back_what_a_protection_has_taken_away(
    database: Database, desk: Simulator, go: Go, bad: Late
) -> None:
    dispute_id = database.run(
        lambda session: disputes.open_dispute(session, items(session, bad)[-1].id, "错", now=clock.now())
    )
    with database.transaction() as session:
        protect(session, bad, bad.due - timedelta(days=2), bad.due + timedelta(days=9))
    settle(desk, go)
    decide(database, dispute_id, upheld=False)
    settle(desk, go)
    assert record(desk, bad)["rating"] == "not_stated"
    nothing_unproved(database)


def test_who_may_dispute_what(database: Database, bad: Late, browse: Browse) -> None:
    with database.transaction() as session:
        item = items(session, bad)[0].id
        with pytest.raises(answers.ReportUnknown):
            disputes.open_dispute(session, item, "错", borrower_id=new_id(), now=clock.now())
        with pytest.raises(disputes.WordsNeeded):
            disputes.open_dispute(session, item, "  ", now=clock.now())
        first = disputes.open_dispute(session, item, "错", now=clock.now())
        assert disputes.open_dispute(session, item, "还是错", now=clock.now()) == first
        with pytest.raises(disputes.ReasonNeeded):
            disputes.resolve(
                session, first, disputes.Resolution(True, {"en": "x"}, "staff:1"), now=clock.now()
            )
    waiting = late(database)
    report(database)
    path = f"/api/v1/me/credit-reports/{newest(database, waiting)}/disputes"
    answer = mine(browse, waiting).post(path, json={"statement": "x"}, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing-reported")
    assert browse(Caller()).get("/api/v1/me/credit-reports").status_code == 401
    assert mine(browse, waiting).get("/api/v1/credit-reports").status_code == 403


def test_an_overdue_dispute_is_seen_and_the_nearest_deadline_comes_first(
    database: Database, bad: Late, demo_clock: Callable[..., Any]
) -> None:
    with database.transaction() as session:
        item = items(session, bad)[0]
        made = disputes.open_dispute(
            session,
            item.id,
            "错",
            opened_at=clock.now() - timedelta(days=21),
            bureau_ref="D1",
            now=clock.now(),
        )
    with database.transaction() as session:
        rows = views.dispute_list(session, state="open", now=clock.now())
        assert rows == sorted(rows, key=lambda one: (one.due_at, one.id))
        assert next(one for one in rows if one.id == made).overdue
        page = views.dispute_list(session, state="open", after=rows[0].id, now=clock.now())
        assert [one.id for one in page] == [one.id for one in rows[1:]]


def test_the_lists_of_staff_and_of_the_borrower_say_why_or_why_not(
    database: Database, desk: Simulator, go: Go, browse: Browse
) -> None:
    who = late(database)
    report(database)
    settle(desk, go)
    (told,) = mine(browse, who).get("/api/v1/me/credit-reports").json()["items"]
    assert (told["said"]["rating"], told["newest"]) == ("not_stated", True)
    assert [one["piece"] for one in told["missing"]] == ["a", "b", "e"]
    assert told["missing"][0]["text"]["zh-CN"] == "没有就这次逾期向借款人发出过通知"
    assert "past_due_days" not in told
    client = staff(browse)
    held = client.get("/api/v1/credit-reports", params={"which": "held", "limit": 1}).json()
    assert held["items"][0]["id"] == told["id"]
    assert held["items"][0]["past_due_days"] > 0
    one = client.get(f"/api/v1/credit-reports/{told['id']}").json()
    assert one["file_id"] == client.get("/api/v1/credit-reports/files").json()["items"][0]["id"]
    standing = client.get(f"/api/v1/loans/{who.loan_id}/report-standing").json()
    assert (standing["negative"], standing["leaves"]) == (True, False)
    for strange in ("1800-01-27", "9999-12-31"):
        answer = client.get(f"/api/v1/loans/{who.loan_id}/report-standing", params={"on": strange})
        assert answer.status_code == 200, answer.text
    letter = {
        "carrier": "EMS",
        "tracking_number": "EX123456789CN",
        "posted_on": str(who.due + timedelta(days=1)),
        "handed_over_on": str(who.due + timedelta(days=3)),
    }
    path = f"/api/v1/loans/{who.loan_id}/registered-letters"
    assert client.post(path, json=letter, headers=key()).status_code == 201
    other = letter | {"handed_over_on": str(who.due + timedelta(days=4))}
    assert client.post(path, json=other, headers=key()).json()["code"] == "letter-known"
    assert client.get(f"/api/v1/loans/{who.loan_id}/report-standing").json()["leaves"]
    retry = client.post(f"/api/v1/credit-reports/{told['id']}/retry", headers=key())
    assert retry.json()["code"] == "credit-report-not-refused"
