"""What the feeds do on others' events."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel.events import StoredEvent, subscribe
from throughline.line.feed import authorizations
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


@subscribe("parties.consent_changed.v1", name="line.authorizations")
def on_consent_changed(session: Session, event: StoredEvent) -> None:
    """A consent was withdrawn: the borrower's tokens for that purpose go with it."""
    borrower_id, purpose = UUID(event.payload["borrower_id"]), Purpose(event.payload["purpose"])
    if not parties.has_consent(session, borrower_id, purpose):
        authorizations.drop(session, borrower_id, purpose)
