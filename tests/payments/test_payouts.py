"""Payouts through the bank simulator, a real process, with its faults: one order, one movement of money."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from payments.support_servers import Simulator, wait_for
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.ledger import service as ledger
from throughline.payments import jobs, orders, service
from throughline.payments.models import PaymentAttempt, PaymentStep
from throughline.payments.service import OrderView

pytestmark = pytest.mark.usefixtures("rails")
AMOUNT = 300_000

View = Callable[[UUID], OrderView]
Run = Callable[..., int]


@pytest.fixture
def pay(
    database: Database, borrower: UUID, account: UUID, clear_queue: Callable[[], None]
) -> Callable[..., UUID]:
    clear_queue()

    def order(key: str | None = None, amount_minor: int = AMOUNT, line_state: str = "suspended") -> UUID:
        return database.run(
            lambda session: service.order_payout(
                session, borrower, amount_minor, "CNY", account, "loan:1", key or str(uuid4()), line_state,
                now=clock.now(),
            )
        )  # fmt: skip

    return order


def _movements(bank: Simulator, out_ref: str | None) -> list[tuple[str, int]]:
    return [
        (row["side"], row["amount_minor"])
        for row in bank.rows("movements")
        if row["end_to_end_id"] == out_ref
    ]


def _settled(bank: Simulator, out_ref: str | None) -> Any:
    return wait_for(
        lambda: [
            row for row in bank.rows("payments") if row["end_to_end_id"] == out_ref and row["state"] == "ACSC"
        ]
    )


def _events(database: Database, order_id: UUID) -> list[str]:
    with database.transaction() as session:
        return list(
            session.scalars(
                select(OutboxEvent.type).where(OutboxEvent.aggregate_id == order_id).order_by(OutboxEvent.seq)
            )
        )


def _steps(session: Session, order_id: UUID) -> list[tuple[str, str]]:
    rows = session.execute(
        select(PaymentStep.new, PaymentStep.cause)
        .join(PaymentAttempt, PaymentAttempt.id == PaymentStep.attempt_id)
        .where(PaymentAttempt.order_id == order_id)
        .order_by(PaymentStep.id)
    )
    return [(row.new, row.cause) for row in rows]


def _entries(database: Database, order_id: UUID) -> list[tuple[str, str]]:
    with database.transaction() as session:
        found = ledger.entries(session, source=f"payment_order:{order_id}")
    return [
        (
            next(line.account for line in entry.lines if line.debit_minor),
            next(line.account for line in entry.lines if line.credit_minor),
        )
        for entry in found
    ]


def test_a_payout_is_accepted_then_settled_then_booked_once(
    database: Database, bank: Simulator, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    bank.post("settings", settle_after_s=3600).raise_for_status()
    order_id = pay()
    run_jobs(rounds=2, hurry=False)
    assert view(order_id).state == "sent"  # ACTC: accepted is not success
    assert _events(database, order_id) == []
    bank.post("settings", settle_after_s=0).raise_for_status()
    second = pay()
    run_jobs(rounds=1, hurry=False)
    _settled(bank, view(second).out_ref)
    run_jobs(rounds=3)
    done = view(second)
    assert done.state == "succeeded"
    assert done.value_at is not None
    assert _movements(bank, done.out_ref) == [("DBIT", AMOUNT)]
    assert _events(database, second) == ["payments.payout_succeeded.v1"]
    assert _entries(database, second) == [("payout_clearing", "bank")]
    with database.transaction() as session:
        assert _steps(session, second) == [("sent", "job"), ("succeeded", "query")]


def test_one_key_is_one_order_also_from_many_callers_at_once(
    database: Database, pay: Callable[..., UUID]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: pay("the same key"), range(24)))
    assert len(found) == 1
    with database.transaction() as session:
        attempts = session.execute(
            select(func.count()).where(PaymentAttempt.order_id == next(iter(found)))
        ).scalar_one()
    assert attempts == 1
    with pytest.raises(service.OrderKeyReused):
        pay("the same key", amount_minor=AMOUNT + 1)


@pytest.mark.parametrize("fault", ["drop_answer", "error_500", "unsigned", "forged"])
def test_an_answer_that_is_lost_or_not_proved_is_unknown_until_a_query(
    fault: str,
    database: Database,
    bank: Simulator,
    pay: Callable[..., UUID],
    view: View,
    run_jobs: Run,
) -> None:
    bank.fault(fault)
    order_id = pay()
    run_jobs(rounds=1, hurry=False)
    assert view(order_id).state == "unknown"
    _settled(bank, view(order_id).out_ref)
    run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"
    assert _movements(bank, view(order_id).out_ref) == [("DBIT", AMOUNT)]
    with database.transaction() as session:
        assert _steps(session, order_id) == [("sent", "job"), ("unknown", "answer"), ("succeeded", "query")]


def test_a_request_that_never_arrived_is_sent_again_after_ten_minutes_with_its_reference(
    database: Database,
    bank: Simulator,
    pay: Callable[..., UUID],
    view: View,
    run_jobs: Run,
    demo_clock: Callable[..., Any],
) -> None:
    bank.fault("drop_request")
    order_id = pay()
    run_jobs(rounds=4)
    assert view(order_id).state == "unknown"
    assert _movements(bank, view(order_id).out_ref) == []
    demo_clock(minutes=11)
    run_jobs(rounds=2)
    _settled(bank, view(order_id).out_ref)
    run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"
    assert _movements(bank, view(order_id).out_ref) == [("DBIT", AMOUNT)]
    with database.transaction() as session:
        attempt = session.execute(
            select(PaymentAttempt).where(PaymentAttempt.order_id == order_id)
        ).scalar_one()
    assert (attempt.generation, attempt.sends) == (1, 2)


def test_not_found_soon_after_sending_is_lag_not_failure(
    bank: Simulator, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    bank.fault("drop_answer")
    bank.fault("not_found", times=3)
    order_id = pay()
    run_jobs(rounds=3)
    assert view(order_id).state == "unknown"
    run_jobs(rounds=4)
    assert view(order_id).state == "succeeded"
    assert _movements(bank, view(order_id).out_ref) == [("DBIT", AMOUNT)]


@pytest.mark.parametrize(("reason", "state"), [("AC04", "failed"), ("ZZ99", "unknown")])
def test_a_refusal_fails_by_a_known_code_and_is_asked_about_by_an_unknown_one(
    reason: str,
    state: str,
    database: Database,
    bank: Simulator,
    pay: Callable[..., UUID],
    view: View,
    run_jobs: Run,
) -> None:
    bank.fault("reject", reason=reason)
    order_id = pay()
    run_jobs(rounds=1, hurry=False)
    assert view(order_id).state == state
    run_jobs(rounds=3)
    failed = view(order_id)
    assert failed.state == "failed"
    assert failed.reason is not None
    assert set(failed.reason) == {"zh-CN", "en"}
    assert _events(database, order_id) == ["payments.payout_failed.v1"]
    assert _entries(database, order_id) == []
    assert _movements(bank, failed.out_ref) == []


def test_the_bank_compares_the_holder_with_its_list(
    bank: Simulator, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    bank.post("accounts", number="6222021234567890123", holder="别人").raise_for_status()
    order_id = pay()
    run_jobs(rounds=1, hurry=False)
    bank.post("accounts", number="6222021234567890123", holder="王小明").raise_for_status()
    assert view(order_id).state == "failed"


def test_pushed_statements_settle_returns_come_back_and_repeats_change_nothing(
    database: Database, hooks: str, bank: Simulator, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    bank.fault("duplicate_push", times=4)
    order_id = pay()
    run_jobs(rounds=1, hurry=False)
    out_ref = view(order_id).out_ref

    def state_after_jobs(wanted: str) -> bool:
        run_jobs(rounds=2, hurry=False)
        return view(order_id).state == wanted

    wait_for(lambda: state_after_jobs("succeeded"))
    bank.post("return", end_to_end_id=out_ref, reason="AC04").raise_for_status()
    wait_for(lambda: state_after_jobs("returned"))
    assert view(order_id).reason is not None
    assert _movements(bank, out_ref) == [("DBIT", AMOUNT), ("CRDT", AMOUNT)]
    assert _entries(database, order_id) == [("payout_clearing", "bank"), ("bank", "payout_clearing")]
    assert _events(database, order_id) == ["payments.payout_succeeded.v1", "payments.payout_returned.v1"]
    jobs.fetch_files(0)  # the same files once more, fetched this time
    run_jobs(rounds=3)
    assert len(_entries(database, order_id)) == 2


def test_a_statement_with_another_amount_books_nothing(
    database: Database, hooks: str, bank: Simulator, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    bank.fault("wrong_amount")
    bank.fault("not_found", times=1000)
    order_id = pay()
    run_jobs(rounds=1, hurry=False)
    _settled(bank, view(order_id).out_ref)

    def shown() -> bool:
        run_jobs(rounds=1, hurry=False)
        with database.transaction() as session:
            attempt = session.execute(
                select(PaymentAttempt).where(PaymentAttempt.order_id == order_id)
            ).scalar_one()
            return attempt.error_code == "mismatch-amount"

    wait_for(shown)
    assert view(order_id).state == "unknown"
    assert _entries(database, order_id) == []
    bank.calm()
    run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"


def test_the_bank_keeps_its_books_over_kill_9(
    bank: Simulator, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = pay()
    run_jobs(rounds=1, hurry=False)
    _settled(bank, view(order_id).out_ref)
    before = bank.rows("movements")
    bank.restart()
    assert bank.rows("movements") == before
    run_jobs(rounds=3)
    assert view(order_id).state == "succeeded"


def test_without_a_rail_a_payout_waits_with_its_reason_and_goes_when_one_is_there(
    database: Database, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = pay(amount_minor=20_000_001)  # above the bank's limit
    waiting = view(order_id)
    assert waiting.state == "waiting"
    assert waiting.reason is not None
    assert not database.run(lambda session: orders.route_waiting(session, order_id, now=clock.now()))
    database.run(lambda session: service.close(session, order_id, now=clock.now()))
    assert view(order_id).state == "failed"
    assert _events(database, order_id) == ["payments.payout_failed.v1"]


def test_a_payout_is_closed_only_before_it_is_sent(
    database: Database, pay: Callable[..., UUID], view: View, run_jobs: Run
) -> None:
    order_id = pay()
    database.run(lambda session: service.close(session, order_id, now=clock.now()))
    run_jobs(rounds=1, hurry=False)
    assert view(order_id).state == "failed"
    assert view(order_id).reason is not None
    sent = pay()
    run_jobs(rounds=1, hurry=False)
    with pytest.raises(service.NotClosable):
        database.run(lambda session: service.close(session, sent, now=clock.now()))


def test_accounts_are_the_borrowers_own_and_sealed(database: Database, borrower: UUID, account: UUID) -> None:
    def add(name: str, number: str) -> UUID:
        return database.run(
            lambda session: service.add_payee_account(
                session, borrower, name, number, "102100099996", now=clock.now()
            )
        )

    assert add(" 王 小明 ", "6222021234567890123") == account
    with pytest.raises(service.NotOwnAccount):
        add("王大明", "6222021234567890123")
    with pytest.raises(service.InvalidAccount):
        add("王小明", "DE89370400440532013001")
    with database.transaction() as session:
        [shown] = service.payee_accounts(session, borrower)
        stored = session.execute(text("SELECT number, holder_name FROM payment_payee_account")).one()
    assert shown.last_four == "0123"
    assert b"6222021234567890123" not in bytes(stored.number)
    assert "王小明".encode() not in bytes(stored.holder_name)
