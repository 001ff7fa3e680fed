"""kill -9 at the worst places, and all faults mixed: our books equal those of the other companies."""

from __future__ import annotations

import random
import sys
from collections import Counter
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
from throughline.ledger import service as ledger
from throughline.payments import jobs as payment_jobs
from throughline.payments import service
from throughline.payments.models import PaymentAttempt, PaymentOrder
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
        assert jobs.requeue_stalled(session, now=later) >= 1
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
        assert sweep(session, now=clock.now()).jobs >= 2
    run_jobs(rounds=1, hurry=False)
    wait_for(lambda: all(row["state"] == "ACSC" for row in bank.rows("payments")))
    run_jobs(rounds=3)
    assert (view(never_sent).state, view(answered).state) == ("succeeded", "succeeded")
    assert len(bank.rows("movements")) == len({row["end_to_end_id"] for row in bank.rows("movements")})


BANK_FAULTS = (
    "drop_answer", "drop_request", "error_500", "unsigned", "forged", "not_found", "reject", "lose_push",
    "duplicate_push", "forge_push", "late_push", "wrong_amount", "return_later",
)  # fmt: skip
WECHAT_FAULTS = (
    "drop_answer", "drop_request", "error_500", "unsigned", "forged", "wrong_serial", "stale", "not_found",
    "rate_limit", "wrong_amount", "wrong_merchant", "lose_notice", "duplicate_notice", "late_notice",
    "forge_notice", "wrong_serial_notice", "wrong_amount_notice", "probe_notice", "stale_notice",
)  # fmt: skip


@pytest.mark.parametrize("seed", [1])
def test_our_books_equal_theirs_after_every_fault(
    seed: int,
    database: Database,
    hooks: str,
    borrower: UUID,
    account: UUID,
    bank: Simulator,
    wechat: Simulator,
    run_jobs: Callable[..., int],
    demo_clock: Callable[..., Any],
) -> None:
    chance = random.Random(seed)
    made: list[UUID] = []
    for _ in range(12):
        bank.fault(chance.choice(BANK_FAULTS), after_s=60)
        wechat.fault(chance.choice(WECHAT_FAULTS), after_s=600)
        amount_minor = chance.randrange(1, 5_000_00)
        made.append(
            database.run(
                lambda session, amount_minor=amount_minor: service.order_payout(
                    session, borrower, amount_minor, "CNY", account, "loan:1", str(uuid4()), "suspended",
                    now=clock.now(),
                )
            )
        )  # fmt: skip
        made.append(
            database.run(
                lambda session, amount_minor=amount_minor: service.order_collection(
                    session, borrower, amount_minor, "CNY", "loan:1", idempotency_key=str(uuid4()),
                    now=clock.now(),
                )
            )
        )  # fmt: skip
        run_jobs(rounds=1, hurry=False)
        unpaid = [row["out_trade_no"] for row in wechat.rows("trades") if row["state"] == "NOTPAY"]
        if unpaid and chance.random() < 0.7:
            wechat.post(f"pay/{chance.choice(unpaid)}")
    bank.calm()
    wechat.calm()
    for _ in range(6):  # a day and more passes: repeats, late pushes, expiry
        run_jobs(rounds=2)
        demo_clock(hours=5)
        payment_jobs.fetch_files(0)
        payment_jobs.sweep_open_ends(0)
    run_jobs(rounds=4)

    with database.transaction() as session:
        orders = {
            row.id: row for row in session.scalars(select(PaymentOrder).where(PaymentOrder.id.in_(made)))
        }
        views = {order_id: service.order_view(session, order_id) for order_id in made}
        booked = {
            order_id: len(ledger.entries(session, source=f"payment_order:{order_id}")) for order_id in made
        }
    theirs: Counter[tuple[str, int]] = Counter()
    for row in bank.rows("movements"):
        theirs[row["end_to_end_id"], row["amount_minor"]] += 1
    for row in wechat.rows("payments"):
        theirs[row["out_trade_no"], row["total"]] += 1
    for order_id in made:
        out_ref = views[order_id].out_ref
        assert out_ref is not None
        moved = theirs[out_ref, orders[order_id].amount_minor]
        expected = {"succeeded": 1, "returned": 2, "reversed": 2, "failed": 0}
        assert orders[order_id].state in expected
        assert moved == booked[order_id] == expected[orders[order_id].state]
    ends = Counter(order.state for order in orders.values())
    assert ends["succeeded"] >= 5, ends  # the faults did not simply stop everything
