"""Metrics of all roles in one answer, traces only where somebody asked for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kernel_ops import places
from throughline.kernel import telemetry

COUNTED = telemetry.counter("test_telemetry_things", "Things", ["kind"])


def samples(text: bytes, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sorted(sample.labels.items())): sample.value  # type: ignore[misc]  # pairs are what is compared
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == name
    }


def test_other_roles_are_merged_and_dead_ones_forgotten(installation: Path) -> None:
    folder = installation / "metrics"
    COUNTED.labels("a").inc(3)
    telemetry.write_metrics("worker")
    telemetry.write_metrics("system")
    (folder / "broken.prom").write_text("{{{ not prometheus")
    long_ago = time.time() - 3600
    os.utime(folder / "system.prom", (long_ago, long_ago))
    body, content_type = telemetry.render_metrics("web")
    assert content_type.startswith("text/plain")
    found = samples(body, "test_telemetry_things_total")
    assert found == {
        (("kind", "a"), ("role", "web")): 3.0,
        (("kind", "a"), ("role", "worker")): 3.0,
    }
    assert body.count(b"# TYPE test_telemetry_things_total counter") == 1


def test_a_worker_writes_its_runs(installation: Path, database: object, run_jobs: object) -> None:
    telemetry.JOB_RUNS.labels("test.task", "done").inc()
    telemetry.keep_writing_metrics("written")
    path = installation / "metrics" / "written.prom"
    places.wait_for(path.exists, within_s=5)
    assert 'throughline_job_runs_total{result="done",task="test.task"}' in path.read_text()


SPAN = """
from throughline.kernel import telemetry
telemetry.set_up_tracing("test")
with telemetry.tracer().start_as_current_span("work"):
    pass
from opentelemetry import trace
provider = trace.get_tracer_provider()
if hasattr(provider, "shutdown"):
    provider.shutdown()
"""


@pytest.mark.parametrize("wanted", [True, False])
def test_spans_go_to_the_collector_only_when_one_is_named(wanted: bool) -> None:
    got: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            got.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    if wanted:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    subprocess.run([sys.executable, "-c", SPAN], env=environment, check=True, timeout=60)
    server.shutdown()
    server.server_close()
    assert got == (["/v1/traces"] if wanted else [])
