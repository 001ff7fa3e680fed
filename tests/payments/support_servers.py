"""Real processes for the tests of payments: simulators, a hook server, a worker that can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(check: Callable[[], Any], *, within_s: float = 15) -> Any:
    """The first true value of `check`; AssertionError when it does not come in time."""
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=1)
    except httpx.HTTPError:
        return False
    return True


@dataclass
class Process:
    """A child process that can be killed and started again with the same command."""

    command: list[str]
    environment: dict[str, str]
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.child = subprocess.Popen(
            self.command, env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait(10)
            self.child = None


@dataclass
class Simulator:
    """A simulator as a process, and its control desk."""

    url: str
    process: Process

    def start(self) -> None:
        self.process.start()
        wait_for(lambda: answers(self.url))

    def restart(self) -> None:
        self.process.kill()
        self.start()

    def post(self, path: str, **document: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/control/{path}", json=document, timeout=10)

    def fault(self, name: str, **parameters: Any) -> None:
        self.post("faults", name=name, **parameters).raise_for_status()

    def calm(self) -> None:
        httpx.delete(f"{self.url}/control/faults", timeout=10).raise_for_status()

    def rows(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/control/{what}", timeout=10).json()
        return found


def simulator(module: str, url: str, environment: dict[str, str]) -> Simulator:
    """A simulator of `throughline.lab`, not started yet."""
    command = [sys.executable, "-m", f"throughline.lab.{module}", url.rsplit(":", 1)[1]]
    return Simulator(url, Process(command, environment))


class Relay:
    """A TCP relay to a server. It can swallow requests, or pass them on and hold back the answers."""

    def __init__(self, target_port: int) -> None:
        self.mode = "pass"  # pass, swallow (nothing arrives), mute (arrives, the answer does not come back)
        self.connections = 0
        self._target_port = target_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            mode = self.mode
            self.connections += 1
            if mode == "swallow":
                threading.Thread(target=_drain, args=(client,), daemon=True).start()
                continue
            target = socket.create_connection(("127.0.0.1", self._target_port))
            threading.Thread(target=_copy, args=(client, target), daemon=True).start()
            back = _drain if mode == "mute" else None
            arguments = (target,) if back else (target, client)
            threading.Thread(target=back or _copy, args=arguments, daemon=True).start()

    def close(self) -> None:
        self._server.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    except OSError:
        pass
    finally:
        sink.close()


def _drain(source: socket.socket) -> None:
    try:
        while source.recv(65536):
            pass
    except OSError:
        pass
