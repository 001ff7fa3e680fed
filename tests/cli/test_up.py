"""`throughline up` as a process tree: one for a home, nothing lost by kill -9 of all of it, a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest

from kernel_ops import places
from throughline.kernel import postgres
from throughline.kernel.postgres import ServerStatus
from throughline.kernel.supervisor import role_states, running_pid

pytestmark = [pytest.mark.system, pytest.mark.chaos]
ROLES = {"web", "worker", "system", "sender", "sequencer", "probe"}


@pytest.fixture
def place() -> Iterator[Path]:
    with places.home() as folder:
        yield folder


@pytest.fixture
def env(place: Path) -> dict[str, str]:
    return places.environment(place)


@pytest.fixture
def up(place: Path, env: dict[str, str]) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        with (place / "output").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "throughline", "up"],
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        started.append(process)
        places.wait_for(
            lambda: (
                (running_pid(place) == process.pid and set(role_states(place)) == ROLES)
                or process.poll() is not None
            ),
            within_s=60,
        )
        assert process.poll() is None, (place / "output").read_text()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_one_for_a_home_and_a_clean_end(
    place: Path, env: dict[str, str], up: Callable[[], subprocess.Popen[str]]
) -> None:
    first = up()
    second = places.command("up", env=env)
    assert second.returncode == 1
    assert f"process {first.pid}" in second.stderr
    assert "throughline down" in second.stderr
    found = json.loads(places.command("status", "--json", env=env).stdout)
    assert (found["supervisor_pid"], found["database"]) == (first.pid, "ready")
    assert set(found["roles"]) == ROLES
    assert places.command("down", env=env).returncode == 0
    assert first.wait(5) == 0
    places.wait_for(lambda: not places.processes_of(place))
    assert running_pid(place) is None


def test_kill_9_of_everything_loses_nothing_and_the_next_start_brings_it_back(
    place: Path, env: dict[str, str], up: Callable[[], subprocess.Popen[str]]
) -> None:
    up()
    config = places.settings_of(place)
    dsn = postgres.running_dsn(config)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (nr int)")
        for number in range(50):
            connection.execute("INSERT INTO kept VALUES (%s)", (number,))
        assert len(places.kill_all_of(place)) > len(ROLES)
    places.wait_for(lambda: not places.processes_of(place))
    up()
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT nr FROM kept").fetchall()
        assert {row[0] for row in rows} == set(range(50))
        # Workers of the killed run are struck out; the three of this one come in their place.
        count = "SELECT count(*) FROM procrastinate_workers"
        places.wait_for(lambda: connection.execute(count).fetchone() == (3,))


def test_when_only_the_supervisor_is_killed_the_database_stays_and_is_joined(
    place: Path, up: Callable[[], subprocess.Popen[str]]
) -> None:
    first = up()
    config = places.settings_of(place)
    postmaster = (place / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
    children = [state["pid"] for state in role_states(place).values() if state["pid"]]
    first.kill()
    first.wait()
    places.wait_for(lambda: not any(places.alive(pid) for pid in children), within_s=40)
    assert postgres.status(config) is ServerStatus.READY
    second = up()
    assert (place / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0] == postmaster
    second.send_signal(signal.SIGINT)
    assert second.wait(60) == 0
    assert postgres.status(config) is ServerStatus.STOPPED


def test_a_database_that_dies_is_brought_back_while_the_roles_go_on(
    place: Path, up: Callable[[], subprocess.Popen[str]]
) -> None:
    up()
    config = places.settings_of(place)
    workers = {name: role_states(place)[name]["pid"] for name in ("worker", "system")}
    os.kill(int((place / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    places.wait_for(lambda: not postgres.is_alive(config))
    places.wait_for(lambda: postgres.status(config) is ServerStatus.READY, within_s=60)
    assert {name: role_states(place)[name]["pid"] for name in workers} == workers


def test_a_taken_port_is_named_before_anything_starts(place: Path, env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(env["THROUGHLINE_PORT"]))):
        code = "from throughline.cli import platform\nplatform.PORT_S = 1\nfrom throughline.cli import app\napp(['up'])"
        answer = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
        )
    assert answer.returncode == 1
    assert "THROUGHLINE_PORT" in answer.stderr
    assert not (place / "postgres").exists()


def test_the_port_of_another_demos_simulator_is_named(place: Path, env: dict[str, str]) -> None:
    """Else the two would share the port, and each hear half of the other's outside world."""
    with socket.create_server(("127.0.0.1", int(env["THROUGHLINE_LAB_PORT"]) + 2), reuse_port=True):
        code = "from throughline.cli import platform\nplatform.PORT_S = 1\nfrom throughline.cli import app\napp(['up'])"
        answer = subprocess.run(
            [sys.executable, "-c", code],
            env=env | {"THROUGHLINE_DEMO": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert answer.returncode == 1
    assert "THROUGHLINE_LAB_PORT" in answer.stderr
    assert not (place / "postgres").exists()


def test_the_banner_names_the_addresses_and_the_file_with_the_sign_in(
    env: dict[str, str], place: Path
) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", int(env["THROUGHLINE_PORT"])), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = "from throughline.cli import platform\nplatform._announce()"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=env | {"THROUGHLINE_DEMO": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    server.shutdown()
    server.server_close()
    assert "Throughline is ready:  http://localhost:8000/" in told.stderr
    assert str(place / "demo-credentials.json") in told.stderr
    assert f"http://127.0.0.1:{env['THROUGHLINE_LAB_PORT']}" in told.stderr
