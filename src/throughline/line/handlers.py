"""What line does on others' events."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.line import service
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose


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
