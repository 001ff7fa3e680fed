"""Orders at the carrier's desk over real HTTP: granted, refused, lost, ended late, revoked; and a process that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from line_joint.lines import BRIDGE, DATA, age, ask_for, changes, grant_of, step, watched
from payments.support_servers import Process, Relay, Simulator, answers, free_port, simulator, wait_for
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.carrier.keys import ensure_keys as carrier_keys
from throughline.lab.joint.keys import ensure_keys
from throughline.line.joint import hooks, jobs, orders, states
from throughline.line.joint.models import JointMonth
from throughline.parties import service as parties
from throughline.parties.models import AccessLogRow
from throughline.parties.purposes import Purpose

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def environment(home: Path, database_url: str) -> dict[str, str]:
    ensure_keys(home)
    carrier_keys(home)  # the carrier itself is not there, which the line's own jobs stand
    desk = f"http://127.0.0.1:{free_port()}"
    return {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_LINE_API_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_LINE_JOINT_SPONSORED_URL": desk,
        "THROUGHLINE_LINE_JOINT_CONTRACT_URL": desk,
        "THROUGHLINE_LINE_JOINT_TIMEOUT_S": "5",
        "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}",
    }


@pytest.fixture(scope="module", autouse=True)
def _settings(environment: dict[str, str], installation: Path) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in environment.items():
        patch.setenv(name, value)
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


@pytest.fixture(scope="module")
def hook_url(environment: dict[str, str]) -> Iterator[str]:
    url = environment["THROUGHLINE_BASE_URL"]
    server = Process(
        [sys.executable, str(TESTS / "line" / "hook_server.py"), url.rsplit(":", 1)[1]], environment
    )
    server.start()
    wait_for(lambda: answers(url), within_s=60)
    yield f"{url}/hooks/line/sponsored-data"
    server.kill()


@pytest.fixture(scope="module")
def running(environment: dict[str, str]) -> Iterator[Simulator]:
    found = simulator("joint", environment["THROUGHLINE_LINE_JOINT_CONTRACT_URL"], environment)
    found.start()
    yield found
    found.process.kill()


@pytest.fixture
def desk(running: Simulator, database: Database, hook_url: str) -> Iterator[Simulator]:
    yield running
    running.calm()
    running.post("settings", late_end=False, notice_delay_s=0)


def _books(desk: Simulator) -> dict[str, list[dict[str, Any]]]:
    return dict(desk.rows("orders"))  # type: ignore[arg-type]


def _order(desk: Simulator, grant_id: UUID) -> dict[str, Any]:
    return next(one for one in _books(desk)["orders"] if one["key"] == f"joint-{grant_id}")


def _cost(database: Database, offer_id: str) -> int:
    with database.transaction() as session:
        return sum(session.scalars(select(JointMonth.cost_minor).where(JointMonth.offer_id == offer_id)))


def test_sponsored_data_is_granted_and_its_end_is_heard(database: Database, desk: Simulator) -> None:
    who = watched(database)
    grant_id = ask_for(database, who, DATA)
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert grant.state == "granted"
    assert grant.starts_at is not None
    assert grant.ends_at == grant.starts_at + timedelta(minutes=1440)
    assert grant.next_step_at is not None
    with database.transaction() as session:
        reads = session.scalars(select(AccessLogRow).where(AccessLogRow.borrower_id == who.borrower_id)).all()
        assert any(one.purpose == Purpose.JOINT_PLAN for one in reads)
    httpx.post(f"{desk.url}/control/sessions/{grant.remote_id}/end", json={"reason": "data_exhausted"})
    wait_for(lambda: grant_of(database, grant_id).state == "ended")
    grant = grant_of(database, grant_id)
    assert (grant.code, grant.next_step_at) == ("used_up", None)
    assert grant.reason == {"zh-CN": "已用完。", "en": "It is used up."}
    assert changes(database, grant_id) == ["requested", "granted", "ended"]


def test_a_notification_needs_the_token_and_the_session_of_its_order(
    database: Database, desk: Simulator, hook_url: str
) -> None:
    desk.fault("notice_twice", times=1)
    grant_id = ask_for(database, watched(database), DATA)
    step(grant_id)
    grant = grant_of(database, grant_id)
    body = {"sessionId": grant.remote_id, "reason": "EXPIRED", "endTimestamp": "2026-01-01T00:00:00Z"}
    for token in (None, "x", "9" * 300, "3f0c7d2b-9e10-4f57-9a41-8a6f2c1e5b0d"):
        headers = {"x-callbackToken": token} if token else {}
        answer = httpx.post(hook_url, json=body, headers=headers, timeout=10)
        assert answer.status_code in {401, 422}
    assert grant_of(database, grant_id).state == "granted"

    # The right token with what can't be right.
    with database.transaction() as session:
        session.execute(
            text("UPDATE line_joint_grant SET token_hash = :hash WHERE id = :id"),
            {"hash": orders.token_hash("known"), "id": grant_id},
        )
    other = "3f0c7d2b-9e10-4f57-9a41-8a6f2c1e5b0d"
    for wrong in (
        b"not json",
        b"[]",
        b"[" * 100_000,
        b'{"sessionId": "' + other.encode() + b'", "reason": "EXPIRED"}',
        b'{"sessionId": 5, "reason": "EXPIRED"}',
        b'{"reason": "EXPIRED"}',
        b'{"sessionId": "' + str(grant.remote_id).encode() + b'", "reason": "NO_SUCH"}',
    ):
        answer = httpx.post(hook_url, content=wrong, headers={"x-callbackToken": "known"}, timeout=10)
        assert answer.status_code == 400, wrong[:60]
    assert grant_of(database, grant_id).state == "granted"
    for _ in range(2):
        answer = httpx.post(hook_url, json=body, headers={"x-callbackToken": "known"}, timeout=10)
        assert answer.status_code == 204
    assert changes(database, grant_id) == ["requested", "granted", "ended"]


def test_a_lost_answer_is_unknown_until_the_list_tells(database: Database, desk: Simulator) -> None:
    desk.fault("drop_answer", times=1)
    grant_id = ask_for(database, watched(database), DATA)
    step(grant_id)
    assert grant_of(database, grant_id).state == "unknown"
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert grant.state == "granted"
    assert grant.remote_id in {one["id"] for one in _books(desk)["sessions"]}
    assert changes(database, grant_id) == ["requested", "unknown", "granted"]


def test_a_lost_request_is_refused_only_when_it_can_not_be_on_its_way(
    database: Database, desk: Simulator
) -> None:
    before = _cost(database, DATA)
    desk.fault("drop_request", times=1)
    grant_id = ask_for(database, watched(database), DATA)
    step(grant_id)
    step(grant_id)
    # "Not in the list" a moment after the call says nothing yet, and its cost stays set aside.
    assert grant_of(database, grant_id).state == "unknown"
    assert _cost(database, DATA) == before + 300
    age(database, grant_id, states.SETTLED)
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert (grant.state, grant.code) == ("refused", "not_received")
    assert _cost(database, DATA) == before


def test_a_notification_proves_that_a_refused_one_did_run(database: Database, desk: Simulator) -> None:
    before = _cost(database, DATA)
    grant_id = ask_for(database, watched(database), DATA)
    desk.fault("drop_answer", times=1)
    step(grant_id)
    session_id = _books(desk)["sessions"][-1]["id"]
    desk.post("settings", notice_delay_s=0)
    desk.fault("lose_notice", times=1)
    httpx.post(f"{desk.url}/control/sessions/{session_id}/end", json={"reason": "data_exhausted"})
    wait_for(lambda: _books(desk)["notices"][-1]["state"] == "delivered")
    age(database, grant_id, states.SETTLED)
    step(grant_id)
    assert grant_of(database, grant_id).state == "refused"
    with database.transaction() as session:
        session.execute(
            text("UPDATE line_joint_grant SET token_hash = :hash WHERE id = :id"),
            {"hash": orders.token_hash("late"), "id": grant_id},
        )
        body = b'{"sessionId": "' + session_id.encode() + b'", "reason": "DATA_EXHAUSTED"}'
        assert hooks.hear_end(session, body, "late", now=clock.now())
    assert grant_of(database, grant_id).state == "ended"
    assert _cost(database, DATA) == before + 300


@pytest.mark.parametrize("fault", ["error_503", "malformed"])
def test_what_can_not_be_read_is_unknown_never_refused(
    database: Database, desk: Simulator, fault: str
) -> None:
    desk.fault(fault, times=1)
    grant_id = ask_for(database, watched(database), DATA)
    step(grant_id)
    assert grant_of(database, grant_id).state == "unknown"


def test_the_carriers_refusal_gives_the_money_back(database: Database, desk: Simulator) -> None:
    for offer_id in (DATA, BRIDGE):
        before = _cost(database, offer_id)
        desk.fault("refuse", times=1)
        grant_id = ask_for(database, watched(database), offer_id)
        step(grant_id)
        grant = grant_of(database, grant_id)
        assert (grant.state, grant.code) == ("refused", "carrier_refused")
        assert _cost(database, offer_id) == before


def test_a_contract_order_waits_is_granted_and_ends_by_question(database: Database, desk: Simulator) -> None:
    desk.fault("pending", times=1)
    grant_id = ask_for(database, watched(database, "suspended"), BRIDGE)
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert (grant.state, grant.answered_at is not None) == ("requested", True)
    httpx.post(f"{desk.url}/control/orders/joint-{grant_id}/decide", json={"state": "granted"})
    step(grant_id)
    assert grant_of(database, grant_id).state == "granted"
    httpx.post(f"{desk.url}/control/orders/joint-{grant_id}/decide", json={"state": "ended"})
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert (grant.state, grant.code) == ("ended", "used_up")


def test_a_contract_order_whose_answer_was_lost_is_asked_for_by_its_key(
    database: Database, desk: Simulator
) -> None:
    desk.fault("drop_answer", times=1)
    grant_id = ask_for(database, watched(database), BRIDGE)
    step(grant_id)
    assert grant_of(database, grant_id).state == "unknown"
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert grant.state == "granted"
    assert grant.remote_id == _order(desk, grant_id)["order_id"]
    assert [one["key"] for one in _books(desk)["orders"]].count(f"joint-{grant_id}") == 1


def test_past_its_end_the_carrier_is_asked_and_a_silent_one_has_limits(
    database: Database, desk: Simulator
) -> None:
    desk.post("settings", late_end=True)
    grant_id = ask_for(database, watched(database), BRIDGE)
    step(grant_id)
    with database.transaction() as session:
        orders.locked(session, grant_id).ends_at = clock.real_now() - timedelta(hours=1)
    desk.fault("error_503", times=states.MAX_CHECKS + 5)
    for _ in range(states.MAX_CHECKS - 1):
        step(grant_id)
    assert grant_of(database, grant_id).state == "granted"
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert (grant.state, grant.code, grant.next_step_at) == ("ended", "expired_unconfirmed", None)


def test_withdrawing_the_consent_ends_what_runs_and_stops_what_waits(
    database: Database, desk: Simulator, run_jobs: Callable[..., int]
) -> None:
    who = watched(database)
    runs, waits = ask_for(database, who, DATA), ask_for(database, who, BRIDGE)
    step(runs)
    desk.fault("lose_notice", times=1)
    database.run(
        lambda s: parties.withdraw_consent(
            s, who.borrower_id, Purpose.JOINT_PLAN, {"page": "test"}, now=clock.now()
        )
    )
    run_jobs(rounds=4, timers=False, hurry=False)
    ended, refused = grant_of(database, runs), grant_of(database, waits)
    assert (ended.state, ended.code) == ("ended", "consent_withdrawn")
    assert (refused.state, refused.code, refused.sent_at) == ("refused", "consent_withdrawn", None)
    session = next(one for one in _books(desk)["sessions"] if one["id"] == ended.remote_id)
    assert (session["status"], session["end_reason"]) == ("inactive", "session_revoked")
    assert f"joint-{waits}" not in {one["key"] for one in _books(desk)["orders"]}


def test_a_withdrawal_a_moment_before_the_call_is_seen(database: Database, desk: Simulator) -> None:
    who = watched(database)
    grant_id = ask_for(database, who, BRIDGE)
    with database.transaction() as session:
        parties.withdraw_consent(
            session, who.borrower_id, Purpose.JOINT_PLAN, {"page": "test"}, now=clock.now()
        )
    step(grant_id)
    assert grant_of(database, grant_id).code == "consent_withdrawn"
    assert f"joint-{grant_id}" not in {one["key"] for one in _books(desk)["orders"]}


def test_an_end_that_the_carrier_did_not_hear_is_told_again(database: Database, desk: Simulator) -> None:
    who = watched(database)
    grant_id = ask_for(database, who, BRIDGE)
    step(grant_id)
    database.run(lambda s: orders.ask_revoke(s, who.borrower_id, grant_id, "borrower", now=clock.now()))
    desk.fault("error_503", times=1)
    step(grant_id)
    assert grant_of(database, grant_id).state == "granted"
    step(grant_id)
    grant = grant_of(database, grant_id)
    assert (grant.state, grant.code) == ("ended", "borrower")
    assert _order(desk, grant_id)["state"] == "ended"
    with pytest.raises(orders.NotOpen):
        database.run(lambda s: orders.ask_revoke(s, who.borrower_id, grant_id, "borrower", now=clock.now()))


def test_the_sweep_finds_an_order_whose_job_was_lost(
    database: Database, desk: Simulator, run_jobs: Callable[..., int]
) -> None:
    grant_id = ask_for(database, watched(database), BRIDGE)
    with database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'line.joint_step'"))
        orders.locked(session, grant_id).next_step_at = clock.real_now()
    jobs.sweep(0)
    run_jobs(rounds=2, timers=False, hurry=False)
    assert grant_of(database, grant_id).state == "granted"
    jobs.sweep(0)
    with database.transaction() as session:
        left = session.execute(
            text("SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'grant_id' = :id"),
            {"id": str(grant_id)},
        ).scalar_one()
    assert left == 0


@pytest.mark.chaos
@pytest.mark.parametrize("mode", ["swallow", "mute"])
def test_killed_between_the_row_and_the_answer(
    database: Database, desk: Simulator, environment: dict[str, str], mode: str
) -> None:
    """Killed while the call is out: never sent again, unknown, and what the carrier says decides."""
    relay = Relay(int(desk.url.rsplit(":", 1)[1]))
    relay.mode = mode
    grant_id = ask_for(database, watched(database), BRIDGE)
    code = (
        "from throughline.kernel import rooms; rooms.load_all(); from throughline.line.joint import jobs;"
        f"jobs.step(grant_id='{grant_id}')"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            **environment,
            "THROUGHLINE_LINE_JOINT_CONTRACT_URL": relay.url,
            "THROUGHLINE_LINE_JOINT_TIMEOUT_S": "30",
        },
    )
    try:
        wait_for(lambda: relay.connections, within_s=60)
        if mode == "mute":
            wait_for(lambda: f"joint-{grant_id}" in {one["key"] for one in _books(desk)["orders"]})
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        relay.close()
    grant = grant_of(database, grant_id)
    assert (grant.state, grant.answered_at) == ("requested", None)
    assert grant.sent_at is not None
    step(grant_id)  # the job comes again at once: the call might still be out
    assert grant_of(database, grant_id).state == "requested"
    age(database, grant_id, states.SETTLED)
    step(grant_id)
    grant = grant_of(database, grant_id)
    if mode == "mute":
        assert grant.state == "granted"
        assert changes(database, grant_id) == ["requested", "unknown", "granted"]
    else:
        assert (grant.state, grant.code) == ("refused", "not_received")
        assert changes(database, grant_id) == ["requested", "unknown", "refused"]
