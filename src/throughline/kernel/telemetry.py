"""Measures and traces: Prometheus text for scraping, OpenTelemetry spans where an endpoint is set.

Each process counts for itself. The web role answers /metrics with its own counts and with those of the
other roles of this machine, which write theirs to `metrics/<role>.prom` in the home folder every 15 s.
Every sample carries its role. What concerns the whole installation (jobs waiting and dead, age of the
oldest waiting event) is read from the database when somebody looks.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings

log = get_logger(__name__)

WRITE_EVERY_S = 15
STALE_AFTER_S = 60  # a role that has not written for so long does not run
MAX_FILES = 100
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

disable_created_metrics()  # type: ignore[no-untyped-call]  # without it each counter has a second sample
REGISTRY = CollectorRegistry(auto_describe=True)
# What concerns the whole installation is read from the database by the role that answers /metrics; the
# others would only show zeros.
INSTALLATION = CollectorRegistry(auto_describe=True)


def counter(name: str, about: str, labels: Sequence[str] = ()) -> Counter:
    """A counter of this process; `_total` is added to its name."""
    return Counter(name, about, labels, registry=REGISTRY)


def histogram(
    name: str, about: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SECONDS
) -> Histogram:
    """A histogram of this process; the usual buckets are seconds from 5 ms to 2 min."""
    return Histogram(name, about, labels, buckets=buckets, registry=REGISTRY)


REQUESTS = counter("throughline_http_requests", "Requests by route and status", ["route", "status"])
REQUEST_SECONDS = histogram(
    "throughline_http_request_seconds", "Duration of requests by route, seconds", ["route"]
)
JOB_RUNS = counter("throughline_job_runs", "Runs of jobs by task and result", ["task", "result"])
JOB_SECONDS = histogram("throughline_job_seconds", "Duration of runs of jobs by task, seconds", ["task"])
JOBS = Gauge(
    "throughline_jobs", "Jobs in the queue by queue and status", ["queue", "status"], registry=INSTALLATION
)
OUTBOX_AGE = Gauge(
    "throughline_outbox_oldest_seconds",
    "Age of the oldest event still to be delivered, seconds",
    registry=INSTALLATION,
)


def set_up_tracing(role: str) -> None:
    """Export spans by OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise tracing costs nothing."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": "throughline", "service.role": role}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def tracer() -> trace.Tracer:
    """The tracer of this process."""
    return trace.get_tracer("throughline")


@contextlib.contextmanager
def span(
    name: str, *, parent: Mapping[str, str] | None = None, kind: trace.SpanKind = trace.SpanKind.INTERNAL
) -> Iterator[trace.Span]:
    """A span around the body. `parent` is a carrier with a W3C `traceparent`; a broken one is ignored.

    An exception marks the span with its type alone: its text may hold what no trace should.
    """
    context = propagate.extract(parent) if parent else None
    with tracer().start_as_current_span(
        name, context=context, kind=kind, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def observe_queue(session: Session) -> None:
    """Read the gauges that concern the whole installation."""
    JOBS.clear()
    for row in session.execute(
        text(
            "SELECT queue_name, status::text AS status, count(*) AS n FROM procrastinate_jobs"
            " WHERE status IN ('todo', 'doing', 'failed') GROUP BY 1, 2"
        )
    ):
        JOBS.labels(row.queue_name, row.status).set(row.n)
    oldest_s = session.execute(
        text(
            "SELECT extract(epoch FROM now() - min(e.at)) FROM procrastinate_jobs j JOIN procrastinate_events e"
            " ON e.job_id = j.id AND e.type = 'deferred' WHERE j.status = 'todo' AND j.queue_name = 'outbox'"
        )
    ).scalar_one()
    OUTBOX_AGE.set(float(oldest_s or 0))


def render_metrics(role: str = "web") -> tuple[bytes, str]:
    """Prometheus text of all roles of this machine, and its content type."""
    shown = CollectorRegistry(auto_describe=False)
    shown.register(_Everything(role, _metrics_folder()))
    return generate_latest(shown), CONTENT_TYPE_LATEST


def write_metrics(role: str) -> None:
    """Write this process's counts to its file, whole or not at all."""
    folder = _metrics_folder()
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{role}.{os.getpid()}.new"
    draft.write_bytes(generate_latest(REGISTRY))
    draft.replace(folder / f"{role}.prom")


def keep_writing_metrics(role: str) -> None:
    """Write this process's counts every 15 s from a thread, for as long as the process lives."""

    def run() -> None:
        while True:
            try:
                write_metrics(role)
            except OSError as error:
                log.warning("the metrics could not be written", error=str(error))
            time.sleep(WRITE_EVERY_S)

    threading.Thread(target=run, name="metrics", daemon=True).start()


def _metrics_folder() -> Path:
    return settings().home / "metrics"


class _Everything(Collector):
    """The counts of this process and of the files of the others, each sample with its role."""

    def __init__(self, role: str, folder: Path) -> None:
        self._role = role
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        own = (*REGISTRY.collect(), *INSTALLATION.collect())
        for role, families in ((self._role, own), *self._others()):
            for family in families:
                into = merged.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type, family.unit)
                )
                into.samples += [
                    sample._replace(labels={**sample.labels, "role": role}) for sample in family.samples
                ]
        return merged.values()

    def _others(self) -> Iterable[tuple[str, Iterable[Metric]]]:
        oldest = time.time() - STALE_AFTER_S
        for path in sorted(self._folder.glob("*.prom"))[:MAX_FILES]:
            # A file may go away, or be another program's, between two lines of this loop.
            with contextlib.suppress(OSError, ValueError):
                if path.stem != self._role and path.stat().st_mtime >= oldest:
                    yield (
                        path.stem,
                        list(text_string_to_metric_families(path.read_text(encoding="utf-8"))),
                    )
