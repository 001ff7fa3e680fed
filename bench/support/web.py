"""The real web server on loopback, and clients that send it repayments."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from uuid import UUID

from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings


@contextmanager
def served(workers: int) -> Iterator[tuple[int, int]]:
    """`throughline serve --role web` with so many processes; gives its process id and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    ours = {
        "THROUGHLINE_HOST": "127.0.0.1",
        "THROUGHLINE_PORT": str(port),
        "THROUGHLINE_BASE_URL": f"http://127.0.0.1:{port}",
        "THROUGHLINE_WEB_WORKERS": str(workers),
    }
    command = [sys.executable, "-m", "throughline", "serve", "--role", "web"]
    with (settings().home / "web.log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **ours}, stdout=log, stderr=log)
    try:
        _wait(port)
        yield server.pid, port
    finally:
        server.terminate()
        server.wait(30)


def _wait(port: int, patience_s: float = 60) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/livez")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the web server does not answer")


def repay_over_http(
    port: int, key: str, loans: Sequence[UUID], on: date, until: float, seed: int
) -> tuple[list[float], int]:
    """One client: repayments one after another until `until` (time.monotonic).

    Returns the seconds that each took, and how many were not answered with 201.
    """
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took, failed = [], 0
    while time.monotonic() < until:
        amount = chance.randint(1_000, 20_000)
        body = json.dumps({"type": "repayment", "value_date": on.isoformat(), "amount_minor": amount})
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(new_id()),
        }
        started = time.perf_counter()
        connection.request("POST", f"/api/v1/loans/{chance.choice(loans)}/events", body, headers)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - started)
        failed += answer.status != 201
    connection.close()
    return took, failed
