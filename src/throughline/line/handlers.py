"""What line does on others' events."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.line import service
from throughline.line.feed import handlers as feed_handlers
from throughline.line.joint import handlers as joint_handlers
from throughline.line.signals import Signal
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose

__all__ = [
    "feed_handlers",
    "joint_handlers",
    "on_consent_changed",
    "on_contact_point_added",
    "on_contact_signals",
]


@subscribe("parties.contact_point_added.v1", name="line.new_number")
def on_contact_point_added(session: Session, event: StoredEvent) -> None:
    """A phone number was added: watch its line, if the person agreed."""
    if event.payload["kind"] == ContactKind.PHONE:
        service.register(
            session,
            UUID(event.payload["borrower_id"]),
            UUID(event.payload["contact_point_id"]),
            now=clock.now(),
        )


@subscribe("parties.consent_changed.v1", name="line.consent")
def on_consent_changed(session: Session, event: StoredEvent) -> None:
    """The consent to watch the line was given or withdrawn."""
    if event.payload["purpose"] != Purpose.CONTINUITY:
        return
    borrower_id = UUID(event.payload["borrower_id"])
    if not parties.has_consent(session, borrower_id, Purpose.CONTINUITY):
        service.stop_watching(session, borrower_id)
        return
    for point in parties.contact_points(session, borrower_id):
        if point.kind == ContactKind.PHONE:
            service.register(session, borrower_id, point.id, now=clock.now())


@subscribe("messaging.contact_signals.v1", name="line.receipts")
def on_contact_signals(session: Session, event: StoredEvent) -> None:
    """Receipts of SMS are a free sensor of the line, also where no carrier speaks to us."""
    for said in event.payload["signals"]:
        line_id = service.line_of_contact_point(session, UUID(said["contact_point_id"]))
        if line_id is None:
            continue  # nobody agreed that this line is watched
        signal = Signal(
            datetime.fromisoformat(said["observed_at"]), said["source"], said["provider"], said["code"], {}
        )
        service.ingest(session, line_id, [signal], now=clock.now())
