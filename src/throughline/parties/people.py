"""People: registering, showing masked, reading in clear with a purpose, finding."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.clock import local_date
from throughline.kernel.errors import Conflict
from throughline.kernel.events import publish
from throughline.kernel.i18n import LOCALES, N_
from throughline.kernel.ids import new_id
from throughline.parties import chinese_id, contact, events, masking
from throughline.parties.addresses import add_contact_point, contact_points, value_index
from throughline.parties.consents import log_read, require_consent
from throughline.parties.contact import ContactKind
from throughline.parties.models import ContactPointRow, Person
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson, PersonFacts, Profile
from throughline.parties.rows import InvalidPersonalData, known, locked, valid

ADULT_AGE_YEARS = 18


class AlreadyRegistered(Conflict):
    """The ID number belongs to a person that we know."""

    code = "already-registered"
    title = N_("With this ID number there is an account already; sign in instead")

    def __init__(self, borrower_id: UUID) -> None:
        super().__init__()
        self.borrower_id = borrower_id  # for callers inside the house; not part of the answer


def register_person(session: Session, new: NewPerson, *, now: datetime) -> UUID:
    """Store a person with a phone and an e-mail address; returns the borrower id.

    Raises `InvalidPersonalData` (unknown shape, checksum, under 18 by the person's own calendar) and
    `AlreadyRegistered`. The phone number is not asked to be unique: numbers are recycled.
    """
    name, number = checked_person(new.name, new.id_number, new.locale, new.zone, now=now)
    index = crypto.blind_index("id_number", number)
    owner = _by_id_number(session, index)
    if owner is not None:
        raise AlreadyRegistered(owner)
    borrower_id = new_id()
    person = Person(
        borrower_id=borrower_id,
        name=crypto.seal(session, borrower_id, person_place(borrower_id, "name"), name),
        id_number=crypto.seal(session, borrower_id, person_place(borrower_id, "id_number"), number),
        id_number_index=index,
        locale=new.locale,
        zone=new.zone,
        registered_at=now,
    )
    try:
        with session.begin_nested():
            session.add(person)
    except IntegrityError:
        # Somebody registered the same number at the same moment; theirs is committed by now.
        winner = _by_id_number(session, index)
        if winner is None:
            raise
        raise AlreadyRegistered(winner) from None
    publish(
        session,
        events.PersonRegistered(borrower_id),
        aggregate_type="person",
        aggregate_id=borrower_id,
        borrower_id=borrower_id,
    )
    add_contact_point(session, borrower_id, ContactKind.PHONE, new.phone, now=now)
    add_contact_point(session, borrower_id, ContactKind.EMAIL, new.email, now=now)
    return borrower_id


def checked_person(name: str, id_number: str, locale: str, zone: str, *, now: datetime) -> tuple[str, str]:
    """A person's name and ID number in their written form. Raises `InvalidPersonalData`."""
    name = valid("name", lambda: contact.person_name(name))
    number = valid("id_number", lambda: chinese_id.normalise(id_number))
    if locale not in LOCALES:
        raise InvalidPersonalData(N_("The field %(field)s is not valid"), field="locale")
    if zone not in _zones():
        raise InvalidPersonalData(N_("The field %(field)s is not valid"), field="zone")
    if chinese_id.age_years(chinese_id.birth_date(number), local_date(now, zone)) < ADULT_AGE_YEARS:
        raise InvalidPersonalData(N_("Borrowers are at least 18 years old"), field="id_number")
    return name, number


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())  # reads a whole folder


def discard_person(session: Session, borrower_id: UUID, *, now: datetime) -> None:
    """Erase a registration that never came to an end: its data key is destroyed, its indexes emptied.

    The caller has made sure that nothing was built on it. There is no way back.
    """
    person = locked(session, borrower_id)
    person.discarded_at, person.id_number_index = now, None
    session.execute(
        update(ContactPointRow).where(ContactPointRow.borrower_id == borrower_id).values(value_index=None)
    )
    publish(
        session,
        events.PersonDiscarded(borrower_id),
        aggregate_type="person",
        aggregate_id=borrower_id,
        borrower_id=borrower_id,
    )
    session.flush()
    crypto.destroy_data_key(session, borrower_id)


def profile(session: Session, borrower_id: UUID) -> Profile:
    """The masked picture of a person; phone and e-mail are their own newest ones."""
    person = known(session, borrower_id)
    newest = {
        point.kind: point.masked for point in contact_points(session, borrower_id) if point.owner == "self"
    }
    return Profile(
        borrower_id=borrower_id,
        name=masking.mask_name(_open_person(session, person, "name")),
        id_number=masking.mask_id_number(_open_person(session, person, "id_number")),
        phone=newest.get(ContactKind.PHONE),
        email=newest.get(ContactKind.EMAIL),
        locale=person.locale,
        zone=person.zone,
        registered_at=person.registered_at,
    )


def person_facts(
    session: Session, borrower_id: UUID, purpose: Purpose, *, now: datetime, reader: str = "platform"
) -> PersonFacts:
    """Name, ID number and birth date in clear, for a purpose that the person agreed to; logged.

    Raises `UnknownPerson`, `ConsentMissing`.
    """
    person = known(session, borrower_id)
    require_consent(session, borrower_id, purpose)
    number = _open_person(session, person, "id_number")
    log_read(session, borrower_id, ("name", "id_number"), None, purpose, reader, now)
    return PersonFacts(
        borrower_id=borrower_id,
        name=_open_person(session, person, "name"),
        id_number=number,
        birth_date=chinese_id.birth_date(number),
        locale=person.locale,
        zone=person.zone,
    )


def people(session: Session, *, after: UUID | None = None, limit: int = 50) -> list[UUID]:
    """Borrower ids of everybody who is registered, in the order of registration."""
    wanted = select(Person.borrower_id).where(Person.discarded_at.is_(None))
    if after is not None:
        wanted = wanted.where(Person.borrower_id > after)
    return list(session.scalars(wanted.order_by(Person.borrower_id).limit(limit)))


def find_borrower(
    session: Session, *, phone: str | None = None, email: str | None = None, id_number: str | None = None
) -> UUID | None:
    """The one person with these details; None if there is nobody, or more than one.

    Frozen addresses find nobody, and a verified address goes before one that is only claimed, so that
    typing somebody's number into a registration does not hide its owner.
    """
    if id_number is not None:
        try:
            number = chinese_id.normalise(id_number)
        except ValueError:
            return None
        return _by_id_number(session, crypto.blind_index("id_number", number))
    kind, value = (ContactKind.PHONE, phone) if phone is not None else (ContactKind.EMAIL, email or "")
    try:
        index = value_index(kind, contact.normalise(kind, value))
    except ValueError:
        return None
    rows = session.execute(
        select(ContactPointRow.borrower_id, ContactPointRow.verified_at)
        .where(ContactPointRow.value_index == index, ContactPointRow.kind == kind)
        .where(ContactPointRow.frozen_at.is_(None), ContactPointRow.owner == "self")
        .limit(50)
    ).all()
    verified = {row.borrower_id for row in rows if row.verified_at is not None}
    found = verified or {row.borrower_id for row in rows}
    return found.pop() if len(found) == 1 else None


def _by_id_number(session: Session, index: bytes) -> UUID | None:
    return session.execute(
        select(Person.borrower_id).where(Person.id_number_index == index, Person.discarded_at.is_(None))
    ).scalar_one_or_none()


def person_place(borrower_id: UUID, column: str) -> str:
    """Where a sealed column of a person stands."""
    return f"party_person|{borrower_id}|{column}"


def _open_person(session: Session, person: Person, column: str) -> str:
    envelope: bytes = getattr(person, column)
    return crypto.open_sealed(session, person.borrower_id, person_place(person.borrower_id, column), envelope)
