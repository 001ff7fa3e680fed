"""People from another system, many at once: the same checks and the same seals as at registration.

Their addresses stay unverified, and what they agreed to counts only with its evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.events import FirstEvent, publish_first
from throughline.kernel.ids import new_id
from throughline.parties import contact, events
from throughline.parties.addresses import point_place, value_index
from throughline.parties.contact import ContactKind
from throughline.parties.models import ConsentRow, ContactPointRow, Person
from throughline.parties.people import checked_person, person_place
from throughline.parties.purposes import Purpose
from throughline.parties.rows import valid


@dataclass(frozen=True, slots=True)
class PastConsent:
    """A consent that was given to another system: when, and where its proof is kept."""

    purpose: Purpose
    given_at: datetime
    evidence: str


@dataclass(frozen=True, slots=True)
class PastPerson:
    """A person to take over. `email` may be missing. Never printed: `repr` shows no values."""

    name: str = field(repr=False)
    id_number: str = field(repr=False)
    phone: str = field(repr=False)
    email: str | None = field(repr=False)
    locale: str
    zone: str
    consents: tuple[PastConsent, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedPerson:
    """A person whose values are in their written form, with the id that they will have; `index` is the
    blind index of the ID number."""

    borrower_id: UUID
    name: str = field(repr=False)
    id_number: str = field(repr=False)
    addresses: tuple[tuple[ContactKind, str], ...] = field(repr=False)
    index: bytes = field(repr=False)
    past: PastPerson = field(repr=False)


def check_past_person(past: PastPerson, *, now: datetime) -> CheckedPerson:
    """The person in written form. Raises `InvalidPersonalData` naming the field, never its value."""
    name, number = checked_person(past.name, past.id_number, past.locale, past.zone, now=now)
    addresses = [(ContactKind.PHONE, past.phone)]
    if past.email is not None:
        addresses.append((ContactKind.EMAIL, past.email))
    return CheckedPerson(
        new_id(),
        name,
        number,
        tuple((kind, _address(kind, value)) for kind, value in addresses),
        crypto.blind_index("id_number", number),
        past,
    )


def known_by_id_number(session: Session, indexes: Sequence[bytes]) -> dict[bytes, UUID]:
    """Which of these people are registered already: blind index of the ID number to borrower id."""
    rows = session.execute(
        select(Person.id_number_index, Person.borrower_id).where(
            Person.id_number_index.in_(indexes), Person.discarded_at.is_(None)
        )
    )
    return {index: borrower_id for index, borrower_id in rows if index is not None}


def import_people(session: Session, people: Sequence[CheckedPerson], *, now: datetime) -> None:
    """Store people that are not registered yet.

    Somebody who is registered already is an IntegrityError. Told outside are the registrations, and the
    consents to watch the line, on which `line` acts; not every single address.
    """
    crypto.make_data_keys(session, [person.borrower_id for person in people])
    rows: tuple[list[dict[str, Any]], ...] = ([], [], [])
    told: list[FirstEvent] = []
    for person in people:
        borrower_id = person.borrower_id
        rows[0].append(_person_values(session, borrower_id, person, now))
        rows[1].extend(
            _address_values(session, borrower_id, kind, value, now) for kind, value in person.addresses
        )
        rows[2].extend(_consent_values(borrower_id, one) for one in person.past.consents)
        told.append(_first(borrower_id, events.PersonRegistered(borrower_id)))
        if any(one.purpose is Purpose.CONTINUITY for one in person.past.consents):
            changed = events.ConsentChanged(borrower_id, Purpose.CONTINUITY.value, True)
            told.append(_first(borrower_id, changed))
    for table, values in zip((Person, ContactPointRow, ConsentRow), rows, strict=True):
        if values:
            session.execute(insert(table), values)
    publish_first(session, told)


def _first(borrower_id: UUID, event: events.PersonRegistered | events.ConsentChanged) -> FirstEvent:
    return FirstEvent(event, "person", borrower_id, borrower_id)


def _address(kind: ContactKind, value: str) -> str:
    return valid(kind.value, lambda: contact.normalise(kind, value))


def _person_values(
    session: Session, borrower_id: UUID, person: CheckedPerson, now: datetime
) -> dict[str, Any]:
    return {
        "borrower_id": borrower_id,
        "name": crypto.seal(session, borrower_id, person_place(borrower_id, "name"), person.name),
        "id_number": crypto.seal(
            session, borrower_id, person_place(borrower_id, "id_number"), person.id_number
        ),
        "id_number_index": person.index,
        "locale": person.past.locale,
        "zone": person.past.zone,
        "registered_at": now,
    }


def _address_values(
    session: Session, borrower_id: UUID, kind: ContactKind, value: str, now: datetime
) -> dict[str, Any]:
    point_id = new_id()
    return {
        "borrower_id": borrower_id,
        "id": point_id,
        "kind": kind.value,
        "value": crypto.seal(session, borrower_id, point_place(point_id), value),
        "value_index": value_index(kind, value),
        "owner": "self",
        "added_at": now,
    }


def _consent_values(borrower_id: UUID, one: PastConsent) -> dict[str, Any]:
    return {
        "borrower_id": borrower_id,
        "id": new_id(),
        "purpose": one.purpose.value,
        "evidence": {"channel": "import", "reference": one.evidence},
        "given_at": one.given_at,
    }
