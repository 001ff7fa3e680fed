"""Measures and traces: Prometheus text for scraping, OpenTelemetry spans where an endpoint is set.

Each process counts for itself. The web role shows its counts and, from the database, what concerns
the whole installation: jobs waiting and dead, age of the oldest waiting event.
"""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from sqlalchemy import text
from sqlalchemy.orm import Session

REGISTRY = CollectorRegistry(auto_describe=True)

REQUESTS = Counter(
    "throughline_http_requests", "Requests by route and status", ["route", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "throughline_http_request_seconds",
    "Duration of requests by route, seconds",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
JOBS = Gauge(
    "throughline_jobs", "Jobs in the queue by queue and status", ["queue", "status"], registry=REGISTRY
)
OUTBOX_AGE = Gauge(
    "throughline_outbox_oldest_seconds",
    "Age of the oldest event still to be delivered, seconds",
    registry=REGISTRY,
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


def render_metrics() -> tuple[bytes, str]:
    """Prometheus text and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
