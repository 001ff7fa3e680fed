"""Outages end to end with the running platform: each case as a borrower, a carrier and staff would live it.

The line that is suspended three days over a due date is the story of `test_story.py`; here are the other ways in
which a phone goes silent, and the false ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel_ops import places
from support.loans import paid_out_loan
from system.installation import Installation
from throughline.continuity import incidents
from throughline.continuity import service as continuity
from throughline.continuity.models import Episode
from throughline.kernel import clock, rooms
from throughline.kernel.db import database
from throughline.kernel.ids import new_id
from throughline.kernel.lab_ports import lab_port
from throughline.lab.story import suspended_line
from throughline.lab.story.outside import SMS
from throughline.lab.story.people import invent
from throughline.lab.story.stage import Stage, set_up
from throughline.lending import service as lending
from throughline.line import incidents as line_incidents
from throughline.line.models import Line, LineBelief
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

pytestmark = [pytest.mark.system]
ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
CROWDS = [100, pytest.param(1_000, marks=pytest.mark.soak)]
PATIENT_S = 600  # a limit for slow machines, no figure


@pytest.fixture
def stage(platform: Installation) -> Iterator[Stage]:
    """A registered borrower with factors that need no line, whose line is watched."""
    rooms.load_all()  # this process writes too: events are only delivered to whom their publisher knows
    found = set_up(platform.url, "zh-CN", platform.home, invent())
    list(suspended_line.register(found))
    yield found
    found.close()


def lend(stage: Stage, *, due_in: int) -> date:
    """A loan whose first installment falls due in so many days (it may be past); returns the day."""

    today = clock.local_date(clock.now(), "Asia/Shanghai")
    wanted = today + due_in * DAY
    month = wanted.replace(day=1) - DAY  # some day of the month before
    start = month.replace(day=min(wanted.day, month.day))

    def verb(session: Session) -> tuple[UUID, date]:
        loan_id = paid_out_loan(session, UUID(stage.borrower_id), days_ago=(today - start).days)
        return loan_id, lending.loan_view(session, loan_id).installments[0].due_date

    loan_id, due = database().run(verb)
    stage.loan_id = str(loan_id)
    return due


def go_to(stage: Stage, day: date) -> None:
    suspended_line.move_to(stage, day)


def loan_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = stage.staff.get(f"/loans/{stage.loan_id}")
    return found


def cases_of(stage: Stage) -> list[dict[str, Any]]:
    found = stage.staff.items("/episodes", borrower_id=stage.borrower_id)
    return [
        case | {"episode": one}
        for one in found
        for case in stage.staff.get(f"/episodes/{one['id']}")["cases"]
        if case["loan_id"] == stage.loan_id
    ]


def until_case(stage: Stage, state: str, cause: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        return next(
            (one for one in cases_of(stage) if (one["state"], one["episode"]["cause"]) == (state, cause)),
            None,
        )

    return stage.until(f"a case {state} for {cause}", look)


def post(stage: Stage, path: str, body: Any) -> Any:
    """A write of the lender's own program."""
    answer = httpx.post(
        f"{stage.base_url}/api/v1{path}",
        json=body,
        headers={**stage.staff._headers, "Idempotency-Key": str(new_id())},
        timeout=120,
        trust_env=False,
    )
    assert answer.status_code < 300, answer.text
    return answer.json()


def decide(verb: Callable[[Session], Any]) -> None:
    """What a person of the staff decides in the console."""
    database().run(verb)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=ZONE).astimezone(UTC)


def test_the_phone_is_lost_and_the_number_cancelled(stage: Stage) -> None:
    due = lend(stage, due_in=2)
    said = stage.first.post("/me/outages", {"kind": "phone_lost", "from_at": clock.now().isoformat()})
    assert said["cause"] == "claim"
    case = until_case(stage, "granted", "claim")
    assert case["due_date"] == due.isoformat()
    go_to(stage, due + DAY)
    stage.outside.set_line(stage.person.phone, "cancelled")
    full = until_case(stage, "granted", "line")
    assert full["episode"]["kind"] in {"cancelled", "reassigned"}
    merged = stage.until(
        "the report is taken over",
        lambda: [one for one in stage.first.get("/me/outages")["items"] if one["state"] == "merged"],
    )
    assert merged[0]["merged_into"] == full["episode"]["id"]
    go_to(stage, due + 8 * DAY)
    loan = loan_of(stage)
    assert (
        (loan["penalty_minor"], loan["delinquency"]["delinquent_days"]) == (0, 0)
        if "delinquency" in loan
        else True
    )
    texts = stage.outside.texts_to(stage.person.phone)
    assert not any("贷" in one["text"] or "还款" in one["text"] for one in texts)
    # Another machine, no phone: the saved passkey lets them in, and a code that somebody else pays by.
    begun = stage.other.post("/sign-in/passkey/begin")
    response = stage.authenticator.get(begun["options"], stage.other.origin)
    stage.other.post("/sign-in/passkey/finish", {"challenge_id": begun["challenge_id"], "response": response})
    made = stage.other.post(f"/me/loans/{stage.loan_id}/pay-codes")
    neighbour = httpx.Client(base_url=f"{stage.base_url}/api/v1", timeout=60, trust_env=False)
    asked = neighbour.post("/pay-by-code/look", json={"code": made["code"]}).json()
    order = neighbour.post(
        "/pay-by-code",
        json={"code": made["code"], "amount_minor": asked["due_minor"]},
        headers={"Idempotency-Key": str(new_id())},
    ).json()

    def ready() -> str | None:
        path = f"/pay-by-code/orders/{order['order_id']}"
        found: str | None = neighbour.post(path, json={"code": made["code"]}).json()["code_url"]
        return found

    stage.outside.scan_and_pay(stage.until("WeChat gives a QR code", ready))
    stage.until(
        "the installment is paid",
        lambda: stage.other.get(f"/me/loans/{stage.loan_id}")["installments"][0]["outstanding_minor"] == 0,
    )
    neighbour.close()


def test_suspended_twice_is_one_outage(stage: Stage) -> None:
    due = lend(stage, due_in=1)
    stage.outside.set_line(stage.person.phone, "suspended")
    first = until_case(stage, "granted", "line")
    stage.outside.set_line(stage.person.phone, "active")
    until_case(stage, "ended", "line")
    stage.outside.set_line(stage.person.phone, "suspended")

    def again() -> list[dict[str, Any]]:
        found = [one for one in cases_of(stage) if one["state"] == "granted"]
        return found if found and len(cases_of(stage)) == 2 else []

    (second,) = stage.until("the protection goes on", again)
    assert second["episode"]["id"] == first["episode"]["id"]
    go_to(stage, due + 5 * DAY)
    assert stage.first.get(f"/me/loans/{stage.loan_id}")["penalty_minor"] == 0
    stage.outside.set_line(stage.person.phone, "active")
    stage.until("both have ended", lambda: {one["state"] for one in cases_of(stage)} == {"ended"})
    kinds = [
        row["kind"] for row in stage.staff.items(f"/episodes/{first['episode']['id']}/timeline", limit="200")
    ]
    assert kinds.count("episode_reopened") == 1


def test_a_false_claim_with_the_app_in_use_goes_to_a_person_and_costs_nobody_more(stage: Stage) -> None:
    due = lend(stage, due_in=1)
    go_to(stage, due)
    beats = [
        {"observed_at": (clock.now() - timedelta(hours=hours)).isoformat(), "transport": "cellular"}
        for hours in (12, 16, 20, 24, 28)
    ]
    stage.first.post("/me/heartbeats", {"heartbeats": beats})
    post(stage, "/lines/signals", {"signals": [
        {"number": stage.person.phone, "observed_at": (clock.now() - timedelta(hours=18)).isoformat(),
         "source": "sms.receipt", "provider": "smpp", "code": "DELIVRD"},
        {"number": stage.person.phone, "observed_at": (clock.now() - timedelta(hours=22)).isoformat(),
         "source": "voice.sip", "provider": "route", "code": "answered"},
    ]})  # fmt: skip
    stage.first.post(
        "/me/outages",
        {"kind": "line_out", "from_at": (clock.now() - timedelta(hours=40)).isoformat()},
    )
    case = until_case(stage, "review", "claim")
    assert "interest_pause" not in case["measures"]
    waiting = [one["case_id"] for one in stage.staff.items("/protection-cases", limit="200")]
    assert case["case_id"] in waiting
    reason = {"zh-CN": "当时应用正在使用移动数据。", "en": "The app was in use over mobile data then."}
    decide(
        lambda session: continuity.decide_review(
            session, UUID(case["case_id"]), grant=False, reason=reason, by=new_id(), now=clock.now()
        )
    )
    refused = until_case(stage, "refused", "claim")
    assert refused["reason"]["zh-CN"] == reason["zh-CN"]
    go_to(stage, due + 10 * DAY)
    loan = stage.first.get(f"/me/loans/{stage.loan_id}")
    assert loan["penalty_minor"] > 0  # as without the claim: nobody profits from pretending
    stage.first.post(f"/me/protections/{case['case_id']}/appeals", {"words": "我确实停机了"})
    appeals = stage.first.get(f"/me/protections/{case['case_id']}/appeals")
    assert [one["state"] for one in appeals] == ["open"]


def test_our_only_sms_route_is_dead(stage: Stage) -> None:
    due = lend(stage, due_in=2)
    sms = httpx.Client(base_url=f"http://127.0.0.1:{lab_port(SMS)}", timeout=30, trust_env=False)
    sms.post("/control/settings", json={"down": True}).raise_for_status()
    incident = post(
        stage,
        "/incidents",
        {
            "cause": "own",
            "kind": "message_route",
            "scope": {"route": "sms"},
            "began_at": (clock.now() - timedelta(minutes=5)).isoformat(),
        },
    )
    case = until_case(stage, "granted", "own")
    assert "report_hold" in case["measures"]
    (newest, *_) = stage.first.get("/me/messages")["items"]
    assert newest["subject"]["zh-CN"] == "我们的服务出现故障，您的还款已受保护"
    go_to(stage, due + DAY)
    # A provider that answers nothing is waited for some minutes; then the next channel begins.
    assert places.wait_for(lambda: stage.outside.mails_to(stage.person.email), within_s=PATIENT_S)
    sms.post("/control/settings", json={"down": False}).raise_for_status()
    sms.close()
    post(stage, f"/incidents/{incident['id']}/end", {})
    ended = until_case(stage, "ended", "own")
    assert date.fromisoformat(ended["last_day"]) >= due + DAY
    assert stage.first.get(f"/me/loans/{stage.loan_id}")["penalty_minor"] == 0


def days_later(stage: Stage, day: date) -> None:
    """Go to a day that may be weeks ahead: some days at a time, for each of them is closed."""
    today = clock.local_date(clock.now(), "Asia/Shanghai")
    while today < day:
        today = min(today + 5 * DAY, day)
        go_to(stage, today)


def test_an_outage_learned_of_after_the_fee_and_the_report_is_repaired_at_the_bureau(stage: Stage) -> None:
    today = clock.local_date(clock.now(), "Asia/Shanghai")
    due_in = next(ahead for ahead in range(2, 40) if (today + ahead * DAY).day == 5)
    due = lend(stage, due_in=due_in)
    month = f"{due:%Y-%m}"
    reported_on = (due + 31 * DAY).replace(day=1)

    def standing() -> dict[str, Any]:
        rows = stage.staff.items("/credit-reports", loan_id=stage.loan_id)
        found: dict[str, Any] = next(
            (row for row in rows if str(row["month"]).startswith(month) and row["newest"]), {}
        )
        return found

    days_later(stage, reported_on)
    bad = stage.until(
        "the bureau has a negative report",
        lambda: one if (one := standing()).get("state") == "accepted" and one["negative"] else None,
    )
    assert loan_of(stage)["penalty_minor"] > 0
    days_later(stage, reported_on + 9 * DAY)
    decide(
        lambda session: continuity.record_outage(
            session, UUID(stage.borrower_id), "suspended", from_at=noon(due - DAY), to_at=None,
            evidence="letter of the carrier 4711", by=new_id(), now=clock.now(),
        )
    )  # fmt: skip
    case = until_case(stage, "granted", "line")
    assert case["due_date"] == due.isoformat()
    assert case["difference"]["penalty_minor"] > 0  # taken off the loan
    corrected = stage.until(
        "the bureau has confirmed the correction",
        lambda: (
            one if (one := standing()).get("state") == "accepted" and one["corrects"] == bad["id"] else None
        ),
    )
    assert not corrected["negative"]
    assert loan_of(stage)["penalty_minor"] == 0
    subjects = [one["subject"]["zh-CN"] for one in stage.first.get("/me/messages")["items"]]
    assert any("更正" in subject for subject in subjects), subjects


def crowd(region: str, due_in: int, size: int) -> list[UUID]:
    """Borrowers of one region with an installment due in days, each with a watched line."""
    made: list[UUID] = []
    today = clock.local_date(clock.now(), "Asia/Shanghai")
    wanted = today + due_in * DAY
    month = wanted.replace(day=1) - DAY
    ago = (today - month.replace(day=min(wanted.day, month.day))).days

    def some(session: Session, first: int) -> None:
        for number in range(first, first + 100):
            person = NewPerson(
                invent().name, invent().id_number, f"+8613{70 + size // 500}7{number:06d}"[:14], f"crowd-{size}-{number}@example.com",
                "zh-CN", "Asia/Shanghai",
            )  # fmt: skip
            borrower_id = parties.register_person(session, person, now=clock.now())
            parties.give_consents(
                session,
                borrower_id,
                [Purpose.CONTACT, Purpose.CONTINUITY],
                {"channel": "test"},
                now=clock.now(),
            )
            (point,) = [one for one in parties.contact_points(session, borrower_id) if one.kind == "phone"]
            line_id = new_id()
            session.add(
                Line(
                    borrower_id=borrower_id, id=line_id, contact_point_id=point.id, number_index=point.id.bytes,
                    carrier="simulator", home_region=region, registered_at=clock.now(), state="unknown",
                    probability="0", since=clock.now(), alarm=False, evidence=[],
                )
            )  # fmt: skip
            session.add(LineBelief(borrower_id=borrower_id, line_id=line_id, next_look_at=None))
            paid_out_loan(session, borrower_id, days_ago=ago)
            made.append(line_id)

    for first in range(0, size, 100):
        database().run(lambda session, first=first: some(session, first))  # type: ignore[misc]
    # They are there for some time: their region is looked at by itself, as it is since the last quarter of an hour.
    database().run(line_incidents.regroup)
    return made


@pytest.mark.parametrize("size", CROWDS)
def test_a_regional_outage_of_many_borrowers_is_one_incident(stage: Stage, size: int) -> None:
    """A thousand lines of one carrier fall silent together (a hundred outside the soak): one incident, all protected,
    nobody alarmed alone."""
    go_to(stage, clock.local_date(clock.now(), "Asia/Shanghai") + 5 * DAY)  # some days in which all was quiet
    region = f"test-region-{size}"
    ids = crowd(region, due_in=1, size=size)
    silent_at = clock.now()
    for first in range(0, size, 500):
        post(stage, "/lines/signals", {"signals": [
            {"line_id": str(line_id), "observed_at": silent_at.isoformat(), "source": "sms.receipt",
             "provider": "map", "code": "27"}
            for line_id in ids[first : first + 500]
        ]})  # fmt: skip

    def opened() -> list[dict[str, Any]]:
        rows = stage.staff.items("/incidents", state="open")
        return [row for row in rows if row["scope"].get("region") == region]

    (incident,) = stage.until("one incident is open", opened)

    def effect() -> incidents.Effect:
        return database().run(lambda session: incidents.effect(session, UUID(incident["id"])))

    places.wait_for(lambda: effect().protected >= size, within_s=PATIENT_S)
    assert effect() == incidents.Effect(size, size, 0, 0)

    def alone(session: Session) -> tuple[int, int]:
        alarms = session.scalar(
            select(func.count()).select_from(Line).where(Line.home_region == region, Line.alarm)
        )
        own = session.scalar(
            select(func.count()).select_from(Episode).where(Episode.cause == "line", Episode.line_id.in_(ids))
        )
        return alarms or 0, own or 0

    assert database().run(alone) == (0, 0)

    def end(session: Session) -> None:
        continuity.end_incident(session, UUID(incident["id"]), ended_at=clock.now(), now=clock.now())

    database().run(end)

    def still_open(session: Session) -> int:
        return (
            session.scalar(
                select(func.count())
                .select_from(Episode)
                .where(Episode.incident_id == UUID(incident["id"]), Episode.state == "open")
            )
            or 0
        )

    places.wait_for(lambda: database().run(still_open) == 0, within_s=PATIENT_S)
