"""The process tree of `throughline up`: one child for each role, restarted when it dies, drained at the end.

The supervisor keeps nothing that matters. Children notice its death themselves (the kernel sends them
SIGTERM), so that `kill -9` of the supervisor leaves nothing behind but the database, which the next
start joins.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
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
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from types import FrameType
from typing import IO

from throughline.kernel.logging import get_logger

log = get_logger(__name__)

DRAIN_S = 30
STEADY_S = 60  # a child that lived this long counts as healthy again
MAX_LINE_BYTES = 64 * 1024
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
    restarts: int = 0
    restart_at: float | None = None


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home folder: raises AlreadyRunning, naming the process, when another supervisor holds it."""
    home.mkdir(parents=True, exist_ok=True)
    with _lock_file(home).open("a+") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"the platform already runs from {home} (process {_noted_pid(home) or 'unknown'}); "
                "stop it with `throughline down`"
            ) from None
        _roles_file(home).unlink(missing_ok=True)  # of a run that was killed
        _pid_file(home).write_text(str(os.getpid()), encoding="ascii")
        try:
            yield
        finally:
            _pid_file(home).unlink(missing_ok=True)
            _roles_file(home).unlink(missing_ok=True)


def running_pid(home: Path) -> int | None:
    """The process id of the living supervisor of this home; None if none runs, whatever old files say."""
    try:
        with _lock_file(home).open("r") as lock:
            flock(lock, LOCK_SH | LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _noted_pid(home)
    return None


def role_states(home: Path) -> dict[str, dict[str, int | None]]:
    """The roles of the running supervisor: pid (None while it waits to restart) and restarts so far."""
    try:
        states: dict[str, dict[str, int | None]] = json.loads(_roles_file(home).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return states


def _lock_file(home: Path) -> Path:
    return home / "supervisor.lock"


def _pid_file(home: Path) -> Path:
    return home / "supervisor.pid"


def _roles_file(home: Path) -> Path:
    return home / "supervisor.roles"


def _noted_pid(home: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(_pid_file(home).read_text(encoding="ascii"))
    return None


@dataclass(slots=True)
class Supervisor:
    """Runs roles until told to stop.

    `on_death` gets the name and process id of a role that died without being told to; it runs in a thread
    of its own. With `prefix` each line of a role's output begins with its name.
    """

    home: Path
    roles: Sequence[Role]
    on_death: Callable[[str, int], object] = lambda _name, _pid: None
    prefix: bool = True
    _children: dict[str, _Child] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Start all roles, call `ready` in a thread, watch them until SIGTERM or SIGINT, then drain."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            for role in self.roles:
                self._children[role.name] = _Child(role, self._spawn(role), time.monotonic())
            self._note_states()
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
                    child.process, child.started_at, child.restart_at = self._spawn(child.role), now, None
                    child.restarts += 1
                    self._note_states()
                continue
            code = child.process.poll()
            if code is not None:
                self._bury(child, code, now)

    def _bury(self, child: _Child, code: int, now: float) -> None:
        _kill_group(child.process.pid)  # what it had started itself must not hold its port
        if code == 0:
            child.deaths = 0  # it retired
        else:
            child.deaths = 1 if now - child.started_at > STEADY_S else child.deaths + 1
            threading.Thread(
                target=self._tell_death, args=(child.role.name, child.process.pid), daemon=True
            ).start()
        # 1-5 s of jitter, more for a child that dies again and again.
        wait_s = random.uniform(1, 5) * max(1, min(6, child.deaths))  # noqa: S311 - not a secret
        child.restart_at = now + wait_s
        self._note_states()
        log.warning(
            "a role ended",
            ended=child.role.name,
            code=code,
            deaths=child.deaths,
            restart_in_s=round(wait_s, 1),
        )

    def _tell_death(self, name: str, pid: int) -> None:
        try:
            self.on_death(name, pid)
        except Exception:
            # The database may be what died. The heartbeat rule finds the work of the dead later.
            log.warning("a death could not be reported", ended=name, exc_info=True)

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
            _kill_group(process.pid)

    def _spawn(self, role: Role) -> subprocess.Popen[bytes]:
        # A session of its own keeps the terminal's Ctrl-C for the supervisor, which then drains in order.
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "throughline.kernel.orphan", str(os.getpid()), *role.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.prefix else None,
            stderr=subprocess.STDOUT if self.prefix else None,
            env=os.environ | {"THROUGHLINE_ROLE": role.name},
            start_new_session=True,
        )
        if process.stdout is not None:
            threading.Thread(target=_pass_on, args=(role.name, process.stdout), daemon=True).start()
        return process

    def _note_states(self) -> None:
        states = {
            name: {"pid": child.process.pid if child.restart_at is None else None, "restarts": child.restarts}
            for name, child in self._children.items()
        }
        draft = _roles_file(self.home).with_suffix(".new")
        draft.write_text(json.dumps(states), encoding="utf-8")
        draft.replace(_roles_file(self.home))


def _pass_on(name: str, stream: IO[bytes]) -> None:
    """Copy a role's lines to our standard error, each with its name in front; a long line comes in pieces."""
    label = f"{name:<12}| ".encode()
    with stream, contextlib.suppress(OSError, ValueError):
        while line := stream.readline(MAX_LINE_BYTES):
            sys.stderr.buffer.write(label + line if line.endswith(b"\n") else label + line + b"\n")
            sys.stderr.buffer.flush()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def die_with(parent_pid: int) -> None:
    """Ask the kernel to send this process SIGTERM when its parent dies; exit if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        sys.exit(0)
