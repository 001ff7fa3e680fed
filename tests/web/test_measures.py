"""What an operator sees: requests and jobs are counted, and a trace runs from a request into its handlers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.jobs import drain
from throughline.kernel import telemetry
from throughline.kernel.db import Database
from web.browsing import PlainBrowser
from web.people import register


def test_measures_are_filled(browsers: Callable[..., PlainBrowser], database: Database) -> None:
    browser = browsers()
    register(browser)
    browser.client.get("/nowhere/13800000001")
    text = browser.client.get("/metrics").text
    assert 'throughline_http_requests_total{role="web",route="/register",status="200"}' in text
    assert 'throughline_http_request_seconds_count{role="web",route="/register"}' in text
    assert 'throughline_jobs{queue="outbox",role="web",status="todo"}' in text
    assert "throughline_outbox_oldest_seconds" in text
    assert "throughline_notary_size" in text
    assert "13800000001" not in text
    drain(database, rounds=3, timers=False, hurry=False)


def test_a_trace_runs_from_the_request_to_the_handlers(
    browsers: Callable[..., PlainBrowser], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", lambda: provider.get_tracer("test"))
    person = register(browsers())
    drain(database, rounds=3, timers=False, hurry=False)
    spans = exporter.get_finished_spans()
    request = next(span for span in spans if span.name == "POST /register")
    handled = [span for span in spans if span.name.startswith("event parties.")]
    assert request.context is not None
    assert handled
    assert {span.context.trace_id for span in handled if span.context} == {request.context.trace_id}
    told = " ".join(f"{span.name} {dict(span.attributes or {})}" for span in spans)
    assert person.phone not in told
    assert person.id_number not in told
