"""kill -9 between the stored key and the call, and after it: nothing is lost and nothing is there twice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lending_bureau.late import answered, items, late, nothing_unproved, noticed, report, states
from payments.support_servers import Process, Relay, Simulator, wait_for
from throughline.kernel import clock, jobs
from throughline.kernel.db import Database
from throughline.lending.bureau import jobs as bureau_jobs
from throughline.lending.bureau import registry
from throughline.lending.bureau.models import ReportFileRow

pytestmark = pytest.mark.chaos
WORKER = Path(__file__).parent.parent / "payments" / "killable_worker.py"


@pytest.fixture
def relay(desk: Simulator) -> Iterator[Relay]:
    between = Relay(int(desk.url.rsplit(":", 1)[1]))
    yield between
    between.close()


@pytest.fixture
def worker(environment: dict[str, str], relay: Relay) -> Iterator[Process]:
    process = Process(
        [sys.executable, str(WORKER)],
        environment | {"THROUGHLINE_BUREAU_URL": relay.url, "THROUGHLINE_BUREAU_CALL_TIMEOUT_S": "30"},
    )
    process.start()
    yield process
    process.kill()


@pytest.mark.parametrize("mode", ["swallow", "mute"])
def test_a_worker_killed_around_the_socket_reports_exactly_once(
    mode: str,
    database: Database,
    desk: Simulator,
    relay: Relay,
    worker: Process,
    go: Callable[..., None],
    demo_clock: Callable[..., Any],
) -> None:
    """swallow: the key is stored and nothing reaches the bureau. mute: it took the file, and nobody hears that."""
    registry._made.cache_clear()
    relay.mode = mode
    who = late(database)
    noticed(database, who)
    report(database)
    bureau_jobs.sweep(0)
    wait_for(lambda: relay.connections > 0, within_s=30)
    with database.transaction() as session:
        file = session.get_one(ReportFileRow, items(session, who)[0].file_id)

    def taken() -> list[dict[str, Any]]:
        return [row for row in desk.rows("files") if row["ref"] == file.ref]

    if mode == "mute":
        wait_for(taken)
    worker.kill()
    assert states(database, who) == [("sent", "late")]
    with database.transaction() as session:
        later = clock.real_now() + timedelta(seconds=jobs.STALLED_AFTER_S + 5)
        assert jobs.requeue_stalled(session, now=later) >= 1
    go(1)
    if mode == "swallow":
        assert states(database, who) == [("unknown", "late")]
        assert taken() == []
        demo_clock(minutes=2)
        go(1)
    wait_for(taken)
    answered(desk)
    go(3)
    assert states(database, who) == [("accepted", "late")]
    assert [row["received"] for row in taken()] == [1]
    assert len([row for row in desk.rows("items") if row["loan"] == str(who.loan_id)]) == 1
    nothing_unproved(database)
