"""What the kernel does on events: it tells the endpoints of other companies."""

from __future__ import annotations

from sqlalchemy.orm import Session

from throughline.kernel import clock, webhook_jobs, webhooks
from throughline.kernel.events import StoredEvent, subscribe

__all__ = ["on_any_event", "webhook_jobs"]  # the jobs register themselves when imported


@subscribe("*", name="kernel.webhooks")
def on_any_event(session: Session, event: StoredEvent) -> None:
    """One delivery for each endpoint that wants the event."""
    webhooks.enqueue(session, event, now=clock.real_now())
