"""Background work of webhooks: send, find what was lost, forget."""

from __future__ import annotations

import random
from uuid import UUID

from throughline.kernel import clock, webhooks
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.kernel.telemetry import counter
from throughline.kernel.webhook_http import post

log = get_logger(__name__)
ATTEMPTS = counter(
    "throughline_webhook_attempts", "Webhook attempts by what became of the delivery", ["state"]
)


@task(webhooks.SEND, queue=webhooks.QUEUE, max_attempts=5, max_run_s=120)
def send_webhook(*, delivery_id: str) -> None:
    """One attempt in three steps: counted and committed, sent, result committed."""
    attempt = database().run(lambda session: webhooks.begin(session, UUID(delivery_id), now=clock.real_now()))
    if attempt is None:
        return
    answer = post(attempt.url, attempt.headers, attempt.body, demo=settings().demo)
    draw = random.random()  # noqa: S311 - spreads load, not a secret
    state = database().run(
        lambda session: webhooks.finish(session, attempt, answer, now=clock.real_now(), draw=draw)
    )
    ATTEMPTS.labels(state or "outrun").inc()
    if not answer.arrived:
        log.warning(
            "a webhook did not arrive",
            delivery_id=delivery_id,
            attempt=attempt.number,
            status=answer.status,
            error=answer.error,
            state=state,
        )


@periodic("* * * * *", "kernel.sweep_webhooks")
def sweep_webhooks(timestamp: int) -> None:
    """Every minute: deliveries whose attempt was lost with its process."""
    del timestamp
    database().run(lambda session: webhooks.sweep(session, now=clock.real_now()))


@periodic("41 3 * * *", "kernel.forget_webhooks")
def forget_webhooks(timestamp: int) -> None:
    """Every night: deliveries that ended more than 90 days ago."""
    del timestamp
    database().run(lambda session: webhooks.forget(session, now=clock.real_now()))
