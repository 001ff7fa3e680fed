"""Simulators as real processes on free ports, and patience with a deadline."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
PATIENCE_S = 30


def until(look: Callable[[], T], what: str = "it") -> T:
    """Look again until what is seen is true; fails after the deadline."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S} s"
        time.sleep(0.02)


def free_port(also: int = 0) -> int:
    """A port that nobody listens on, below those that the kernel gives to clients; the one `also` above it, too."""
    while True:
        port = random.randrange(20000, 32000)
        try:
            for one in {port, port + also}:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
        except OSError:
            continue
        return port


class Simulator:
    """`python -m module port` over one home folder; it can be killed and started again."""

    def __init__(self, module: str, home: Path, env: Mapping[str, str] | None = None, also: int = 0) -> None:
        self.home, self.port = home, free_port(also)
        self._command = [sys.executable, "-m", module, str(self.port)]
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("THROUGHLINE_")},
            "THROUGHLINE_HOME": str(home),
            **(env or {}),
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Simulator:
        """Start it and wait until it answers."""
        self._process = process = subprocess.Popen(self._command, env=self._env)

        def answers() -> bool:
            assert process.poll() is None, "the simulator has ended"
            try:
                return self.http.get("/control/messages").status_code in {200, 404}
            except httpx.TransportError:
                return False

        until(answers, "the simulator's start")
        return self

    def kill(self, number: int = signal.SIGKILL) -> None:
        """kill -9, or another signal; waits for the end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    def stop(self) -> None:
        """End it for good."""
        self.kill()
        self.http.close()

    def fault(self, name: str, **more: Any) -> None:
        """Order misbehaviour."""
        assert self.http.post("/control/faults", json={"name": name, **more}).status_code == 201

    def messages(self, **query: str) -> list[dict[str, Any]]:
        """What it has taken."""
        found: list[dict[str, Any]] = self.http.get("/control/messages", params=query).json()["messages"]
        return found
