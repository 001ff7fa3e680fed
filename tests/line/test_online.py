"""The planner, incidents and claims at work in the database, and the evidence that comes in over HTTP."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from line.people import borrower_with_line
from line.watched import ACTIVE, BOTH, START, beat, believed, hours, lines, reach, receipt, status, told
from support.callers import Browse, browsing
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.http import Caller
from throughline.line import claims, engine, incidents, intake, planning, segments, service
from throughline.line.api import router
from throughline.line.models import (
    Line,
    LineBelief,
    LineBin,
    LineClaim,
    LineIncident,
    LineQuery,
    LineSignal,
    LineTransition,
)
from throughline.line.signals import Signal


def fold(session: Session, now: datetime) -> None:
    while True:
        since, pushed = intake.claim(session, now=now)
        if not since:
            return
        engine.believe(session, since, pushed, now=now)


def asked(session: Session) -> list[dict[str, str]]:
    return list(
        session.execute(
            text(
                "SELECT args FROM procrastinate_jobs WHERE task_name = 'line.query' AND status = 'todo' ORDER BY id"
            )
        ).scalars()
    )


def look_at(session: Session, line_id: UUID) -> datetime | None:
    return session.execute(select(LineBelief.next_look_at).where(LineBelief.line_id == line_id)).scalar_one()


# --- the planner -----------------------------------------------------------------------------------


def test_lines_are_looked_at_asked_about_and_rest(session: Session) -> None:
    """A line that nobody spoke of for long is asked about; one that was just answered is not."""
    quiet, answered, unwatched = lines(session, 3)
    now = hours(24 * 6)
    service.ingest(session, answered, [status(now - timedelta(hours=2), ACTIVE)], now=now)
    session.execute(text("UPDATE line_belief SET next_look_at = NULL WHERE line_id = :id"), {"id": unwatched})
    assert planning.run(session, now=now) == 1  # the other one's next look was set when it was heard of
    assert [one["line_id"] for one in asked(session)] == [str(quiet)]
    assert asked(session)[0]["source"] == "camara.subscription-status"
    assert look_at(session, unwatched) is None
    for one in (quiet, answered):
        again = look_at(session, one)
        assert again is not None
        assert again >= now + timedelta(hours=1)
    assert planning.run(session, now=now) == 0  # nothing is due any more


def test_nobody_is_asked_who_does_not_serve_the_lines_carrier(session: Session) -> None:
    (mine,), (strange,) = lines(session, 1), lines(session, 1, carrier="nobody-we-know")
    assert planning.run(session, now=hours(24 * 6)) == 2
    assert [one["line_id"] for one in asked(session)] == [str(mine)]
    assert look_at(session, strange) is not None


def test_a_used_up_budget_asks_nothing(session: Session) -> None:
    (line_id,) = lines(session, 1)
    owner = told(session, line_id).borrower_id
    now = hours(24 * 29)
    for number in range(11):
        session.add(
            LineQuery(
                borrower_id=owner, line_id=line_id, source="camara.subscription-status", provider="simulator",
                purpose="service_continuity", reason="planned", asked_at=hours(24 * number + 100),
            )
        )  # fmt: skip
    session.flush()
    planning.run(session, now=now)
    assert asked(session) == []


def test_a_sources_rate_spreads_the_questions(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from throughline.line import feeds
    from throughline.line.ports import FeedCapabilities

    slow = FeedCapabilities(
        status=True, push=False, recycling=False, ported=False, splits_stops=True, price_minor=1, per_s=1
    )
    monkeypatch.setattr(feeds, "capabilities", lambda carrier=None: {"slow.source": slow})
    first = planning.reserve(session, "slow.source", planning.PLANNED, 3)
    gaps = [(b - a).total_seconds() for a, b in pairwise(first)]
    assert gaps == pytest.approx([1 / 0.6] * 2, abs=1e-5)
    many = planning.reserve(session, "slow.source", planning.PLANNED, 10_000)
    assert len(many) <= 0.6 * planning.FARTHEST.total_seconds()
    assert many[0] > first[-1]
    assert planning.reserve(session, "slow.source", planning.PLANNED, 1) == []  # no room: later
    assert len(planning.reserve(session, "slow.source", planning.CONFIRM, 1)) == 1  # a lane of its own


def test_doubt_before_a_due_date_asks_sooner(session: Session) -> None:
    (line_id,) = lines(session, 1)
    owner = told(session, line_id).borrower_id
    service.falls_due(session, owner, hours(300), now=hours(0))
    service.falls_due(session, owner, hours(400), now=hours(1))  # later than what is known
    assert session.execute(
        select(LineBelief.due_at).where(LineBelief.line_id == line_id)
    ).scalar_one() == hours(300)


# --- incidents -------------------------------------------------------------------------------------


def test_an_outage_of_a_carrier_is_one_incident_and_no_alarms(session: Session) -> None:
    """A thousand lines absent at once, known in minutes; what came before is folded anew; it ends by itself."""
    watched = lines(session, 1_000)
    others = lines(session, 50, carrier="unicom")
    chance = random.Random(3)
    usual = [(one, status(hours(chance.uniform(1, 20)), ACTIVE)) for one in (*watched, *others)]
    service.take_in(session, usual, now=hours(24))
    fold(session, hours(24))
    while incidents.count_bins(session, now=hours(30)):
        pass
    begin = hours(30)
    absent = [
        (one, signal)
        for one in watched
        for signal in (
            reach(begin + timedelta(seconds=chance.uniform(0, 300)), False),
            receipt(begin + timedelta(seconds=chance.uniform(0, 300)), "EXPIRED"),
        )
    ]
    now = begin + timedelta(minutes=6)
    service.take_in(session, absent, now=now)
    fold(session, now)
    now += timedelta(seconds=30)
    incidents.detect(session, now=now)
    (incident,) = session.scalars(select(LineIncident)).all()
    assert (incident.carrier, incident.region, incident.cleared_at) == ("simulator", "", None)
    assert incident.lines == 1_000
    assert incident.onset_at <= begin
    fold(session, now)
    # It goes on: failures as before, all weak.
    for minutes in range(10, 60, 10):
        now = begin + timedelta(minutes=minutes)
        more = [(one, receipt(now, "EXPIRED")) for one in watched]
        service.take_in(session, more, now=now)
        fold(session, now)
        incidents.count_bins(session, now=now)
        incidents.detect(session, now=now)
    assert len(session.scalars(select(LineIncident)).all()) == 1
    alarms = session.execute(
        text("SELECT count(*) FROM kernel_event WHERE type = 'line.alarm_raised.v1'")
    ).scalar_one()
    assert alarms <= 10
    off = session.execute(
        text("SELECT count(*) FROM line_line WHERE carrier = 'simulator' AND state <> 'active'")
    ).scalar_one()
    assert off == 0  # weak evidence of it counts for nothing
    # A carrier's own word counts in it all the same.
    service.ingest(session, watched[0], [status(now, BOTH)], now=now)
    assert told(session, watched[0]).alarm
    # Calm: it is over, told once.
    later = begin + timedelta(hours=3)
    while incidents.count_bins(session, now=later):
        pass
    incidents.detect(session, now=later)
    session.flush()
    assert incident.cleared_at is not None
    incidents.detect(session, now=later + timedelta(minutes=1))
    kinds = session.execute(
        text("SELECT type, count(*) FROM kernel_event WHERE type LIKE 'line.regional%' GROUP BY 1 ORDER BY 1")
    ).all()
    assert [tuple(one) for one in kinds] == [
        ("line.regional_incident_closed.v1", 1),
        ("line.regional_incident_opened.v1", 1),
    ]


def test_after_a_standstill_quarters_of_an_hour_are_counted_a_day_at_a_time(session: Session) -> None:
    watched = lines(session, 30)
    chance = random.Random(5)
    expected: dict[datetime, set[UUID]] = {}
    for hour in range(2, 50):
        at = hours(hour) + timedelta(minutes=chance.choice((0, 15, 30, 45)))
        failing = chance.sample(watched, 5)
        service.take_in(session, [(one, receipt(at, "EXPIRED")) for one in failing * 2], now=at)
        expected[at] = set(failing)
    now = hours(51) + timedelta(minutes=1)
    assert [incidents.count_bins(session, now=now) for _ in range(4)] == [True, True, True, False]
    rows = session.scalars(select(LineBin).where(LineBin.carrier == "simulator")).all()
    assert {row.begins_at: row.failing for row in rows} == {at: len(ids) for at, ids in expected.items()}
    marks = session.scalars(select(LineBin.begins_at).where(LineBin.carrier == "")).all()
    assert len(marks) == len(set(marks))
    assert max(marks) == hours(51) - timedelta(minutes=15)


def test_a_region_is_an_incident_of_its_own_and_small_ones_are_their_carriers(session: Session) -> None:
    north = lines(session, 120, region="浙江 杭州")
    south = lines(session, 120, region="广东 深圳")
    small = [*lines(session, 20, region="西藏 那曲"), *lines(session, 30)]
    incidents.regroup(session)
    groups = dict(session.execute(select(Line.region_group, func.count()).group_by(Line.region_group)).all())
    assert groups == {"浙江 杭州": 120, "广东 深圳": 120, "": 50}
    everybody = [*north, *south, *small]
    service.take_in(session, [(one, status(hours(2), ACTIVE)) for one in everybody], now=hours(24))
    fold(session, hours(24))
    while incidents.count_bins(session, now=hours(30)):
        pass
    now = hours(30) + timedelta(minutes=5)
    service.take_in(session, [(one, receipt(now, "EXPIRED")) for one in (*north, *small)], now=now)
    fold(session, now)
    incidents.detect(session, now=now + timedelta(seconds=30))
    found = {(one.region, one.lines) for one in session.scalars(select(LineIncident))}
    assert found == {("浙江 杭州", 120), ("", 50)}
    fold(session, now + timedelta(minutes=1))
    # In the incident a weak word counts for nothing, elsewhere it counts.
    service.take_in(session, [(south[0], receipt(now, "EXPIRED"))], now=now)
    fold(session, now + timedelta(minutes=1))
    weak = believed(session, north[0], now + timedelta(minutes=2))[1].probability[0]
    counted = believed(session, south[0], now + timedelta(minutes=2))[1].probability[0]
    assert weak > counted
    # A region keeps its group, and a new line of it joins with the next quarter of an hour.
    (new,) = lines(session, 1, region="浙江 杭州")
    incidents.regroup(session)
    assert session.scalars(select(Line.region_group).where(Line.id == new)).one() == "浙江 杭州"


def test_a_number_is_at_home_by_its_longest_segment() -> None:
    table = segments.parse([["segment", "region"], ["+86138", "浙江"], ["+861380013", "浙江 杭州"]])
    assert segments.found(table, "+8613800138000") == "浙江 杭州"
    assert segments.found(table, "+8613900138000") is None
    assert segments.found(table, "+8613811138000") == "浙江"
    for wrong in ([["138", "x"]], [["+86138", ""]], [["+86138"]], [["+86138", "a"], ["+86138", "b"]]):
        with pytest.raises(segments.SegmentsError, match="row"):
            segments.parse(wrong)


def test_a_few_lines_that_fail_are_no_incident(session: Session) -> None:
    watched = lines(session, 300)
    service.take_in(session, [(one, reach(hours(1), False)) for one in watched[:15]], now=hours(1))
    fold(session, hours(1))
    while incidents.count_bins(session, now=hours(2)):
        pass
    incidents.detect(session, now=hours(2))
    assert session.scalars(select(LineIncident)).all() == []


# --- claims ----------------------------------------------------------------------------------------


def test_a_claim_is_contradicted_by_evidence_and_never_by_its_absence(session: Session) -> None:
    (line_id,) = lines(session, 1)
    owner = told(session, line_id).borrower_id
    service.claim(
        session, owner, line_id, state="suspended", from_at=hours(100), to_at=hours(200), now=hours(210)
    )
    service.ingest(session, line_id, [beat(hours(300), "wifi")], now=hours(300))
    row = session.scalars(select(LineClaim)).one()
    assert row.contradicted_at is None  # silence accuses nobody
    service.ingest(session, line_id, [beat(hours(150))], now=hours(301))
    assert row.contradicted_at is None  # neither does a single sign
    service.ingest(session, line_id, [beat(hours(160)), status(hours(170), ACTIVE)], now=hours(302))
    session.refresh(row)
    assert row.contradicted_at == hours(302)
    assert len(row.evidence) >= 2
    named = session.scalars(
        select(LineSignal.id).where(LineSignal.id.in_([UUID(one) for one in row.evidence]))
    )
    assert len(named.all()) == len(row.evidence)
    published = session.execute(
        text("SELECT count(*) FROM kernel_event WHERE type = 'line.claim_contradicted.v1'")
    ).scalar_one()
    assert published == 1


def test_claims_of_others_and_impossible_times_are_refused(session: Session) -> None:
    (line_id,) = lines(session, 1)
    owner = told(session, line_id).borrower_id
    with pytest.raises(claims.LineNotYours):
        service.claim(
            session, uuid4(), line_id, state="suspended", from_at=hours(1), to_at=None, now=hours(2)
        )
    for begin, end in (
        (hours(3), None),
        (hours(1), hours(1)),
        (hours(1), hours(9)),
        (START - timedelta(days=400), None),
    ):
        with pytest.raises(claims.ClaimImpossible):
            service.claim(session, owner, line_id, state="suspended", from_at=begin, to_at=end, now=hours(2))


# --- over HTTP -------------------------------------------------------------------------------------


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(router) as as_caller:
        yield as_caller


def test_the_app_tells_that_it_is_alive_and_nothing_about_where(database: Database, browse: Browse) -> None:
    borrower_id, _, line_id = borrower_with_line(database, 11)
    app = browse(Caller("borrower", borrower_id))
    now = clock.now()
    beats = [
        {"observed_at": (now - timedelta(hours=hour)).isoformat(), "transport": "cellular"}
        for hour in range(6)
    ]
    for _ in range(2):  # the app sends again what it does not know to have arrived
        answer = app.post("/api/v1/me/heartbeats", json={"heartbeats": beats})
        assert (answer.status_code, answer.json()) == (202, {"taken": 6})
    with database.transaction() as session:
        count = session.execute(
            select(func.count()).select_from(LineSignal).where(LineSignal.line_id == line_id)
        ).scalar_one()
        assert count == 6
        assert told(session, line_id).state == "active"
    for wrong in (
        {"observed_at": now.isoformat(), "transport": "5g"},
        {"observed_at": now.isoformat(), "transport": "wifi", "cell": "460-00-1"},
        {"observed_at": "2026-03-01T00:00:00", "transport": "wifi"},
    ):
        assert app.post("/api/v1/me/heartbeats", json={"heartbeats": [wrong]}).status_code == 422
    assert app.post("/api/v1/me/heartbeats", json={"heartbeats": beats * 20}).status_code == 422
    flood = [
        {"observed_at": (now - timedelta(seconds=second)).isoformat(), "transport": "wifi"}
        for second in range(1, 101)
    ]
    codes = []
    for shift in range(8):
        moved = [
            one
            | {
                "observed_at": (
                    datetime.fromisoformat(one["observed_at"]) - timedelta(seconds=200 * shift)
                ).isoformat()
            }
            for one in flood
        ]
        codes.append(app.post("/api/v1/me/heartbeats", json={"heartbeats": moved}).status_code)
    assert codes[0] == 202
    assert codes[-1] == 429


def test_an_integration_sends_evidence_and_each_wrong_row_is_named(
    database: Database, browse: Browse
) -> None:
    _, _, line_id = borrower_with_line(database, 12)
    caller = browse(Caller("service", uuid4(), scopes=frozenset({"line:write", "line:read"})))
    now = clock.now()
    call = {"source": "voice.sip", "code": "480", "attributes": {"q850": 20}, "observed_at": now.isoformat()}
    rows = [
        call | {"line_id": str(line_id)},
        call | {"line_id": str(uuid4())},
        call | {"line_id": str(line_id), "source": "voice.unheard-of"},
        call | {"line_id": str(line_id), "observed_at": (now + timedelta(days=2)).isoformat()},
        call,
        call | {"number": "no number"},
    ]
    answer = caller.post(
        "/api/v1/lines/signals", json={"signals": rows}, headers={"Idempotency-Key": "evidence-1"}
    )
    assert answer.status_code == 202
    assert answer.json()["taken"] == 1
    assert [(one["row"], one["code"]) for one in answer.json()["refused"]] == [
        (1, "line-unknown"),
        (2, "source-unknown"),
        (3, "time-impossible"),
        (4, "line-unnamed"),
        (5, "line-unknown"),
    ]
    with database.transaction() as session:
        (stored,) = session.scalars(select(LineSignal).where(LineSignal.line_id == line_id)).all()
        assert (stored.meaning, stored.grade) == ("absent", "C")
    nobody = browse(Caller("service", uuid4(), scopes=frozenset({"line:read"})))
    assert (
        nobody.post(
            "/api/v1/lines/signals", json={"signals": rows}, headers={"Idempotency-Key": "x"}
        ).status_code
        == 403
    )


def test_staff_read_claims_history_and_incidents(database: Database, browse: Browse) -> None:
    borrower_id, _, line_id = borrower_with_line(database, 13)
    now = clock.now()
    said = [Signal(now - timedelta(hours=9 - hour), "camara.subscription-status", "carrier", None, how)
            for hour, how in ((0, ACTIVE), (6, BOTH), (7, BOTH))]  # fmt: skip
    database.run(lambda session: service.ingest(session, line_id, said, now=now))
    mine = browse(Caller("borrower", borrower_id))
    made = mine.post(
        f"/api/v1/me/lines/{line_id}/claims",
        json={"state": "suspended", "from_at": (now - timedelta(hours=3)).isoformat()},
        headers={"Idempotency-Key": "claim-1"},
    )
    assert made.status_code == 201
    staff = browse(Caller("staff", uuid4(), scopes=frozenset({"line:read"})))
    (claim,) = staff.get(f"/api/v1/lines/{line_id}/claims").json()
    assert (claim["id"], claim["contradicted_at"]) == (made.json()["claim_id"], None)
    points = staff.get(
        f"/api/v1/lines/{line_id}/history",
        params={"since": (now - timedelta(hours=8)).isoformat(), "until": now.isoformat(), "points": 9},
    ).json()
    assert len(points) == 9
    assert float(points[0]["p"]["active"]) > 0.9
    assert float(points[-1]["p"]["suspended"]) > 0.8
    assert staff.get("/api/v1/line-incidents").json()["items"] == []
    with database.transaction() as session:
        (simulated,) = service.carriers(session, now=now)
        assert simulated.lines >= 1
        assert session.scalars(select(LineTransition).where(LineTransition.line_id == line_id)).all()
