"""The bureau as a process, settings that point there, and nobody else outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from payments.support_servers import Simulator, free_port, simulator
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.bureau.keys import ensure_keys

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def environment(home: Path, database_url: str) -> dict[str, str]:
    """What the processes of this installation need to know."""
    ensure_keys(home)
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_BUREAU_URL": f"http://127.0.0.1:{free_port()}",
        "THROUGHLINE_BUREAU_CALL_TIMEOUT_S": "5",
        "THROUGHLINE_MESSAGING_SMS_URL": nowhere,
        "THROUGHLINE_MESSAGING_SMTP_PORT": str(free_port()),
        "THROUGHLINE_LINE_API_URL": nowhere,
        "PYTHONPATH": f"{HERE.parent}:{HERE.parent.parent / 'src'}",
    }


@pytest.fixture(scope="module")
def configured(installation: Path, environment: dict[str, str]) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in environment.items():
        patch.setenv(name, value)
    kernel_settings.forget()
    yield
    patch.undo()
    kernel_settings.forget()


@pytest.fixture(scope="module")
def running(environment: dict[str, str]) -> Iterator[Simulator]:
    found = simulator("bureau", environment["THROUGHLINE_BUREAU_URL"], environment)
    found.start()
    found.post("settings", answer_after_s=0)
    yield found
    found.process.kill()


@pytest.fixture
def desk(running: Simulator, configured: None, database: Database) -> Iterator[Simulator]:
    """The bureau, behaving until it is told otherwise; nothing waits for it from the test before."""
    del configured
    with database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))
        session.execute(text("UPDATE lending_bureau_item SET state = 'left_out' WHERE state = 'queued'"))
        session.execute(text("UPDATE lending_bureau_file SET next_step_at = NULL"))
        session.execute(text("UPDATE lending_loan SET disbursed_on = NULL"))  # in no report any more
    yield running
    running.calm()


@pytest.fixture
def go(database: Database, run_jobs: Callable[..., int]) -> Callable[..., None]:
    """Let the guard's sweep and all jobs run, some times over."""
    from throughline.lending.bureau import jobs

    def run(times: int = 3) -> None:
        for _ in range(times):
            with database.transaction() as session:  # whatever is to be looked at later is due now
                session.execute(text("UPDATE lending_bureau_file SET next_step_at = now() - interval '1 day'"
                                     " WHERE next_step_at IS NOT NULL"))  # fmt: skip
            jobs.sweep(0)
            run_jobs(rounds=1, timers=False)

    return run
