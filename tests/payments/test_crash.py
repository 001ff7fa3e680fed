"""kill -9 of the worker at the worst places: the simulator's ledger shows one payout each time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from payments.support_servers import Process, Relay, Simulator, wait_for
from throughline.kernel import clock, jobs
from throughline.kernel.db import Database
from throughline.payments import service
from throughline.payments.models import PaymentAttempt
from throughline.payments.service import OrderView
from throughline.payments.sweep import sweep

pytestmark = [pytest.mark.usefixtures("rails"), pytest.mark.chaos]
HERE = Path(__file__).parent


@pytest.fixture
def relay(bank: Simulator) -> Iterator[Relay]:
    between = Relay(int(bank.url.rsplit(":", 1)[1]))
    yield between
    between.close()


@pytest.fixture
def worker(environment: dict[str, str], relay: Relay) -> Iterator[Process]:
    process = Process(
        [sys.executable, str(HERE / "killable_worker.py")],
        environment
        | {"THROUGHLINE_PAYMENTS_BANK_URL": relay.url, "THROUGHLINE_PAYMENTS_CALL_TIMEOUT_S": "30"},
    )
    process.start()
    yield process
    process.kill()


def _order(database: Database, borrower: UUID, account: UUID) -> UUID:
    return database.run(
        lambda session: service.order_payout(
            session, borrower, 300_000, "CNY", account, "loan:1", str(uuid4()), "suspended", now=clock.now()
        )
    )


@pytest.mark.parametrize("mode", ["swallow", "mute"])
def test_a_worker_killed_around_the_socket_pays_exactly_once(
    mode: str,
    database: Database,
    borrower: UUID,
    account: UUID,
    bank: Simulator,
    relay: Relay,
    worker: Process,
    view: Callable[[UUID], OrderView],
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    """swallow: "sent" is committed and nothing reaches the bank. mute: it has booked, and nobody hears the answer."""
    relay.mode = mode
    order_id = _order(database, borrower, account)
    wait_for(lambda: relay.connections > 0)
    out_ref = view(order_id).out_ref

    def booked() -> list[dict[str, Any]]:
        return [row for row in bank.rows("movements") if row["end_to_end_id"] == out_ref]

    if mode == "mute":
        wait_for(booked)
    worker.kill()
    assert view(order_id).state == "sent"

    with database.transaction() as session:
        later = clock.real_now() + timedelta(seconds=jobs.STALLED_AFTER_S + 5)
        assert jobs.requeue_stalled(session, now=later) == 1
    run_jobs(rounds=3)
    if mode == "swallow":
        assert view(order_id).state == "unknown"
        assert booked() == []
        demo_clock(minutes=11)
        run_jobs(rounds=2)
        wait_for(booked)
        run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"
    assert [row["amount_minor"] for row in booked()] == [300_000]


def test_the_sweep_finds_what_every_job_has_forgotten(
    database: Database,
    borrower: UUID,
    account: UUID,
    bank: Simulator,
    view: Callable[[UUID], OrderView],
    run_jobs: Callable[..., int],
    clear_queue: Callable[[], None],
    demo_clock: Callable[..., Any],
) -> None:
    clear_queue()
    never_sent, answered = _order(database, borrower, account), _order(database, borrower, account)
    clear_queue()
    with database.transaction() as session:
        attempt_id = session.execute(
            select(PaymentAttempt.id).where(PaymentAttempt.order_id == answered)
        ).scalar_one()
        jobs.defer(session, "payments.send", {"attempt_id": str(attempt_id)})
    run_jobs(rounds=1, hurry=False)
    clear_queue()
    assert (view(never_sent).state, view(answered).state) == ("created", "sent")
    demo_clock(minutes=20)
    with database.transaction() as session:
        assert sweep(session, now=clock.now()).jobs == 2
    run_jobs(rounds=1, hurry=False)
    wait_for(lambda: all(row["state"] == "ACSC" for row in bank.rows("payments")))
    run_jobs(rounds=3)
    assert (view(never_sent).state, view(answered).state) == ("succeeded", "succeeded")
    assert len(bank.rows("movements")) == len({row["end_to_end_id"] for row in bank.rows("movements")})
