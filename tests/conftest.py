"""Fixtures on real parts: one embedded PostgreSQL for a run, a database of its own for each module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql
from sqlalchemy.orm import Session

from support import order
from support.postgres import TestServer
from throughline import migrations
from throughline.kernel import clock, db, keyring, rooms
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database

TEMPLATE = "throughline_template"

# A shared, busy machine: a slow example is no failure. Derandomised in CI, so that main stays green.
hypothesis_settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.register_profile("ci", hypothesis_settings.get_profile("default"), derandomize=True)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "default")


# Processes that tests start read compiled files instead of compiling the platform each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means here."""
    return order.workers()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile` begins with what takes longest."""
    return order.LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The server of this test run, with a migrated template database."""
    with TestServer.running(tmp_path_factory.mktemp("postgres")) as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        migrations.upgrade(server.url(TEMPLATE))
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of this module's installation."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def database_url(postgres: TestServer) -> Iterator[str]:
    """A fresh, migrated database of this module's own."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
        )
    yield postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def installation(home: Path, database_url: str) -> Iterator[Path]:
    """Settings of this process point at the module's own home and database, in demo mode."""
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_HOME", str(home))
    patch.setenv("THROUGHLINE_DATABASE_URL", database_url)
    patch.setenv("THROUGHLINE_DEMO", "1")
    _forget()
    rooms.load_all()
    yield home
    if db.database.cache_info().currsize:
        db.database().close()
    patch.undo()
    _forget()


def _forget() -> None:
    kernel_settings.forget()
    keyring.key_ring.cache_clear()
    db.database.cache_clear()


@pytest.fixture(scope="module")
def database(installation: Path) -> Database:
    """This process's database: real, migrated, the module's own."""
    return db.database()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session whose transaction is rolled back at the end of the test."""
    with Session(database.engine, expire_on_commit=False) as open_session:
        transaction = open_session.begin()
        yield open_session
        if transaction.is_active:
            transaction.rollback()


@pytest.fixture
def run_jobs(database: Database) -> Callable[..., int]:
    """Drain the queue with the real worker; returns how many runs there were. Retries that wait are pulled forward."""
    from support.jobs import drain

    def run(*, rounds: int = 20, timers: bool = True, hurry: bool = True) -> int:
        return drain(database, rounds=rounds, timers=timers, hurry=hurry)

    return run


@pytest.fixture
def demo_clock(installation: Path) -> Callable[..., Any]:
    """Move business time forward: demo_clock(days=3)."""

    def forward(**parts: float) -> timedelta:
        return clock.move_demo_forward(timedelta(**parts))

    return forward


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    """The whole app in this process, at the base URL that cookies and passkeys expect."""
    from throughline.web.app import create_app

    with TestClient(create_app(), base_url="http://localhost:8000") as test_client:
        yield test_client
