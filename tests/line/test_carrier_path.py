"""The whole path over real HTTP: the carrier suspends a number, we hear it, believe it, confirm it, tell it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

import throughline
from payments.support_servers import Process, Simulator, answers, free_port, simulator, wait_for
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.carrier.keys import ensure_keys
from throughline.line import service
from throughline.line.feed.directory import directory
from throughline.line.models import FeedSubscription, LineQuery
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

HERE = Path(__file__).parent
PHONE = "+8613800138000"


@pytest.fixture(scope="module")
def environment(home: Path, database_url: str) -> dict[str, str]:
    ensure_keys(home)
    return {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_LINE_API_URL": f"http://127.0.0.1:{free_port()}",
        "PYTHONPATH": os.pathsep.join((str(Path(throughline.__file__).parents[1]), str(HERE.parent))),
    }


@pytest.fixture(scope="module", autouse=True)
def _settings(environment: dict[str, str], installation: Path) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in environment.items():
        patch.setenv(name, value)
    kernel_settings.forget()
    directory.cache_clear()
    yield
    patch.undo()
    kernel_settings.forget()
    directory.cache_clear()


@pytest.fixture(scope="module")
def hooks(environment: dict[str, str]) -> Iterator[str]:
    url = environment["THROUGHLINE_BASE_URL"]
    server = Process([sys.executable, str(HERE / "hook_server.py"), url.rsplit(":", 1)[1]], environment)
    server.start()
    wait_for(lambda: answers(url), within_s=60)
    yield f"{url}/hooks/line/camara"
    server.kill()


@pytest.fixture(scope="module")
def carrier(environment: dict[str, str]) -> Iterator[Simulator]:
    running = simulator("carrier", environment["THROUGHLINE_LINE_API_URL"], environment)
    running.start()
    yield running
    running.process.kill()


@pytest.fixture(scope="module")
def borrower(database: Database, hooks: str, carrier: Simulator) -> UUID:
    """A registered borrower with the consent, before any job has run."""

    def register(session: Any) -> UUID:
        new = NewPerson("王小明", "11010519491231002X", PHONE, "wang@example.com", "zh-CN", "Asia/Shanghai")
        borrower_id = parties.register_person(session, new, now=clock.now())
        parties.give_consents(
            session, borrower_id, [Purpose.IDENTITY, Purpose.CONTINUITY], {"page": "test"}, now=clock.now()
        )
        return borrower_id

    return database.run(register)


def _state(database: Database, borrower: UUID) -> service.LineView:
    with database.transaction() as session:
        (line,) = service.lines_of(session, borrower)
    return line


def _set(carrier: Simulator, state: str) -> None:
    httpx.put(f"{carrier.url}/control/numbers/{PHONE}", json={"state": state}, timeout=10).raise_for_status()


def _events(carrier: Simulator) -> list[dict[str, Any]]:
    return carrier.rows("events")


def _all_posted(carrier: Simulator) -> None:
    wait_for(lambda: all(event["state"] != "waiting" for event in _events(carrier)))


def _published(database: Database, kind: str) -> list[dict[str, Any]]:
    with database.transaction() as session:
        return list(
            session.execute(
                text("SELECT payload FROM kernel_event WHERE type = :kind ORDER BY id"), {"kind": kind}
            ).scalars()
        )


def test_registering_asks_and_subscribes(
    database: Database, borrower: UUID, carrier: Simulator, run_jobs: Callable[..., int]
) -> None:
    run_jobs()
    _all_posted(carrier)
    line = _state(database, borrower)
    assert line.state == "active"
    with database.transaction() as session:
        kinds = session.scalars(select(FeedSubscription.state)).all()
        assert kinds == ["active"] * 3
        (query,) = session.scalars(select(LineQuery)).all()
        assert (query.outcome, query.purpose, query.reason) == (
            "answered",
            "service_continuity",
            "registered",
        )


def test_a_suspension_is_heard_confirmed_and_told(
    database: Database, borrower: UUID, carrier: Simulator, run_jobs: Callable[..., int]
) -> None:
    _set(carrier, "suspended")
    _all_posted(carrier)
    run_jobs()
    line = _state(database, borrower)
    assert (line.state, line.alarm) == ("suspended", True)
    assert float(line.probability) > 0.9
    assert "双停" in line.reason["zh-CN"]
    changes = _published(database, "line.state_changed.v1")
    assert changes[-1]["new"] == "suspended"
    assert changes[-1]["evidence"]
    assert PHONE not in str(changes)
    assert len(_published(database, "line.alarm_raised.v1")) == 1
    with database.transaction() as session:
        (point,) = [one for one in parties.contact_points(session, borrower) if one.kind == "phone"]
        assert point.suspended_at is not None


def test_repeats_and_strangers_change_nothing(
    database: Database, borrower: UUID, carrier: Simulator, hooks: str
) -> None:
    before = _published(database, "line.state_changed.v1")
    event = next(one for one in _events(carrier) if one["body"]["type"].startswith("org.throughline"))
    for token in ("wrong", "x" * 300):
        refused = httpx.post(
            hooks, json=event["body"], headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        assert refused.status_code == 401
    assert httpx.post(hooks, content=b"not json", timeout=10).status_code == 400
    assert _published(database, "line.state_changed.v1") == before
    assert _state(database, borrower).state == "suspended"


@pytest.mark.parametrize("fault", ["error_429", "error_503", "malformed", "drop_answer"])
def test_a_carrier_that_fails_says_nothing(
    database: Database, borrower: UUID, carrier: Simulator, run_jobs: Callable[..., int], fault: str
) -> None:
    before = _state(database, borrower)
    carrier.fault(fault, times=20)
    line_id = before.line_id
    database.run(lambda session: service.ask(session, borrower, line_id, reason="planned"))
    run_jobs()
    carrier.calm()
    assert _state(database, borrower).state == before.state
    with database.transaction() as session:
        newest = session.scalars(select(LineQuery).order_by(LineQuery.id.desc()).limit(1)).one()
        assert newest.outcome == "unknown"


def test_the_line_comes_back_although_the_notice_is_lost_and_doubled(
    database: Database, borrower: UUID, carrier: Simulator, run_jobs: Callable[..., int]
) -> None:
    carrier.fault("callback_twice", times=1)
    _set(carrier, "active")
    _all_posted(carrier)
    run_jobs()
    line = _state(database, borrower)
    assert (line.state, line.alarm) == ("active", False)
    assert len(_published(database, "line.alarm_cleared.v1")) == 1
    with database.transaction() as session:
        (point,) = [one for one in parties.contact_points(session, borrower) if one.kind == "phone"]
        assert point.suspended_at is None


def test_withdrawal_stops_questions_and_subscriptions(
    database: Database, borrower: UUID, carrier: Simulator, run_jobs: Callable[..., int]
) -> None:
    database.run(
        lambda s: parties.withdraw_consent(s, borrower, Purpose.CONTINUITY, {"page": "test"}, now=clock.now())
    )
    run_jobs()
    line_id = _state(database, borrower).line_id
    with database.transaction() as session:
        asked = len(session.scalars(select(LineQuery)).all())
    database.run(lambda session: service.ask(session, borrower, line_id, reason="planned"))
    run_jobs()
    with database.transaction() as session:
        assert len(session.scalars(select(LineQuery)).all()) == asked
        assert set(session.scalars(select(FeedSubscription.state)).all()) == {"ended"}
    living = httpx.get(f"{carrier.url}/control/numbers", timeout=10).json()["subscriptions"]
    assert {one["status"] for one in living} == {"DELETED"}
