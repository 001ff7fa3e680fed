"""What the person has shown of a number, as evidence about its line; and answers that a proof has overtaken."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.line import service
from throughline.line.emissions import read
from throughline.line.privacy import STRANGER_ABOVE
from throughline.line.signals import Signal
from throughline.line.state import Meaning
from throughline.parties import service as parties

SOURCE = "identity.number-proof"
PROVIDER = "platform"
_OTHERS = frozenset({Meaning.RECYCLED, Meaning.NUMBER_CHANGED})


def take(
    session: Session,
    line_id: UUID,
    contact_point_id: UUID,
    method: str,
    *,
    proved_at: datetime,
    now: datetime,
) -> None:
    """Believe a proof. Other evidence may have frozen the number between the proof and this: where the belief has
    no reason for it any more, that freeze ends too. A repeat changes nothing."""
    if not service.ingest(session, line_id, [Signal(proved_at, SOURCE, PROVIDER, method, {})], now=now):
        return
    session.flush()
    session.expire_all()
    point = parties.contact_point(session, contact_point_id)
    if point.suspended_at is None and point.reassigned_probability <= STRANGER_ABOVE:
        parties.end_line_freeze(session, contact_point_id, proved_at=proved_at)


def still_new(
    signals: tuple[Signal, ...], asked_since: date | None, verified_at: datetime | None
) -> list[Signal]:
    """The signals without those that say "somebody else has it since a day" of a day before the newest proof:
    they were asked for before it and say nothing of who has the number after it."""
    if asked_since is None or verified_at is None or verified_at.date() <= asked_since:
        return list(signals)
    return [one for one in signals if (said := read(one)) is None or said.meaning not in _OTHERS]
