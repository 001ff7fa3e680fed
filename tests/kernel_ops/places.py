"""Homes that the embedded server's account can enter, and processes of the platform in them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from throughline.kernel.settings import Settings

ACCOUNT = "nobody"  # there on every machine; installations use an account of their own


@contextmanager
def home() -> Iterator[Path]:
    """A short, enterable folder; whatever still runs out of it is killed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tl-ops-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        kill_all_of(folder)
        shutil.rmtree(folder, ignore_errors=True)


def settings_of(folder: Path, **more: Any) -> Settings:
    """Settings of an installation in that folder with its own embedded server."""
    return Settings(home=folder, postgres_account=ACCOUNT, database_url=None, **more)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of an installation in that folder, on a free port."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("THROUGHLINE_")}
    return clean | {
        "THROUGHLINE_HOME": str(folder),
        "THROUGHLINE_POSTGRES_ACCOUNT": ACCOUNT,
        "THROUGHLINE_PORT": str(free_port()),
        "THROUGHLINE_LAB_PORT": str(free_row()),
        **more,
    }


def command(
    *words: str, env: Mapping[str, str], timeout_s: float = 120, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run `throughline …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "throughline", *words],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **more,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_row(length: int = 25) -> int:
    """The first of free ports in a row, for the simulators; below those that the kernel gives to anybody."""
    for _ in range(100):
        first = 10_000 + secrets.randbelow(20_000)
        with ExitStack() as held:
            try:
                for port in range(first, first + length):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports in a row")


def wait_for(check: Callable[[], Any], *, within_s: float = 30) -> Any:
    """The first true value of `check`; AssertionError when it does not come in time."""
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def processes_of(folder: Path) -> list[int]:
    """All processes that have this home in their command line or environment, with their descendants."""
    marked = set()
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            parents[pid] = int((entry / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if os.fsencode(folder) in text:
            marked.add(pid)
    grown = True
    while grown:  # backends rename themselves: they are found as children of the postmaster
        fresh = {pid for pid, parent in parents.items() if parent in marked} - marked
        marked |= fresh
        grown = bool(fresh)
    return sorted(marked - {os.getpid()})


def kill_all_of(folder: Path) -> list[int]:
    """kill -9 of everything that belongs to an installation, like a machine that loses its processes."""
    killed = processes_of(folder)
    for pid in killed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return killed
