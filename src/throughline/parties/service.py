"""The verbs of parties, for the packages above. Each runs in the caller's transaction and locks the person first."""

from throughline.parties.addresses import (
    TooManyContactPoints,
    UnknownContactPoint,
    add_contact_point,
    contact_point,
    contact_points,
    contact_value,
    freeze_contact_point,
    set_line_standing,
    verify_contact_point,
)
from throughline.parties.consents import (
    ConsentMissing,
    access_log,
    consents,
    give_consents,
    has_consent,
    open_consent,
    withdraw_consent,
)
from throughline.parties.importing import (
    CheckedPerson,
    PastConsent,
    PastPerson,
    check_past_person,
    import_people,
    known_by_id_number,
)
from throughline.parties.people import (
    AlreadyRegistered,
    discard_person,
    find_borrower,
    people,
    person_facts,
    profile,
    register_person,
)
from throughline.parties.rows import InvalidPersonalData, UnknownPerson

__all__ = [
    "AlreadyRegistered",
    "CheckedPerson",
    "ConsentMissing",
    "InvalidPersonalData",
    "PastConsent",
    "PastPerson",
    "TooManyContactPoints",
    "UnknownContactPoint",
    "UnknownPerson",
    "access_log",
    "add_contact_point",
    "check_past_person",
    "consents",
    "contact_point",
    "contact_points",
    "contact_value",
    "discard_person",
    "find_borrower",
    "freeze_contact_point",
    "give_consents",
    "has_consent",
    "import_people",
    "known_by_id_number",
    "open_consent",
    "people",
    "person_facts",
    "profile",
    "register_person",
    "set_line_standing",
    "verify_contact_point",
    "withdraw_consent",
]
