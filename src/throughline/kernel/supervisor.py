"""The process tree of `throughline up`: one child for each role, restarted when it dies, drained at the end.

The supervisor holds no state of its own. Children notice its death themselves (the kernel sends them
SIGTERM), so that `kill -9` of the supervisor leaves nothing behind but the database, which the next
start joins.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from types import FrameType

from throughline.kernel.logging import get_logger

log = get_logger(__name__)

DRAIN_S = 30
STEADY_S = 60  # a child that lived this long counts as healthy again
_PR_SET_PDEATHSIG = 1


class AlreadyRunning(RuntimeError):
    """Another supervisor serves this home folder."""


@dataclass(frozen=True, slots=True)
class Role:
    """A child process: its name and its command line."""

    name: str
    command: Sequence[str]


@dataclass(slots=True)
class _Child:
    role: Role
    process: subprocess.Popen[bytes]
    started_at: float
    deaths: int = 0
    restart_at: float | None = None


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home folder: raises AlreadyRunning, naming the process, when another supervisor holds it."""
    home.mkdir(parents=True, exist_ok=True)
    pid_file = home / "supervisor.pid"
    with (home / "supervisor.lock").open("a+") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            pid = pid_file.read_text(encoding="ascii") if pid_file.exists() else "unknown"
            raise AlreadyRunning(
                f"the platform already runs from {home} (process {pid}); stop it with `throughline down`"
            ) from None
        pid_file.write_text(str(os.getpid()), encoding="ascii")
        try:
            yield
        finally:
            pid_file.unlink(missing_ok=True)


@dataclass(slots=True)
class Supervisor:
    """Runs roles until told to stop."""

    roles: Sequence[Role]
    _children: dict[str, _Child] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Start all roles, call `ready` in a thread, watch them until SIGTERM or SIGINT, then drain."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            for role in self.roles:
                self._children[role.name] = _Child(role, _spawn(role), time.monotonic())
            threading.Thread(target=ready, daemon=True).start()
            while not self._stopping.wait(0.2):
                self._watch()
        finally:
            self._drain()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _watch(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.restart_at is not None:
                if now >= child.restart_at:
                    child.process, child.started_at, child.restart_at = _spawn(child.role), now, None
                continue
            code = child.process.poll()
            if code is None:
                continue
            child.deaths = 1 if now - child.started_at > STEADY_S else child.deaths + 1
            # 1-5 s of jitter, more for a child that dies again and again.
            wait_s = random.uniform(1, 5) * min(6, child.deaths)  # noqa: S311 - not a secret
            child.restart_at = now + wait_s
            log.warning(
                "a role died",
                role=child.role.name,
                code=code,
                deaths=child.deaths,
                restart_in_s=round(wait_s, 1),
            )

    def _drain(self) -> None:
        living = [child.process for child in self._children.values() if child.process.poll() is None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + DRAIN_S
        for process in living:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a role did not drain in time", pid=process.pid)
                process.kill()
                process.wait(timeout=10)


def _spawn(role: Role) -> subprocess.Popen[bytes]:
    # A session of its own keeps the terminal's Ctrl-C for the supervisor, which then drains in order.
    return subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "throughline.kernel.orphan", str(os.getpid()), *role.command],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"THROUGHLINE_ROLE": role.name},
        start_new_session=True,
    )


def die_with(parent_pid: int) -> None:
    """Ask the kernel to send this process SIGTERM when its parent dies; exit if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        sys.exit(0)
