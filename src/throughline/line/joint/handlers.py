"""What joint plans do on others' events."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.line import service
from throughline.line.joint import orders
from throughline.line.signals import Signal
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


@subscribe("parties.consent_changed.v1", name="line.joint_consent")
def on_consent_changed(session: Session, event: StoredEvent) -> None:
    """The consent was withdrawn: whatever runs is ended at the carrier."""
    if event.payload["purpose"] != Purpose.JOINT_PLAN:
        return
    borrower_id = UUID(event.payload["borrower_id"])
    if not parties.has_consent(session, borrower_id, Purpose.JOINT_PLAN):
        orders.revoke_all(session, borrower_id, "consent_withdrawn", now=clock.now())


@subscribe("line.data_running_out.v1", name="line.joint_data")
def on_data_running_out(session: Session, event: StoredEvent) -> None:
    """Early warning: kept with the line's signals, where offers look. It says nothing about the line itself."""
    said = event.payload
    code = "data-exceeded" if said["used_up"] else "data-90-percent"
    signal = Signal(datetime.fromisoformat(said["at"]), "camara.device-data-volume", None, code, {})
    service.ingest(session, UUID(said["line_id"]), [signal], now=clock.now())
