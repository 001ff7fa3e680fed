"""Probes become rows, sums and incidents, and the document says what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.continuity import incidents
from throughline.continuity.models import OutageIncident
from throughline.continuity.status import document, intake, notes, tasks
from throughline.continuity.status.intake import Observation
from throughline.continuity.status.models import Probe, ProbeDay
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings

MINUTE = timedelta(minutes=1)


@pytest.fixture
def now() -> datetime:
    return clock.now().replace(microsecond=0)


@pytest.fixture(autouse=True)
def _small_floor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("THROUGHLINE_STATUS_PUBLISH_FLOOR", "2")
    kernel_settings.load.cache_clear()
    yield
    kernel_settings.load.cache_clear()


def seen(component: str, start: datetime, said: str, reason: str = "refused") -> list[Observation]:
    return [
        Observation(
            component, start + place * MINUTE,
            "working" if one == "w" else "down", "" if one == "w" else reason, 20, 60,
        )
        for place, one in enumerate(said)
    ]  # fmt: skip


def of_probe(session: Session, component: str) -> list[OutageIncident]:
    query = select(OutageIncident).where(OutageIncident.source_ref.like(f"probe:{component}:%"))
    return list(session.scalars(query.order_by(OutageIncident.began_at)))


def test_the_same_probes_twice_are_one(session: Session, now: datetime) -> None:
    some = seen("repay", now - 3 * MINUTE, "www")
    assert intake.record(session, "a", some, now=now) == 3
    assert intake.record(session, "a", some, now=now) == 0
    assert session.scalar(select(func.count()).select_from(Probe)) == 3
    assert session.scalar(select(func.sum(ProbeDay.working_s))) == 180


def test_failed_probes_open_an_incident_and_good_ones_end_it(session: Session, now: datetime) -> None:
    start = now - 30 * MINUTE
    intake.record(session, "a", seen("platform", start, "wdd"), now=now)
    assert of_probe(session, "platform") == []
    intake.record(session, "a", seen("platform", start + 3 * MINUTE, "d"), now=now)
    (found,) = of_probe(session, "platform")
    assert (found.cause, found.kind, found.scope, found.state) == ("own", "platform", {}, "open")
    assert found.began_at == start + MINUTE
    assert found.source_ref == f"probe:platform:{found.began_at:%Y-%m-%dT%H:%M:%SZ}"
    intake.record(session, "a", seen("platform", start + 4 * MINUTE, "dww"), now=now)
    assert found.state == "open"
    intake.record(session, "a", seen("platform", start + 7 * MINUTE, "w"), now=now)
    assert (found.state, found.ended_at) == ("closed", start + 5 * MINUTE)
    # Another one soon afterwards is another one.
    intake.record(session, "a", seen("platform", start + 8 * MINUTE, "ddd"), now=now)
    assert [one.state for one in of_probe(session, "platform")] == ["closed", "open"]


def test_probes_that_come_late_from_the_spool_tell_the_same(session: Session, now: datetime) -> None:
    start = now - 60 * MINUTE
    said = "ww" + "d" * 20 + "wwww"
    for place in range(0, len(said), 7):
        some = seen("route:sms", start + place * MINUTE, said[place : place + 7])
        intake.record(session, "a", some, now=now)
    (found,) = of_probe(session, "route:sms")
    assert (found.kind, found.scope) == ("message_route", {"route": "sms"})
    assert (found.began_at, found.ended_at) == (start + 2 * MINUTE, start + 22 * MINUTE)


def test_what_is_down_only_because_of_another_opens_nothing(session: Session, now: datetime) -> None:
    start = now - 10 * MINUTE
    intake.record(session, "a", seen("notices", start, "ddddd", "part:route:sms"), now=now)
    intake.record(session, "a", seen("sign_in", start, "ddddd", "platform"), now=now)
    intake.record(session, "a", seen("carrier:cmcc", start, "ddddd"), now=now)
    assert session.scalar(select(func.count()).select_from(OutageIncident)) == 0


def test_a_task_that_fails_alone_touches_loans_only_if_it_is_about_repaying(
    session: Session, now: datetime
) -> None:
    intake.record(session, "a", seen("apply", now - 5 * MINUTE, "ddd"), now=now)
    (found,) = of_probe(session, "apply")
    assert found.scope == {"task": "apply"}
    assert incidents._touched(session, found, [found.id]) == {}
    told = document.incident_entry(session, found, now=now)
    assert told["due_dates"]["en"] == "It does not touch repayments: due dates stay as they are."
    assert told["tasks"] == ["apply"]


def test_announced_maintenance_is_neither_up_nor_down(session: Session, now: datetime) -> None:
    new = incidents.NewIncident("staff:m", "own", "maintenance", {}, now - 10 * MINUTE)
    incidents.open_incident(session, new, now=now)
    intake.record(session, "a", seen("platform", now - 5 * MINUTE, "dddd"), now=now)
    intake.record(session, "a", seen("repay", now - 5 * MINUTE, "dddd"), now=now)
    assert of_probe(session, "platform") == []
    told = document.build(session, now=now)
    (repay,) = (row for row in told["tasks"] if row["id"] == "repay")
    assert (repay["state"], repay["days"][-1], repay["uptime_percent"]) == ("maintenance", "m", None)


@pytest.mark.parametrize(
    "changes",
    [{"component": "rail:barter"}, {"state": "maintenance"}, {"at": clock.real_now() + timedelta(days=400)}],
)
def test_what_no_probe_can_have_seen_is_refused(
    session: Session, now: datetime, changes: dict[str, object]
) -> None:
    usual: dict[str, object] = {
        "component": "repay", "at": now, "state": "working", "reason": "", "took_ms": 1, "interval_s": 60,
    }  # fmt: skip
    with pytest.raises(intake.ProbeWrong):
        intake.record(session, "a", [Observation(**(usual | changes))], now=now)  # type: ignore[arg-type]


def test_the_document_says_what_works_and_what_is_not_known(session: Session, now: datetime) -> None:
    told = document.build(session, now=now)
    assert told["state"] == "unknown"
    assert {row["state"] for row in told["tasks"]} == {"unknown"}
    assert {row["days"] for row in told["tasks"]} == {"u" * 90}
    for name in (*tasks.TASKS, "rail:wechat", "route:sms", "carrier:cmcc"):
        intake.record(session, "a", seen(name, now - 2 * MINUTE, "ww"), now=now)
    told = document.build(session, now=now)
    rows = {row["id"]: row for row in told["tasks"]}
    assert told["state"] == "working"
    assert rows["repay"]["uptime_percent"] == "100.000"
    assert rows["repay"]["observed_minutes"] == 2
    assert (
        rows["repay"]["unknown_minutes"] > 0 or now.hour == 16
    )  # what passed of this day before the first look
    assert [part["id"] for part in rows["notices"]["parts"]] == ["carrier:cmcc", "route:sms"]
    later = document.build(session, now=now + 10 * MINUTE)
    assert later["state"] == "unknown"


def test_a_small_carrier_incident_is_not_published_and_ours_is(session: Session, now: datetime) -> None:
    carrier = incidents.NewIncident(
        "line:x", "carrier", "network", {"carrier": "cmcc", "region": "Sichuan"}, now - 9 * MINUTE
    )
    small, _ = incidents.open_incident(session, carrier, now=now)
    ours = incidents.NewIncident("staff:y", "own", "payment_channel", {"rail": "wechat"}, now - 9 * MINUTE)
    big, _ = incidents.open_incident(session, ours, now=now)
    notes.publish(session, big.id, "identified", {"zh-CN": "甲", "en": "A"}, now=now)
    told = document.build(session, now=now)
    (one,) = told["incidents"]
    assert one["id"] == str(big.id)
    assert one["title"]["en"] == "A payment channel fails: WeChat Pay"
    assert "no penalty is charged" in one["due_dates"]["en"]
    assert [note["text"]["en"] for note in one["notes"]] == ["A"]
    with pytest.raises(document.IncidentNotPublished):
        document.published_incident(session, small.id, now=now)


def test_a_correction_leaves_what_was_said_visible(session: Session, now: datetime) -> None:
    new = incidents.NewIncident("staff:z", "own", "platform", {}, now - 9 * MINUTE)
    found, _ = incidents.open_incident(session, new, now=now)
    wrong = notes.publish(session, found.id, "identified", {"zh-CN": "误", "en": "wrong"}, now=now)
    notes.publish(session, found.id, "update", {"zh-CN": "正", "en": "right"}, now=now, corrects=wrong.id)
    shown = document.incident_entry(session, found, now=now)["notes"]
    assert [(one["text"]["en"], one["corrected"]) for one in shown] == [("wrong", True), ("right", False)]
    with pytest.raises(notes.NoteImpossible):
        notes.publish(session, found.id, "update", {"zh-CN": "", "en": ""}, now=now, corrects=found.id)


def test_single_looks_are_forgotten_and_their_sums_stay(session: Session, now: datetime) -> None:
    intake.record(session, "a", seen("repay", now - 3 * MINUTE, "www"), now=now)
    assert intake.forget(session, now=now + timedelta(days=99)) == 0
    assert intake.forget(session, now=now + timedelta(days=101)) == 3
    assert session.scalar(select(func.sum(ProbeDay.working_s))) == 180
