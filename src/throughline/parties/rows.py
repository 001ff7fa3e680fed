"""What the verbs of parties share: a known person, a locked person, a checked value."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel.errors import Invalid, NotFound
from throughline.kernel.i18n import N_
from throughline.parties.models import Person


class InvalidPersonalData(Invalid):
    """A value that can't be right. `field` names it; the value itself is never repeated."""

    code = "invalid-personal-data"
    title = N_("Something about the person is not valid")


class UnknownPerson(NotFound):
    """Nobody has this id, or the registration was erased."""

    code = "unknown-person"
    title = N_("This person is not known here")


# What a person reads beside the field that they typed.
_WRONG = {
    "name": N_("This can't be a name; please write it as on the ID card"),
    "id_number": N_("The ID number is not right; please check all 18 characters"),
    "phone": N_("This is no telephone number; please check it"),
    "email": N_("This is no e-mail address; please check it"),
}


def valid(field: str, make: Callable[[], str]) -> str:
    """What `make` gives; its ValueError becomes `InvalidPersonalData` for that field."""
    try:
        return make()
    except ValueError:
        # Without the cause: its text may repeat the value.
        wrong = _WRONG.get(field, N_("The field %(field)s is not valid"))
        raise InvalidPersonalData(wrong, field=field) from None


def known(session: Session, borrower_id: UUID) -> Person:
    """The person, or `UnknownPerson`."""
    person = session.get(Person, borrower_id)
    if person is None or person.discarded_at is not None:
        raise UnknownPerson
    return person


def locked(session: Session, borrower_id: UUID) -> Person:
    """The person's row, locked and read afresh: the aggregate that every change of a person begins with."""
    person = session.get(Person, borrower_id, with_for_update=True, populate_existing=True)
    if person is None or person.discarded_at is not None:
        raise UnknownPerson
    return person
