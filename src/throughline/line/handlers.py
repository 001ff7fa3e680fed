"""What line does on others' events."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.kernel.settings import settings
from throughline.line import intake, service
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
    """Receipts of SMS and dead push tokens are free sensors, also where no carrier speaks to us."""
    said = event.payload["signals"][: intake.MAX_SIGNALS]
    points = {UUID(one["contact_point_id"]) for one in said}
    lines = service.lines_of_contact_points(session, points)
    owners = service.lines_of_borrowers(
        session, {UUID(one["borrower_id"]) for one in said if one["source"].startswith("push.")}
    )
    heard: list[tuple[UUID, Signal]] = []
    for one in said:
        signal = Signal(
            datetime.fromisoformat(one["observed_at"]), one["source"], one["provider"], one["code"], {}
        )
        # A push token is of the app, whichever line the phone has; nobody agreed that others are watched.
        found = (
            owners.get(UUID(one["borrower_id"]), [])
            if one["source"].startswith("push.")
            else lines.get(UUID(one["contact_point_id"]), [])
        )
        heard += [(line_id, signal) for line_id in found]
    # A receipt alone is folded here: a job of its own would cost more.
    service.take_in(session, heard, now=clock.now(), at_once=len(heard) <= service.FEW)


@subscribe("lending.installment_due.v1", name="line.due_date")
def on_installment_due(session: Session, event: StoredEvent) -> None:
    """Money falls due in some days: doubt about the borrower's lines is worth more questions until then."""
    day = date.fromisoformat(event.payload["due_date"])
    due_at = datetime.combine(day, time(23, 59), ZoneInfo(settings().zone))
    service.falls_due(session, UUID(event.payload["borrower_id"]), due_at, now=clock.now())
