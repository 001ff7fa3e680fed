"""A response from the incident to its report: severity, checklist, notes, clocks, grace, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from continuity.debtors import debtor
from throughline.continuity import incidents
from throughline.continuity.models import OutageIncident
from throughline.continuity.response import playbooks, report, service
from throughline.continuity.response.models import Response, ResponseEntry
from throughline.continuity.status import notes
from throughline.contracts import outage
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database

MINUTE = timedelta(minutes=1)
ANNE, BORIS = UUID(int=1), UUID(int=2)
BOTH = {"zh-CN": "说明", "en": "A note"}


@pytest.fixture(autouse=True)
def _in_two_places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("THROUGHLINE_RESPONSE_REGIMES", '["CN","EU"]')
    kernel_settings.load.cache_clear()
    yield
    kernel_settings.load.cache_clear()


@pytest.fixture
def now() -> datetime:
    return clock.now()


def incident(
    session: Session, now: datetime, kind: str = "payment_channel", scope: dict[str, str] | None = None
) -> OutageIncident:
    cause = "carrier" if kind == "network" else "own"
    new = incidents.NewIncident(f"staff:{uuid4()}", cause, kind, scope or {}, now - 20 * MINUTE)
    return incidents.open_incident(session, new, now=now)[0]


def started(session: Session, now: datetime, kind: str = "payment_channel") -> Response:
    found = service.start(session, incident(session, now, kind).id, now=now)
    assert found is not None
    return found


def test_every_kind_of_incident_has_one_playbook_and_every_playbook_is_whole() -> None:
    for cause in ("carrier", "own"):
        for kind in outage.KINDS[cause]:
            fitting = [one for one in playbooks.shipped() if one.cause == cause and kind in one.kinds]
            assert len(fitting) == 1, (cause, kind)
    roles = {role for one in playbooks.severities().values() for role in one.roles}
    for book in playbooks.shipped():
        assert {step.who for step in book.steps} <= roles, book.id
        assert "%" not in book.message("first", {"zh-CN": "a", "en": "a"}, {"zh-CN": "b", "en": "b"})["en"]


@pytest.mark.parametrize(
    ("cause", "kind", "scope", "touched", "severity"),
    [
        ("own", "platform", {}, 0, "S1"),
        ("own", "platform", {"task": "repay"}, 0, "S2"),
        ("own", "platform", {"task": "support"}, 0, "S3"),
        ("own", "maintenance", {}, 0, "S4"),
        ("own", "cyber", {}, 0, "S1"),
        ("own", "payment_channel", {"rail": "wechat"}, 0, "S2"),
        ("own", "payment_channel", {"rail": "wechat"}, 1_000, "S1"),
        ("carrier", "network", {"carrier": "cmcc"}, 99, "S3"),
        ("carrier", "network", {"carrier": "cmcc"}, 100, "S2"),
    ],
)
def test_severities(cause: str, kind: str, scope: dict[str, str], touched: int, severity: str) -> None:
    book = playbooks.for_incident(cause, kind)
    assert book is not None
    assert book.severity(kind, scope, touched) == severity


def test_an_incident_starts_its_response_once_and_the_first_note_is_drafted(
    session: Session, now: datetime
) -> None:
    found = incident(session, now, "payment_channel", {"rail": "wechat"})
    first = service.start(session, found.id, now=now)
    again = service.start(session, found.id, now=now, by=ANNE)
    assert first is not None
    assert again is first
    opened, drafted = service.entries(session, first.id)
    assert (opened.kind, opened.by, opened.details["severity"]) == ("opened", None, "S2")
    assert "微信支付" in drafted.text["zh-CN"]
    assert notes.of(session, found.id) == []  # a draft is nothing that the public sees


def test_without_approval_a_neutral_note_goes_out_after_ten_minutes(
    database: Database, run_jobs: Callable[..., int], demo_clock: Callable[..., timedelta]
) -> None:
    with database.transaction() as session:
        quiet = incident(session, clock.now())
        spoken = incident(session, clock.now(), "message_route")
    run_jobs(rounds=3, timers=False)  # the incident's event starts the response
    with database.transaction() as session:
        found = service.of_incident(session, spoken.id)
        assert found is not None
        service.publish(session, found.id, "noticed", BOTH, by=ANNE, now=clock.now())
    demo_clock(minutes=9)
    run_jobs(rounds=2)
    with database.transaction() as session:
        assert notes.of(session, quiet.id) == []
    demo_clock(minutes=2)
    run_jobs(rounds=2)
    run_jobs(rounds=2)
    with database.transaction() as session:
        (note,) = notes.of(session, quiet.id)
        assert note.published_by is None
        assert note.text["en"].startswith("We see a fault")
        assert note.next_update_by is not None
        assert note.next_update_by - note.at == 30 * MINUTE
        assert [one.text["en"] for one in notes.of(session, spoken.id)] == ["A note"]


def test_the_checklist_keeps_who_when_and_the_first_proof(session: Session, now: datetime) -> None:
    found = started(session, now)
    service.done(session, found.id, "confirm", "order 7", by=ANNE, now=now + 5 * MINUTE)
    service.done(session, found.id, "confirm", "order 8", by=BORIS, now=now + 50 * MINUTE)
    service.done(session, found.id, "other-rail", "note 1", by=BORIS, now=now + 31 * MINUTE)
    made = report.build(session, found, now=now + 45 * MINUTE)
    steps = {one["id"]: one for one in made["checklist"]}
    assert (steps["confirm"]["state"], steps["confirm"]["proof"]) == ("done", "order 7")
    assert steps["confirm"]["done_by"] == str(ANNE)
    assert steps["other-rail"]["state"] == "late"
    assert steps["in-doubt"]["state"] == "overdue"
    assert steps["reconcile"]["state"] == "open"
    assert {one["id"]: one["state"] for one in made["promises"]} == {
        "first_note": "overdue", "grace": "open", "roles": "overdue",
    }  # fmt: skip
    assert report.overdue(made) == 3
    for step, proof in (("dance", "x"), ("confirm", " ")):
        with pytest.raises(service.ResponseImpossible):
            service.done(session, found.id, step, proof, by=ANNE, now=now)


def test_updates_are_promised_from_the_last_note_on(session: Session, now: datetime) -> None:
    found = started(session, now)
    service.publish(session, found.id, "noticed", BOTH, by=ANNE, now=now + 5 * MINUTE)
    service.publish(session, found.id, "identified", BOTH, by=ANNE, now=now + 20 * MINUTE)
    made = report.build(session, found, now=now + 51 * MINUTE)
    promised = {one["id"]: one["state"] for one in made["promises"]}
    assert (promised["first_note"], promised["update"]) == ("done", "overdue")
    assert len(notes.of(session, found.incident_id)) == 2


def test_clocks_begin_with_awareness_and_class_and_are_met_by_reports(
    session: Session, now: datetime
) -> None:
    found = started(session, now, "cyber")
    assert report.build(session, found, now=now)["clocks"] == []
    service.aware(session, found.id, now - 10 * MINUTE, by=ANNE, now=now)
    later = now + 60 * MINUTE
    service.classify(session, found.id, "CN", "larger", by=ANNE, now=later)
    service.classify(session, found.id, "EU", "major", by=ANNE, now=later)
    made = {one["id"]: one for one in report.build(session, found, now=later)["clocks"]}
    assert made["CN-INCIDENT-4H"]["due_at"] == (now - 10 * MINUTE + timedelta(hours=4)).isoformat()
    assert made["EU-DORA-INITIAL"]["due_at"] == (later + timedelta(hours=4)).isoformat()
    at = now + timedelta(hours=2)
    service.report_sent(session, found.id, "CN-INCIDENT-4H", "2026-17", at, by=BORIS, now=at)
    made = {one["id"]: one for one in report.build(session, found, now=now + timedelta(hours=9))["clocks"]}
    assert made["CN-INCIDENT-4H"]["state"] == "met"
    assert made["EU-DORA-INITIAL"]["state"] == "overdue"
    with pytest.raises(service.ResponseImpossible):
        service.classify(session, found.id, "UK", "major", by=ANNE, now=now)
    with pytest.raises(service.ResponseImpossible):
        service.aware(session, found.id, now - timedelta(days=1), by=ANNE, now=now)


def test_who_classifies_is_aware(session: Session, now: datetime) -> None:
    found = started(session, now, "cyber")
    service.classify(session, found.id, "CN", "major", by=ANNE, now=now)
    assert found.aware_at == now


def test_grace_is_decided_by_two_and_committed(session: Session, now: datetime) -> None:
    found = started(session, now)
    proposal = service.propose_grace(session, found.id, needed=False, reason=BOTH, by=ANNE, now=now)
    assert proposal.details["policy_version"] == outage.newest().version
    assert proposal.details["measures"] == []
    with pytest.raises(service.SamePerson):
        service.approve_grace(session, found.id, proposal.id, by=ANNE, now=now)
    decided = service.approve_grace(session, found.id, proposal.id, by=BORIS, now=now)
    assert UUID(decided.details["record"])
    promised = {one["id"]: one["state"] for one in report.build(session, found, now=now)["promises"]}
    assert promised["grace"] == "done"


def test_severity_rises_by_itself_with_those_touched_and_falls_only_by_a_person(
    database: Database, run_jobs: Callable[..., int]
) -> None:
    debtor(database, started_days_ago=31)
    with database.transaction() as session:
        one = incident(session, clock.now(), "message_route")
    run_jobs(rounds=3, timers=False)
    with database.transaction() as session:
        found = service.of_incident(session, one.id)
        assert found is not None
        assert found.severity == "S3"
        plan = dict(found.plan)
        plan["severity"] = [{"is": "S2", "touched_at_least": 1}, {"is": "S3"}]
        found.plan = plan
        assert service.reassess(session, found, now=clock.now()) == "S2"
        service.set_severity(session, found.id, "S4", "a rehearsal", by=ANNE, now=clock.now())
        assert [row["severity"] for row in report.build(session, found, now=clock.now())["severity_history"]] == [
            "S3", "S2", "S4",
        ]  # fmt: skip


def test_it_ends_after_its_incident_with_what_was_learned(session: Session, now: datetime) -> None:
    found = started(session, now)
    service.publish(session, found.id, "noticed", BOTH, by=ANNE, now=now)
    with pytest.raises(service.IncidentGoesOn):
        service.close(session, found.id, by=ANNE, now=now, lessons="x")
    incidents.end_incident(session, found.incident_id, ended_at=now, now=now)
    service.close(session, found.id, by=ANNE, now=now, lessons="Call the provider first.")
    made = report.build(session, found, now=now)
    assert (made["state"], made["minutes"]["to_end"]) == ("closed", 20)
    assert [note.stage for note in notes.of(session, found.incident_id)] == ["noticed", "closed"]
    assert made["log"][-1]["text"]["en"] == "Call the provider first."
    assert made["post_mortem_due"] > now.date().isoformat()
    with pytest.raises(service.ResponseOver):
        service.act(session, found.id, "more", by=ANNE, now=now)


@pytest.mark.parametrize("way", [delete(ResponseEntry), update(ResponseEntry).values(kind="x")])
def test_the_log_is_only_added_to(session: Session, now: datetime, way: object) -> None:
    started(session, now)
    with pytest.raises(DBAPIError, match="only ever added to"):
        session.execute(way)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "change",
    [
        {"trigger": {"cause": "own", "kinds": ["rain"]}},
        {"steps": []},
        {"severity": [{"is": "S9"}]},
        {"severity": [{"is": "S1", "moon": "full"}]},
        {"messages": {"first": {"zh-CN": "x", "en": "x"}}},
        {"title": {"en": "only"}},
    ],
)
def test_a_playbook_that_cannot_be_followed_is_refused(change: dict[str, object]) -> None:
    good = service._snapshot(playbooks.shipped()[0])
    assert playbooks.parse(good) == playbooks.shipped()[0]
    with pytest.raises(playbooks.PlaybookWrong):
        playbooks.parse(good | change)
