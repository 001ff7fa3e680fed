"""The whole platform as a user starts it: `throughline up` in demo mode, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from kernel_ops import places
from throughline.kernel import keyring
from throughline.kernel import settings as kernel_settings

READY_WITHIN_S = 120


class Installation:
    """One home; its processes can be killed and started again."""

    def __init__(self, home: Path, **more: str) -> None:
        self.home = home
        port = places.free_port()
        self.url = f"http://localhost:{port}"
        self.env = places.environment(
            home, THROUGHLINE_DEMO="1", THROUGHLINE_PORT=str(port), THROUGHLINE_BASE_URL=self.url, **more
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything and wait until it is ready to serve."""
        with (self.home / "output").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "throughline", "up"],
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = process
        places.wait_for(lambda: self._ready() or process.poll() is not None, within_s=READY_WITHIN_S)
        assert process.poll() is None, self.said()[-4000:]

    def kill(self) -> None:
        """kill -9 of the whole process tree, database and simulators included."""
        assert places.kill_all_of(self.home)
        places.wait_for(lambda: not places.processes_of(self.home))
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """A clean end."""
        assert places.command("down", env=self.env).returncode == 0
        if self._process is not None:
            assert self._process.wait(30) == 0

    def said(self) -> str:
        """All that the processes printed."""
        return (self.home / "output").read_text(encoding="utf-8", errors="replace")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(**more: str) -> Iterator[Installation]:
    """An installation that runs, with more settings; this process's settings point at its home. Killed at the end."""
    patch = pytest.MonkeyPatch()
    with places.home() as home:
        installation = Installation(home, **more)
        for name, value in installation.env.items():
            if name.startswith("THROUGHLINE_"):
                patch.setenv(name, value)
        _forget()
        try:
            installation.start()
            yield installation
        finally:
            patch.undo()
            _forget()
            _keep_output(home)


def _forget() -> None:
    kernel_settings.forget()
    keyring.key_ring.cache_clear()


def _keep_output(home: Path) -> None:
    # Next to the screenshots: what there is to read when a story failed.
    folder = Path(os.environ.get("ARTIFACTS", "artifacts"))
    folder.mkdir(parents=True, exist_ok=True)
    output = home / "output"
    if output.exists():
        (folder / f"output-{home.name}.log").write_bytes(output.read_bytes())
