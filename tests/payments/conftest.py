"""Simulators as processes, hooks over HTTP, a registered borrower with an account."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from payments.support_servers import Process, Simulator, answers, free_port, simulator, wait_for
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.bank.keys import ensure_keys as bank_keys
from throughline.lab.wechat.keys import ensure_keys as wechat_keys
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson
from throughline.payments import service
from throughline.payments.service import OrderView

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def environment(home: Path, database_url: str) -> dict[str, str]:
    """What the processes of this installation need to know."""
    bank_keys(home)
    wechat_keys(home)
    return {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_BASE_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_PAYMENTS_BANK_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_PAYMENTS_WECHAT_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_PAYMENTS_CALL_TIMEOUT_S": "5",
        "PYTHONPATH": str(HERE.parent),
    }


@pytest.fixture(scope="module")
def hooks(environment: dict[str, str]) -> Iterator[str]:
    """Our hooks over HTTP, at the base URL of the installation."""
    url = environment["THROUGHLINE_BASE_URL"]
    server = Process([sys.executable, str(HERE / "hook_server.py"), url.rsplit(":", 1)[1]], environment)
    server.start()
    wait_for(lambda: answers(url))
    yield f"{url}/hooks/payments"
    server.kill()


@pytest.fixture(scope="module")
def configured(installation: Path, environment: dict[str, str]) -> Iterator[None]:
    """This process knows where the simulators are and has its keys."""
    patch = pytest.MonkeyPatch()
    for name, value in environment.items():
        if name == "THROUGHLINE_BASE_URL" or name.startswith("THROUGHLINE_PAYMENTS_"):
            patch.setenv(name, value)
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


@pytest.fixture(scope="module")
def rails(configured: None, environment: dict[str, str]) -> Iterator[dict[str, Simulator]]:
    """Both simulators run; the bank settles at once."""
    running = {
        name: simulator(name, environment[f"THROUGHLINE_PAYMENTS_{name.upper()}_URL"], environment)
        for name in ("bank", "wechat")
    }
    for one in running.values():
        one.process.start()  # both at once, then wait: half the time
    for one in running.values():
        wait_for(lambda url=one.url: answers(url))
    running["bank"].post("settings", settle_after_s=0).raise_for_status()
    yield running
    for one in running.values():
        one.process.kill()


@pytest.fixture
def bank(rails: dict[str, Simulator]) -> Iterator[Simulator]:
    """The bank; its faults are called off after each test."""
    yield rails["bank"]
    rails["bank"].calm()


@pytest.fixture
def wechat(rails: dict[str, Simulator]) -> Iterator[Simulator]:
    """WeChat Pay; its faults are called off after each test."""
    yield rails["wechat"]
    rails["wechat"].calm()


@pytest.fixture
def clear_queue(database: Database) -> Callable[[], None]:
    """Forget what other tests left waiting."""

    def clear() -> None:
        with database.transaction() as session:
            session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))

    return clear


@pytest.fixture(scope="module")
def borrower(database: Database) -> UUID:
    """A borrower who agreed to be identified."""

    def register(session: object) -> UUID:
        now = clock.now()
        borrower_id = parties.register_person(
            session,  # type: ignore[arg-type]  # the session of Database.run
            NewPerson(
                "王小明", "11010519491231002X", "+8613800138000", "wang@example.com", "zh-CN", "Asia/Shanghai"
            ),
            now=now,
        )
        parties.give_consents(session, borrower_id, [Purpose.IDENTITY], {"channel": "test"}, now=now)  # type: ignore[arg-type]
        return borrower_id

    return database.run(register)


@pytest.fixture(scope="module")
def account(database: Database, borrower: UUID) -> UUID:
    """The borrower's bank account."""
    return database.run(
        lambda session: service.add_payee_account(
            session, borrower, "王小明", "6222 0212 3456 7890 123", "102100099996", now=clock.now()
        )
    )


@pytest.fixture
def view(database: Database) -> Callable[[UUID], OrderView]:
    """The order as it stands."""
    return lambda order_id: database.run(lambda session: service.order_view(session, order_id))
