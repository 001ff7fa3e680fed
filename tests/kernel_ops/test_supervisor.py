"""The process tree: restart, drain, death of the supervisor, work of killed workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from kernel_ops import places
from throughline.kernel import jobs
from throughline.kernel.db import Database
from throughline.kernel.supervisor import AlreadyRunning, only_one, role_states, running_pid

pytestmark = pytest.mark.chaos
HERE = Path(__file__).parent

POLITE = """
import pathlib, signal, sys, time
def end(*_):
    print("bye", flush=True); time.sleep(0.5); pathlib.Path(sys.argv[1]).touch(); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("hello", flush=True)
while True: time.sleep(0.05)
"""
# A child with a child of its own that holds a port and hears no signal but kill -9, like a server's worker.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", '''
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(100):
    try: held = socket.create_server(("127.0.0.1", int(sys.argv[1]))); break
    except OSError: time.sleep(0.1)
while True: time.sleep(1)
''', sys.argv[1]])
while True: time.sleep(1)
"""


@dataclass
class Tree:
    """A running supervisor with its output."""

    place: Path
    process: subprocess.Popen[str]

    def pid_of(self, role: str) -> int | None:
        return role_states(self.place).get(role, {}).get("pid")

    def output(self) -> str:
        return (self.place / "output").read_text()


@pytest.fixture
def place() -> Iterator[Path]:
    with places.home() as folder:
        yield folder


@pytest.fixture
def start(place: Path) -> Iterator[Callable[..., Tree]]:
    started: list[subprocess.Popen[str]] = []

    def run(roles: dict[str, list[str]], **more: str) -> Tree:
        with (place / "output").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "supervised.py"), str(place), json.dumps(roles)],
                env=places.environment(place, **more),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        started.append(process)
        places.wait_for((place / "ready").exists)
        return Tree(place, process)

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_lines_carry_their_role_and_sigterm_drains(place: Path, start: Callable[..., Tree]) -> None:
    tree = start({"polite": ["-c", POLITE, str(place / "drained")]})
    places.wait_for(lambda: "hello" in tree.output())
    tree.process.send_signal(signal.SIGTERM)
    assert tree.process.wait(10) == 0
    assert (place / "drained").exists()
    assert "polite      | hello\n" in tree.output()
    assert "polite      | bye\n" in tree.output()
    assert running_pid(place) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_killed_child_comes_back_and_the_end_is_clean(
    place: Path, start: Callable[..., Tree], number: signal.Signals
) -> None:
    tree = start({"polite": ["-c", POLITE, str(place / "drained")]})
    first = places.wait_for(lambda: tree.pid_of("polite"))
    os.kill(first, signal.SIGKILL)
    second = places.wait_for(lambda: tree.pid_of("polite") not in (None, first) and tree.pid_of("polite"))
    assert role_states(place)["polite"]["restarts"] == 1
    tree.process.send_signal(number)
    assert tree.process.wait(10) == 0
    assert not places.alive(second)


def test_the_children_of_a_dead_child_do_not_hold_its_port(place: Path, start: Callable[..., Tree]) -> None:
    port = places.free_port()
    tree = start({"server": ["-c", PARENT, str(port)]})
    first = places.wait_for(lambda: tree.pid_of("server"))
    places.wait_for(lambda: len(_group(first)) == 2)
    orphan = next(pid for pid in _group(first) if pid != first)
    os.kill(first, signal.SIGKILL)
    places.wait_for(lambda: not places.alive(orphan), within_s=5)


def _group(pgid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == pgid:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def test_children_end_when_the_supervisor_is_killed(place: Path, start: Callable[..., Tree]) -> None:
    tree = start({"polite": ["-c", POLITE, str(place / "drained")]})
    child = places.wait_for(lambda: tree.pid_of("polite"))
    places.wait_for(lambda: "hello" in tree.output())
    tree.process.kill()
    tree.process.wait()
    places.wait_for(lambda: not places.alive(child), within_s=10)
    # The lock is free although the pid file still stands there.
    assert running_pid(place) is None
    with only_one(place):
        assert running_pid(place) == os.getpid()


def test_a_second_one_is_refused_with_the_number_of_the_first(
    place: Path, start: Callable[..., Tree]
) -> None:
    tree = start({})
    with pytest.raises(AlreadyRunning, match=f"process {tree.process.pid}"), only_one(place):
        pass
    assert running_pid(place) == tree.process.pid


def test_work_of_a_killed_worker_is_taken_up_within_15_s(
    place: Path, start: Callable[..., Tree], database: Database
) -> None:
    command = [str(HERE / "slow_worker.py")]
    tree = start(
        {"a": [*command, "slow"], "b": [*command, "slow"], "system": [*command, "system"]},
        THROUGHLINE_DATABASE_URL=database.url,
    )
    with database.transaction() as session:
        jobs.defer(session, "test.slow", {"name": "long", "seconds": 8}, queue="slow")
    marks = place / "marks"
    places.wait_for(lambda: marks.exists() and "started long" in marks.read_text())
    busy = _worker_of_running_job(database, place)
    os.kill(busy, signal.SIGKILL)
    killed = time.monotonic()
    places.wait_for(lambda: marks.read_text().count("started long") == 2, within_s=20)
    assert time.monotonic() - killed < 15
    places.wait_for(lambda: "ended long" in marks.read_text(), within_s=20)
    tree.process.send_signal(signal.SIGTERM)
    assert tree.process.wait(30) == 0
    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM procrastinate_workers")).scalar_one() == 0
    assert list((place / "run").iterdir()) == []


def _worker_of_running_job(database: Database, place: Path) -> int:
    with database.transaction() as session:
        worker_id = session.execute(
            text(
                "SELECT worker_id FROM procrastinate_jobs WHERE task_name = 'test.slow' AND status = 'doing'"
            )
        ).scalar_one()

    def find() -> int | None:
        for note in (place / "run").glob("worker-*"):
            if note.read_text() == str(worker_id):
                return int(note.name.removeprefix("worker-"))
        return None

    return int(places.wait_for(find))
