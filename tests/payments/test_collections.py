"""Repayments through the WeChat Pay simulator, a real process: any payer, any misbehaviour, one booking."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from payments.support_servers import Simulator, wait_for
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.ledger import service as ledger
from throughline.payments import service
from throughline.payments.models import PaymentAttempt, RailEvent
from throughline.payments.service import OrderView

pytestmark = pytest.mark.usefixtures("rails")
AMOUNT = 52_345

View = Callable[[UUID], OrderView]
Run = Callable[..., int]


@pytest.fixture
def collect(database: Database, borrower: UUID, clear_queue: Callable[[], None]) -> Callable[..., UUID]:
    clear_queue()

    def order(key: str | None = None, amount_minor: int = AMOUNT) -> UUID:
        return database.run(
            lambda session: service.order_collection(
                session, borrower, amount_minor, "CNY", "loan:1", idempotency_key=key or str(uuid4()),
                now=clock.now(),
            )
        )  # fmt: skip

    return order


def _booked(database: Database, order_id: UUID) -> tuple[list[str], int]:
    with database.transaction() as session:
        events = list(
            session.scalars(
                select(OutboxEvent.type).where(OutboxEvent.aggregate_id == order_id).order_by(OutboxEvent.seq)
            )
        )
        return events, len(ledger.entries(session, source=f"payment_order:{order_id}"))


ONCE = (["payments.collection_received.v1"], 1)


def _trade(wechat: Simulator, out_ref: str | None) -> Any:
    return next(row for row in wechat.rows("trades") if row["out_trade_no"] == out_ref)


@pytest.mark.parametrize("mode", ["public_key", "new_certificate", "certificate"])
def test_the_platform_may_change_its_key_in_flight(
    mode: str,
    hooks: str,
    wechat: Simulator,
    collect: Callable[..., UUID],
    view: View,
    run_jobs: Run,
) -> None:
    """First in this module: a process asks for new certificates at most once a minute."""
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    wechat.post("settings", sign_with=mode).raise_for_status()
    out_ref = view(order_id).out_ref
    wechat.post(f"pay/{out_ref}").raise_for_status()
    notice = httpx.get(f"{wechat.url}/control/notice/{out_ref}")
    answer = httpx.post(f"{hooks}/wechat", content=notice.content, headers=_signature(notice))
    assert answer.status_code == 204

    def received() -> bool:
        run_jobs(rounds=2)
        return view(order_id).state == "succeeded"

    wait_for(received)


def test_anybody_pays_the_qr_code_and_it_is_booked_after_a_query(
    database: Database, hooks: str, wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    order = view(order_id)
    assert order.state == "pending_user"
    assert order.code_url is not None
    assert order.code_url.startswith(wechat.url)
    page = httpx.get(order.code_url)
    assert "¥523.45" in page.text
    assert "loan" not in page.text.lower()
    assert "贷" not in page.text
    assert "王小明" not in page.text
    paid = httpx.post(order.code_url, follow_redirects=True)
    assert "已支付" in paid.text

    def received() -> bool:
        run_jobs(rounds=2, hurry=False)
        return view(order_id).state == "succeeded"

    wait_for(received)
    assert _booked(database, order_id) == ONCE
    with database.transaction() as session:
        payload = session.scalars(
            select(OutboxEvent.payload).where(OutboxEvent.aggregate_id == order_id)
        ).one()
    assert payload["source"] == "loan:1"
    assert payload["amount_minor"] == AMOUNT
    assert payload["value_at"][:19] == _trade(wechat, order.out_ref)["success_time"][:19]
    httpx.post(order.code_url)
    assert [row["kind"] for row in wechat.rows("payments") if row["out_trade_no"] == order.out_ref] == ["pay"]


@pytest.mark.parametrize("notice", ["lose_notice", "duplicate_notice", "wrong_amount_notice"])
def test_whatever_the_notification_does_the_query_books_once(
    notice: str,
    database: Database,
    hooks: str,
    wechat: Simulator,
    collect: Callable[..., UUID],
    view: View,
    run_jobs: Run,
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    wechat.fault(notice)
    wechat.post(f"pay/{view(order_id).out_ref}").raise_for_status()
    run_jobs(rounds=3)  # the planned query, with or without a notification
    assert view(order_id).state == "succeeded"
    run_jobs(rounds=3)
    assert _booked(database, order_id) == ONCE


@pytest.mark.parametrize("fault", ["forged", "wrong_serial", "probe", "stale"])
def test_forged_notices_are_refused_and_leave_nothing(
    fault: str,
    database: Database,
    hooks: str,
    wechat: Simulator,
    collect: Callable[..., UUID],
    view: View,
    run_jobs: Run,
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    wechat.fault("lose_notice")
    out_ref = view(order_id).out_ref
    wechat.post(f"pay/{out_ref}").raise_for_status()
    notice = httpx.get(f"{wechat.url}/control/notice/{out_ref}", params={"fault": fault})
    before = _count_events(database)
    answer = httpx.post(f"{hooks}/wechat", content=notice.content, headers=_signature(notice))
    assert answer.status_code == 401
    assert answer.json()["code"] == "notice-refused"
    assert "detail" not in answer.json()
    assert _count_events(database) == before


def test_200_replays_at_once_are_one_booking(
    database: Database, hooks: str, wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    wechat.fault("lose_notice")
    out_ref = view(order_id).out_ref
    wechat.post(f"pay/{out_ref}").raise_for_status()
    notice = httpx.get(f"{wechat.url}/control/notice/{out_ref}")
    before = _count_events(database)
    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(16) as pool:
        codes = list(
            pool.map(
                lambda _: (
                    client.post(
                        f"{hooks}/wechat", content=notice.content, headers=_signature(notice)
                    ).status_code
                ),
                range(200),
            )
        )
    assert codes == [204] * 200
    assert _count_events(database) == before + 1
    run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"
    assert _booked(database, order_id) == ONCE


@pytest.mark.parametrize("fault", ["drop_answer", "error_500", "unsigned", "forged", "stale"])
def test_an_order_whose_answer_was_lost_gets_its_code_by_the_same_reference(
    fault: str, wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    wechat.fault(fault)
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    assert view(order_id).state == "unknown"
    run_jobs(rounds=2)
    order = view(order_id)
    assert order.state == "pending_user"
    assert order.code_url is not None
    assert _trade(wechat, order.out_ref)["placed"] == 2


@pytest.mark.parametrize("fault", ["wrong_amount", "wrong_merchant"])
def test_another_amount_or_merchant_is_never_booked(
    fault: str, database: Database, wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    wechat.fault("lose_notice")
    wechat.post(f"pay/{view(order_id).out_ref}").raise_for_status()
    wechat.fault(fault)
    run_jobs(rounds=1)
    assert view(order_id).state == "unknown"
    assert _booked(database, order_id) == ([], 0)
    run_jobs(rounds=2)
    assert view(order_id).state == "succeeded"
    assert _booked(database, order_id) == ONCE


def test_a_refund_reverses_what_was_received(
    database: Database, hooks: str, wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    out_ref = view(order_id).out_ref
    wechat.post(f"pay/{out_ref}").raise_for_status()
    run_jobs(rounds=3)
    wechat.post(f"refund/{out_ref}").raise_for_status()

    def reversed_() -> bool:
        run_jobs(rounds=2, hurry=False)
        return view(order_id).state == "reversed"

    wait_for(reversed_)
    assert _booked(database, order_id) == (
        ["payments.collection_received.v1", "payments.collection_reversed.v1"],
        2,
    )


def test_a_closed_order_can_not_be_paid_and_a_paid_one_not_closed(
    database: Database, wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    closed, paid = collect(), collect()
    run_jobs(rounds=1, hurry=False)
    wechat.fault("lose_notice")
    wechat.post(f"pay/{view(paid).out_ref}").raise_for_status()
    for order_id in (closed, paid):
        database.run(lambda session, order_id=order_id: service.close(session, order_id, now=clock.now()))
    run_jobs(rounds=3)
    assert view(closed).state == "failed"
    assert view(closed).reason is not None
    assert wechat.post(f"pay/{view(closed).out_ref}").status_code == 409
    assert view(paid).state == "succeeded"
    assert _booked(database, paid) == ONCE
    assert _booked(database, closed) == ([], 0)


def test_an_order_that_nobody_paid_is_closed_when_it_expires(
    database: Database,
    wechat: Simulator,
    collect: Callable[..., UUID],
    view: View,
    run_jobs: Run,
    demo_clock: Callable[..., Any],
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    demo_clock(hours=3)
    run_jobs(rounds=3)
    assert view(order_id).state == "failed"
    assert _trade(wechat, view(order_id).out_ref)["state"] == "CLOSED"


def test_the_platform_keeps_its_books_over_kill_9(
    wechat: Simulator, collect: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = collect()
    run_jobs(rounds=1, hurry=False)
    wechat.fault("lose_notice")
    wechat.post(f"pay/{view(order_id).out_ref}").raise_for_status()
    before = wechat.rows("payments")
    wechat.restart()
    assert wechat.rows("payments") == before
    run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"


def test_what_a_rail_can_not_carry_is_refused_at_once(
    collect: Callable[..., UUID], database: Database, borrower: UUID
) -> None:
    with pytest.raises(service.InvalidOrder):
        collect(amount_minor=0)
    with pytest.raises(service.InvalidOrder):
        collect(amount_minor=10**9)
    with pytest.raises(service.RailNotSetUp):
        database.run(
            lambda session: service.order_collection(
                session, borrower, 1, "CNY", "loan:1", "alipay", idempotency_key="x", now=clock.now()
            )
        )


def test_hooks_refuse_what_is_no_notice(hooks: str) -> None:
    for body in (b"", b"{}", b"\x00\xff", b"[" * 100_000):
        assert httpx.post(f"{hooks}/wechat", content=body).status_code == 401
        assert httpx.post(f"{hooks}/bank", content=body).status_code == 401
    assert httpx.post(f"{hooks}/alipay", content=b"{}").status_code == 404
    assert httpx.post(f"{hooks}/wechat", content=bytes(300_000)).status_code == 413


def _count_events(database: Database) -> int:
    with database.transaction() as session:
        return session.execute(select(func.count()).select_from(RailEvent)).scalar_one()


def _signature(notice: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in notice.headers.items() if name.startswith("wechatpay")}


def test_no_attempt_has_two_open_references(database: Database) -> None:
    with database.transaction() as session:
        doubled = session.execute(
            select(PaymentAttempt.order_id).group_by(PaymentAttempt.order_id).having(func.count() > 1)
        ).all()
    assert doubled == []
