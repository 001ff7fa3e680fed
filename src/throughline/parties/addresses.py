"""Contact points: adding, listing masked, reading in clear with a purpose, what is known of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, text
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
from throughline.parties.records import ContactPoint, frozen_until_proved
from throughline.parties.rows import InvalidPersonalData, known, locked, valid

MAX_CONTACT_POINTS = 20
# claimed: the person says that it is theirs and nothing has shown it yet; a proof makes it theirs.
OWNERS = ("self", "other", "claimed")
FROZEN_BY_LINE = "line: "
# The shortest time that is known of any country before a number is given to somebody else (47 CFR 52.15(f)(1)(ii)):
# whoever proved a number may have given it back the day after. `line` moves the end on while somebody tells it.
PROOF_GOOD_FOR = timedelta(days=45)
GIVEN_UP = "borrower: the number is no longer theirs"
WRONG_PERSON = "line: a reply says that the number is somebody else's"


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


def verify_contact_point(
    session: Session, contact_point_id: UUID, *, now: datetime, method: str = "other"
) -> None:
    """The person has shown that the address is theirs: it is believed anew from then on. `method`: how, in a word.

    That also ends a freeze that was for doubt about whose number it is: by `line`, or by the person. For a number
    that was frozen the caller must have seen proof by another factor than the number itself.
    """
    row = _point_row(session, contact_point_id, lock=True)
    row.verified_at = now if row.verified_at is None else max(row.verified_at, now)
    row.content_until = max(row.content_until or now, row.verified_at + PROOF_GOOD_FOR)
    if row.owner == "claimed":
        row.owner = "self"
    if frozen_until_proved(row.frozen_reason):
        row.frozen_at = row.frozen_reason = None
    session.flush()
    publish(
        session,
        events.ContactPointVerified(row.borrower_id, row.id, row.kind, method, now),
        aggregate_type="person",
        aggregate_id=row.borrower_id,
        borrower_id=row.borrower_id,
    )


def end_line_freeze(session: Session, contact_point_id: UUID, *, proved_at: datetime) -> None:
    """`line` froze an address after its proof and before it knew of it: that freeze ends as well."""
    row = _point_row(session, contact_point_id, lock=True)
    by_line = row.frozen_reason is not None and row.frozen_reason.startswith(FROZEN_BY_LINE)
    if by_line and row.verified_at is not None and row.verified_at >= proved_at:
        row.frozen_at = row.frozen_reason = None


def index_of(session: Session, contact_point_id: UUID) -> bytes:
    """The blind index of an address: names it for counting, says nothing. Raises `UnknownContactPoint`."""
    index = _point_row(session, contact_point_id).value_index
    if index is None:
        raise UnknownContactPoint
    return index


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


@dataclass(frozen=True, slots=True)
class LineStanding:
    """What `line` knows about a number, as `set_line_standing` takes it.

    `told_at`: when somebody who knows last said how it stands, while nothing speaks for a new owner. `good_days`: for
    how long it surely stays its owner's after such a day.
    """

    contact_point_id: UUID
    suspended_at: datetime | None
    reassigned_probability: Decimal
    told_at: datetime | None = None
    good_days: int = PROOF_GOOD_FOR.days


def suspended_since(session: Session, contact_point_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Since when these numbers are off by what `line` wrote, those that are."""
    if not contact_point_ids:
        return {}
    rows = session.execute(
        select(ContactPointRow.id, ContactPointRow.suspended_at).where(
            ContactPointRow.id.in_(contact_point_ids), ContactPointRow.suspended_at.is_not(None)
        )
    )
    return {id_: since for id_, since in rows if since is not None}


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """What is known about an address, without the address."""

    kind: ContactKind
    owner: str
    suspended_at: datetime | None
    reassigned_probability: Decimal
    frozen_at: datetime | None


def address_standings(session: Session, contact_point_ids: Sequence[UUID]) -> dict[UUID, AddressStanding]:
    """What is known about many addresses; one of an erased registration is not there."""
    if not contact_point_ids:
        return {}
    row = ContactPointRow
    found = session.execute(
        select(
            row.id, row.kind, row.owner, row.suspended_at, row.reassigned_probability, row.frozen_at
        ).where(row.id.in_(contact_point_ids), row.value_index.is_not(None))
    )
    return {
        id_: AddressStanding(ContactKind(kind), owner, suspended_at, probability, frozen_at)
        for id_, kind, owner, suspended_at, probability, frozen_at in found
    }


def set_line_standings(session: Session, standings: Sequence[LineStanding], *, now: datetime) -> None:
    """As `set_line_standing`, for many numbers at once. Written is only what says something else: since when, or
    a probability that moved by 0.01 or over 0.2, from which messages stop, or a proof that counts a day longer.

    A proof counts on through an unbroken chain: somebody said how the line stands before the last such word had
    grown so old that the number might have been given to somebody else in between."""
    if not standings:
        return
    if not all(0 <= one.reassigned_probability <= 1 for one in standings):
        raise ValueError("a probability is between 0 and 1")
    rows = [
        {
            "id": str(one.contact_point_id),
            "off": one.suspended_at.isoformat() if one.suspended_at else None,
            "p": str(one.reassigned_probability),
            "told": one.told_at.isoformat() if one.told_at else None,
            "good": one.good_days,
        }
        for one in standings
    ]
    session.execute(_STANDINGS, {"rows": json.dumps(rows), "now": now})


# Locked in one order, so that two batches do not wait for each other.
_STANDINGS = text(
    """
    WITH said AS MATERIALIZED (
      SELECT c.borrower_id, c.id, r.off, r.p,
        CASE WHEN r.told <= c.content_until THEN greatest(c.content_until, r.told + make_interval(days => r.good))
          ELSE c.content_until END AS until
      FROM party_contact_point c
      JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, off timestamptz, p numeric, told timestamptz, good int)
        ON r.id = c.id
      WHERE (c.suspended_at IS DISTINCT FROM r.off OR abs(c.reassigned_probability - r.p) >= 0.01
             OR (c.reassigned_probability > 0.2) <> (r.p > 0.2)
             OR (r.told <= c.content_until
                 AND r.told + make_interval(days => r.good) >= c.content_until + interval '1 day'))
        AND (c.standing_at IS NULL OR c.standing_at <= :now)
      ORDER BY c.id FOR UPDATE OF c)
    UPDATE party_contact_point c SET suspended_at = s.off, reassigned_probability = s.p, standing_at = :now,
      content_until = s.until
    FROM said s WHERE c.borrower_id = s.borrower_id AND c.id = s.id
    """
)


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


def give_up_contact_point(session: Session, contact_point_id: UUID, *, now: datetime) -> None:
    """The person says that an address is no longer theirs: nothing goes to it until they prove it anew."""
    row = _point_row(session, contact_point_id, lock=True)
    doubted = row.frozen_at is None or frozen_until_proved(row.frozen_reason)
    if not doubted or row.frozen_reason == GIVEN_UP:
        return
    row.frozen_at, row.frozen_reason = row.frozen_at or now, GIVEN_UP
    publish(
        session,
        events.ContactPointFrozen(row.borrower_id, row.id, GIVEN_UP),
        aggregate_type="person",
        aggregate_id=row.borrower_id,
        borrower_id=row.borrower_id,
    )


def points_of_number(session: Session, number: str, *, limit: int = 50) -> list[tuple[UUID, UUID]]:
    """Borrower and contact point of everybody who has that number (E.164) as theirs, at most `limit`."""
    rows = session.execute(
        select(ContactPointRow.borrower_id, ContactPointRow.id)
        .where(ContactPointRow.value_index == value_index(ContactKind.PHONE, number))
        .order_by(ContactPointRow.id)
        .limit(limit)
    )
    return [(row.borrower_id, row.id) for row in rows]


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
        row.reassigned_probability, row.frozen_at, row.frozen_reason, row.added_at, row.content_until,
    )  # fmt: skip
