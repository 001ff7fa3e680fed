"""Contact points: adding, listing masked, reading in clear with a purpose, what is known of each."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.parties import contact, events, masking
from throughline.parties.consents import log_read, require_consent
from throughline.parties.contact import ContactKind
from throughline.parties.models import ContactPointRow
from throughline.parties.purposes import Purpose
from throughline.parties.records import ContactPoint
from throughline.parties.rows import InvalidPersonalData, known, locked, valid

MAX_CONTACT_POINTS = 20
OWNERS = ("self", "other")
FROZEN_BY_LINE = "line: "  # reasons that begin so are ended by a new proof


class UnknownContactPoint(NotFound):
    """No address has this id."""

    code = "unknown-contact-point"
    title = N_("This address is not known here")


class TooManyContactPoints(Conflict):
    """A person keeps at most 20 addresses."""

    code = "too-many-contact-points"
    title = N_("No more addresses can be added")


def add_contact_point(
    session: Session, borrower_id: UUID, kind: str, value: str, owner: str = "self", *, now: datetime
) -> UUID:
    """Add an address and return its id; the same address again gives the id that it has.

    Raises `InvalidPersonalData`, `TooManyContactPoints`.
    """
    if kind not in set(ContactKind) or owner not in OWNERS:
        raise InvalidPersonalData(N_("The field %(field)s is not valid"), field="kind")
    point_kind = ContactKind(kind)
    normal = valid(kind, lambda: contact.normalise(point_kind, value))
    locked(session, borrower_id)
    index = value_index(point_kind, normal)
    present = session.scalars(select(ContactPointRow).where(ContactPointRow.borrower_id == borrower_id)).all()
    for row in present:
        if row.kind == kind and row.value_index == index:
            return row.id
    if len(present) >= MAX_CONTACT_POINTS:
        raise TooManyContactPoints
    point_id = new_id()
    session.add(
        ContactPointRow(
            borrower_id=borrower_id,
            id=point_id,
            kind=kind,
            value=crypto.seal(session, borrower_id, point_place(point_id), normal),
            value_index=index,
            owner=owner,
            added_at=now,
        )
    )
    session.flush()
    publish(
        session,
        events.ContactPointAdded(borrower_id, point_id, kind),
        aggregate_type="person",
        aggregate_id=borrower_id,
        borrower_id=borrower_id,
    )
    return point_id


def contact_points(session: Session, borrower_id: UUID) -> list[ContactPoint]:
    """All addresses of a person, oldest first, masked (at most 20)."""
    known(session, borrower_id)
    rows = session.scalars(
        select(ContactPointRow).where(ContactPointRow.borrower_id == borrower_id).order_by(ContactPointRow.id)
    )
    return [_point(session, row) for row in rows]


def contact_point(session: Session, contact_point_id: UUID) -> ContactPoint:
    """One address, masked. Raises `UnknownContactPoint`."""
    return _point(session, _point_row(session, contact_point_id))


def contact_value(
    session: Session, contact_point_id: UUID, purpose: Purpose, *, now: datetime, reader: str = "platform"
) -> str:
    """An address in clear, for a purpose that the person agreed to; the read is logged.

    Raises `UnknownContactPoint`, `ConsentMissing`.
    """
    row = _point_row(session, contact_point_id)
    require_consent(session, row.borrower_id, purpose)
    log_read(session, row.borrower_id, (row.kind,), row.id, purpose, reader, now)
    return crypto.open_sealed(session, row.borrower_id, point_place(row.id), row.value)


def verify_contact_point(session: Session, contact_point_id: UUID, *, now: datetime) -> None:
    """The person has shown that the address is theirs: it is believed anew from then on.

    That also ends a freeze by `line`, which was for doubt about whose number it is. For a number that was
    frozen the caller must have seen proof by another factor than the number itself.
    """
    row = _point_row(session, contact_point_id, lock=True)
    row.verified_at = now if row.verified_at is None else max(row.verified_at, now)
    if row.frozen_reason is not None and row.frozen_reason.startswith(FROZEN_BY_LINE):
        row.frozen_at = row.frozen_reason = None


def set_line_standing(
    session: Session,
    contact_point_id: UUID,
    suspended_at: datetime | None,
    reassigned_probability: Decimal,
    *,
    now: datetime,
) -> None:
    """What `line` knows about a number: since when it is off, and how probably a stranger has it (0 to 1).

    A report older than the one that is stored changes nothing.
    """
    if not 0 <= reassigned_probability <= 1:
        raise ValueError("a probability is between 0 and 1")
    row = _point_row(session, contact_point_id, lock=True)
    if row.standing_at is not None and row.standing_at > now:
        return
    row.suspended_at, row.reassigned_probability, row.standing_at = suspended_at, reassigned_probability, now


def freeze_contact_point(session: Session, contact_point_id: UUID, reason: str, *, now: datetime) -> None:
    """Nobody may write to this address any more (recycled number, hard bounce). The first reason stays."""
    row = _point_row(session, contact_point_id, lock=True)
    if row.frozen_at is not None:
        return
    row.frozen_at, row.frozen_reason = now, reason
    publish(
        session,
        events.ContactPointFrozen(row.borrower_id, row.id, reason),
        aggregate_type="person",
        aggregate_id=row.borrower_id,
        borrower_id=row.borrower_id,
    )


def value_index(kind: ContactKind, normal: str) -> bytes:
    """The blind index of a normalised address."""
    return crypto.blind_index(kind.value, normal)


def point_place(contact_point_id: UUID) -> str:
    """Where a sealed address stands."""
    return f"party_contact_point|{contact_point_id}|value"


def _point_row(session: Session, contact_point_id: UUID, *, lock: bool = False) -> ContactPointRow:
    wanted = select(ContactPointRow).where(ContactPointRow.id == contact_point_id)
    if lock:
        owner = session.execute(
            select(ContactPointRow.borrower_id).where(ContactPointRow.id == contact_point_id)
        ).scalar_one_or_none()
        if owner is None:
            raise UnknownContactPoint
        locked(session, owner)
        wanted = wanted.execution_options(populate_existing=True)
    row = session.scalars(wanted).one_or_none()
    # An address without index belongs to an erased registration.
    if row is None or row.value_index is None:
        raise UnknownContactPoint
    return row


def _point(session: Session, row: ContactPointRow) -> ContactPoint:
    kind = ContactKind(row.kind)
    value = crypto.open_sealed(session, row.borrower_id, point_place(row.id), row.value)
    return ContactPoint(
        row.id, row.borrower_id, kind, row.owner, masking.mask(kind, value), row.verified_at, row.suspended_at,
        row.reassigned_probability, row.frozen_at, row.frozen_reason, row.added_at,
    )  # fmt: skip
