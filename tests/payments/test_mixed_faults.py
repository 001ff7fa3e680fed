"""Many orders under mixed faults of both companies: at the end our books equal theirs, and nothing is open."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from payments.support_servers import Simulator
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.ledger import service as ledger
from throughline.payments import jobs, service
from throughline.payments.models import PaymentOrder

pytestmark = [pytest.mark.usefixtures("rails", "hooks")]

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
        jobs.fetch_files(0)
        jobs.sweep_open_ends(0)
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
