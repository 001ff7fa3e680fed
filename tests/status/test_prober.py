"""The prober against a real platform that goes away and comes back: nothing is lost, and the copy says so meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from kernel_ops import places
from throughline.cli import probe as command
from throughline.continuity.models import OutageIncident
from throughline.continuity.status.models import Probe
from throughline.continuity.status.settings import load_settings
from throughline.continuity.status.sink import DirectorySink
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.web.status.prober import Prober
from throughline.web.status.spool import Spool

pytestmark = [pytest.mark.system]


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """Every provider in one: it answers, and wants a signature."""

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def postman() -> Iterator[int]:
    """A mail server that greets."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.sendall(b"220 ready\r\n")
                connection.close()

    threading.Thread(target=greet, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


@pytest.fixture
def role(
    database: Database, home: Path, outside: str, postman: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start one role of the platform as its own process."""
    for name in ("LINE_API_URL", "PAYMENTS_BANK_URL", "PAYMENTS_WECHAT_URL", "MESSAGING_SMS_URL"):
        monkeypatch.setenv(f"THROUGHLINE_{name}", outside)
    monkeypatch.setenv("THROUGHLINE_MESSAGING_SMTP_PORT", str(postman))
    monkeypatch.setenv("THROUGHLINE_PORT", str(places.free_port()))
    monkeypatch.setenv("THROUGHLINE_STATUS_INTERVAL_S", "1")
    kernel_settings.forget()
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        with (home / "output").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "throughline", "serve", "--role", name],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kernel_settings.forget()


def test_a_platform_that_dies_is_recorded_as_down_and_nothing_is_lost(
    role: Callable[[str], subprocess.Popen[bytes]], database: Database, home: Path, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{os.environ['THROUGHLINE_PORT']}"

    def ready() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/readyz", timeout=10, trust_env=False).status_code == 200
        return False

    role("system")
    web = role("web")
    places.wait_for(ready, within_s=120)
    command.prepare_key()
    assert load_settings().key_file.stat().st_mode & 0o077 == 0
    prober = Prober(load_settings(), url, sink=DirectorySink(tmp_path))
    seen = prober.round(interval_s=60)
    assert {one.state for one in seen} <= {"working", "slow"}, seen
    assert {one.component for one in seen} >= {"platform", "repay", "rail:wechat", "route:email"}
    assert Spool(load_settings().spool_file).all() == []
    assert "不可用" not in (tmp_path / "index.html").read_text(encoding="utf-8")

    os.killpg(web.pid, signal.SIGKILL)
    web.wait()
    for _ in range(3):
        seen += prober.round(interval_s=1)
    waiting = Spool(load_settings().spool_file).all()
    assert len(waiting) == len(seen) / 4 * 3
    assert {one.state for one in waiting if one.component == "platform"} == {"down"}
    assert {one.reason for one in waiting if one.component == "repay"} == {"platform"}
    copy = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "有服务不可用。" in copy
    assert len(list((tmp_path / "incidents").glob("probe-*.en.html"))) == 1

    # A prober that is started anew meanwhile knows what the one before it saw.
    prober.close()
    prober = Prober(load_settings(), url, sink=DirectorySink(tmp_path))
    prober.export(force=True)
    assert "有服务不可用。" in (tmp_path / "index.html").read_text(encoding="utf-8")

    role("web")
    places.wait_for(ready, within_s=120)
    for _ in range(3):
        seen += prober.round(interval_s=1)
    assert Spool(load_settings().spool_file).all() == []
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Probe)) == len(seen)
        (found,) = session.scalars(select(OutageIncident))
        assert (found.source_ref[:15], found.state) == ("probe:platform:", "closed")
    prober.close()


def test_a_line_that_a_crash_has_cut_costs_only_itself(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from throughline.continuity.status.intake import Observation

    spool = Spool(tmp_path / "spool.jsonl")
    one = Observation("repay", datetime(2026, 11, 30, tzinfo=UTC), "down", "refused", 3, 60)
    spool.add([one, one])
    with (tmp_path / "spool.jsonl").open("a") as stream:
        stream.write('{"component": "re')
    spool.add([one])
    assert spool.all() == [one, one, one]
    spool.keep([one])
    assert spool.all() == [one]
