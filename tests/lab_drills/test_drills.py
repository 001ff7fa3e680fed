"""Drills by themselves: tolerances, the report, where they refuse, and that a failure is always taken back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from throughline.lab.drills import cast, faults, report
from throughline.lab.drills.play import MEANT, Drill
from throughline.lab.simulator import Ledger, control_routes, with_ticker


def drill(**measures: float | None) -> Drill:
    return Drill("sms-route-loss", "http://localhost:8000", "2026-11-30T10:00:00+00:00", dict(measures))


def test_what_did_not_happen_keeps_no_tolerance() -> None:
    limits = {"detection_s": 600, "reached_percent": 95, "wrong_fees": 0}
    good = report.judged(drill(detection_s=20.5, reached_percent=95, wrong_fees=0, recovery_s=3), limits)
    assert good["kept"]
    for bad in (
        {"detection_s": None, "reached_percent": 100, "wrong_fees": 0},
        {"detection_s": 20, "reached_percent": 94.9, "wrong_fees": 0},
        {"detection_s": 20, "reached_percent": 100, "wrong_fees": 1},
        {"detection_s": 20, "reached_percent": 100},
    ):
        assert not report.judged(drill(**bad), limits)["kept"], bad


def test_every_drill_has_tolerances_and_bad_ones_are_named() -> None:
    assert set(report.tolerances()) == set(MEANT) == set(faults.FAULTS)
    with pytest.raises(report.TolerancesWrong, match="flood"):
        report.tolerances("flood: {detection_s: 1}")
    with pytest.raises(report.TolerancesWrong, match=r"sms-route-loss\.mood"):
        report.tolerances("sms-route-loss: {mood: 1}")


def test_the_report_is_kept_as_json_and_as_a_page(tmp_path: Path) -> None:
    found = drill(detection_s=12.5)
    found.log.append({"at_s": 1.0, "what": "<b>"})
    path = report.write(tmp_path, report.judged(found, {"detection_s": 600}))
    assert "&lt;b&gt;" in path.read_text(encoding="utf-8")
    document = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert (document["kept"], document["measures"][0]["value"]) == (True, 12.5)


@pytest.fixture
def lender() -> Iterator[str]:
    """A platform that is no sandbox."""

    class Real(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "6")
            self.end_headers()
            self.wfile.write(b"<main>")

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Real)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_it_refuses_where_no_sandbox_runs(lender: str, tmp_path: Path) -> None:
    with pytest.raises(faults.DrillRefused, match="is no sandbox"):
        cast.check_sandbox(lender)
    with pytest.raises(faults.DrillRefused, match="does not answer"):
        cast.check_sandbox("http://127.0.0.1:9")
    with pytest.raises(faults.DrillRefused, match="nothing to stop here"):
        faults.owned(tmp_path)


def test_a_company_that_is_down_answers_only_its_control_desk(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "x.sqlite", "")
    routes = [
        Route("/pay", lambda _request: PlainTextResponse("paid")),
        *control_routes(ledger, faults=frozenset(), settings=frozenset({"down"})),
    ]
    app: Starlette = with_ticker(lambda: None, routes, ledger=ledger)
    with TestClient(app) as client:
        assert client.get("/pay").text == "paid"
        assert client.post("/control/settings", json={"down": True}).status_code == 200
        assert client.get("/pay").status_code == 503
        assert client.post("/control/settings", json={"down": False}).status_code == 200
        assert client.get("/pay").text == "paid"


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from throughline.lab.drills import faults
home = Path(sys.argv[1])
def mark(name):
    return lambda home, wish: (home / name).write_text(wish["prefix"])
faults.FAULTS["carrier-outage"] = (mark("injected"), mark("restored"))
def interrupt(*_): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, interrupt)
with faults.injected(home, "carrier-outage", prefix="+86139123"):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_failure_is_taken_back_also_on_ctrl_c(tmp_path: Path, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, number)
    process.wait(30)
    assert (tmp_path / "restored").read_text() == "+86139123"
    assert not (tmp_path / "drills" / faults.NOTE).exists()


def test_a_drill_that_was_killed_is_mended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setitem(
        faults.FAULTS, "carrier-outage", (lambda *_: None, lambda _home, wish: done.append(wish["prefix"]))
    )
    assert not faults.mend_what_was_left(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait(30)
    assert not (tmp_path / "restored").exists()
    assert faults.mend_what_was_left(tmp_path)
    assert done == ["+86139123"]
    assert not faults.mend_what_was_left(tmp_path)
