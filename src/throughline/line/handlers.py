"""What line does on others' events."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.kernel.settings import settings
from throughline.line import intake, proofs, service
from throughline.line.feed import handlers as feed_handlers
from throughline.line.joint import handlers as joint_handlers
from throughline.line.signals import Signal
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from throughline.parties.records import ContactPoint

_OF_PERSON = ("push.", "email.")  # sources that name no phone number
__all__ = [
    "feed_handlers",
    "joint_handlers",
    "on_consent_changed",
    "on_contact_point_added",
    "on_contact_point_frozen",
    "on_contact_point_verified",
    "on_contact_signals",
]


@subscribe("parties.contact_point_added.v1", name="line.new_number")
def on_contact_point_added(session: Session, event: StoredEvent) -> None:
    """A phone number was added: watch its line, if the person agreed."""
    point_id = UUID(event.payload["contact_point_id"])
    if event.payload["kind"] != ContactKind.PHONE or not _still_theirs(session, point_id):
        return
    service.register(session, UUID(event.payload["borrower_id"]), point_id, now=clock.now())


@subscribe("parties.contact_point_verified.v1", name="line.proof")
def on_contact_point_verified(session: Session, event: StoredEvent) -> None:
    """The person has shown that a number is theirs: watch it, and believe it."""
    point_id = UUID(event.payload["contact_point_id"])
    if event.payload["kind"] != ContactKind.PHONE or not _still_theirs(session, point_id):
        return
    borrower_id = UUID(event.payload["borrower_id"])
    service.register(session, borrower_id, point_id, now=clock.now())
    line_id = service.line_of_contact_point(session, point_id)
    if line_id is not None:
        proved_at = datetime.fromisoformat(event.payload["verified_at"])
        proofs.take(session, line_id, point_id, event.payload["method"], proved_at=proved_at, now=clock.now())


@subscribe("parties.contact_point_frozen.v1", name="line.given_up")
def on_contact_point_frozen(session: Session, event: StoredEvent) -> None:
    """The person says that a number is no longer theirs: nobody is asked about it any more."""
    if event.payload["reason"] == parties.GIVEN_UP:
        service.stop_watching(
            session, UUID(event.payload["borrower_id"]), UUID(event.payload["contact_point_id"])
        )


def _still_theirs(session: Session, contact_point_id: UUID) -> bool:
    try:
        return _theirs(parties.contact_point(session, contact_point_id))
    except parties.UnknownContactPoint:
        return False  # the registration was erased before the event came


def _theirs(point: ContactPoint) -> bool:
    # Nobody agreed that lines of others are watched, and a number that is only claimed may be anybody's.
    return point.owner == "self" and point.frozen_reason != parties.GIVEN_UP


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
        if point.kind == ContactKind.PHONE and _theirs(point):
            service.register(session, borrower_id, point.id, now=clock.now())


@subscribe("messaging.contact_signals.v1", name="line.receipts")
def on_contact_signals(session: Session, event: StoredEvent) -> None:
    """Receipts of SMS and dead push tokens are free sensors, also where no carrier speaks to us. A dead mailbox says
    nothing about a line and is kept beside it for people to see."""
    said = event.payload["signals"][: intake.MAX_SIGNALS]
    points = {UUID(one["contact_point_id"]) for one in said}
    lines = service.lines_of_contact_points(session, points)
    owners = service.lines_of_borrowers(
        session, {UUID(one["borrower_id"]) for one in said if one["source"].startswith(_OF_PERSON)}
    )
    heard: list[tuple[UUID, Signal]] = []
    for one in said:
        signal = Signal(
            datetime.fromisoformat(one["observed_at"]), one["source"], one["provider"], one["code"], {}
        )
        # A push token is of the app and a mailbox of the person, whichever line the phone has; nobody agreed that
        # others are watched.
        found = (
            owners.get(UUID(one["borrower_id"]), [])
            if one["source"].startswith(_OF_PERSON)
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
