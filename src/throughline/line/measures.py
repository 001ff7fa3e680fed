"""What is counted of lines, for /metrics."""

from __future__ import annotations

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.telemetry import REGISTRY, counter

SIGNALS = counter(
    "throughline_line_signals",
    "Signals by source and verdict: taken, repeated, unread (no table knows the code), refused",
    ["source", "verdict"],
)
FOLDED = counter("throughline_line_folded", "Lines believed anew by why: forward, checkpoint, whole", ["how"])
ALARMS = counter("throughline_line_alarms", "Alarms by what happened: raised, cleared", ["what"])
ASKED = counter("throughline_line_questions", "Questions queued by source and reason", ["source", "reason"])
INCIDENTS = counter("throughline_line_incidents", "Incidents by what happened: opened, closed", ["what"])
BACKLOG = Gauge("throughline_line_backlog", "Lines with evidence that is not folded yet", registry=REGISTRY)
BACKLOG_AGE = Gauge(
    "throughline_line_backlog_seconds", "Age of the oldest such evidence, seconds", registry=REGISTRY
)
ANSWERS = Gauge(
    "throughline_line_answers",
    "Questions of the last hour by source and outcome",
    ["source", "outcome"],
    registry=REGISTRY,
)


def observe(session: Session) -> None:
    """Read the gauges; the job of each minute does."""
    waiting, age_s = session.execute(
        text("SELECT count(*), extract(epoch FROM now() - min(marked_at)) FROM line_dirty")
    ).one()
    BACKLOG.set(waiting)
    BACKLOG_AGE.set(float(age_s or 0))
    ANSWERS.clear()
    for source, outcome, count in session.execute(
        text(
            "SELECT source, coalesce(outcome, 'open'), count(*) FROM line_query"
            " WHERE asked_at > now() - interval '1 hour' GROUP BY 1, 2"
        )
    ):
        ANSWERS.labels(source, outcome).set(count)
