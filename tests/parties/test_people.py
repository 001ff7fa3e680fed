"""People, addresses, consents and the access log, on a real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from parties.newcomers import new_person
from throughline.kernel.crypto import SealBroken, open_sealed
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.parties import service
from throughline.parties.models import ContactPointRow, Person
from throughline.parties.purposes import Purpose

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
EVIDENCE = {"channel": "test", "text_version": "1"}


def _events(session: Session, borrower_id: UUID) -> list[str]:
    rows = select(OutboxEvent.type).where(OutboxEvent.borrower_id == borrower_id).order_by(OutboxEvent.seq)
    return list(session.scalars(rows))


def test_a_person_is_stored_sealed_and_shown_masked(session: Session) -> None:
    new = new_person(name="王𬱖䶮", phone="13800135678", email="Wang@example.com")
    borrower_id = service.register_person(session, new, now=NOW)
    shown = service.profile(session, borrower_id)
    assert (shown.name, shown.phone, shown.email) == ("王**", "138****5678", "w***@example.com")
    assert shown.id_number[1:17] == "*" * 16
    stored = " ".join(
        str(row)
        for table in ("party_person", "party_contact_point", "kernel_event")
        for row in session.execute(text(f"SELECT t::text FROM {table} t")).scalars()
    )
    for clear in (new.name, new.id_number, "13800135678", "wang@example.com"):
        assert clear not in stored
        assert clear.encode().hex() not in stored
    assert _events(session, borrower_id) == [
        "parties.person_registered.v1",
        "parties.contact_point_added.v1",
        "parties.contact_point_added.v1",
    ]


def test_clear_values_need_a_consent_and_leave_a_trace(session: Session) -> None:
    new = new_person()
    borrower_id = service.register_person(session, new, now=NOW)
    phone = service.contact_points(session, borrower_id)[0]
    with pytest.raises(service.ConsentMissing):
        service.contact_value(session, phone.id, Purpose.CONTACT, now=NOW)
    with pytest.raises(service.ConsentMissing):
        service.person_facts(session, borrower_id, Purpose.IDENTITY, now=NOW)
    service.give_consents(session, borrower_id, [Purpose.CONTACT, Purpose.IDENTITY], EVIDENCE, now=NOW)
    assert service.contact_value(session, phone.id, Purpose.CONTACT, now=NOW) == "+86" + new.phone
    facts = service.person_facts(session, borrower_id, Purpose.IDENTITY, now=NOW, reader="contracts")
    assert (facts.name, facts.id_number) == (new.name, new.id_number)
    assert new.name not in repr(facts)
    assert new.id_number not in repr(facts)
    log = service.access_log(session, borrower_id)
    assert {(row.field, row.purpose, row.reader) for row in log} == {
        ("phone", "loan_contact", "platform"),
        ("name", "identity_verification", "contracts"),
        ("id_number", "identity_verification", "contracts"),
    }
    with pytest.raises(service.ConsentMissing):
        service.contact_value(session, phone.id, Purpose.MARKETING, now=NOW)


def test_a_withdrawn_consent_ends_at_once_and_stays_in_the_ledger(session: Session) -> None:
    borrower_id = service.register_person(session, new_person(), now=NOW)
    service.give_consents(session, borrower_id, [Purpose.CONTACT, Purpose.CONTACT], EVIDENCE, now=NOW)
    service.give_consents(session, borrower_id, [Purpose.CONTACT], EVIDENCE, now=NOW)
    assert len(service.consents(session, borrower_id)) == 1
    later = NOW + timedelta(days=1)
    assert service.withdraw_consent(session, borrower_id, Purpose.CONTACT, EVIDENCE, now=later)
    assert not service.withdraw_consent(session, borrower_id, Purpose.CONTACT, EVIDENCE, now=later)
    assert not service.has_consent(session, borrower_id, Purpose.CONTACT)
    service.give_consents(session, borrower_id, [Purpose.CONTACT], EVIDENCE, now=later)
    ledger = service.consents(session, borrower_id)
    assert [consent.withdrawn_at for consent in ledger] == [None, later]
    assert service.consents(session, borrower_id, limit=1, after=ledger[0].id) == ledger[1:]
    assert _events(session, borrower_id)[-3:] == ["parties.consent_changed.v1"] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"id_number": "110105194912310021"},
        {"phone": "123"},
        {"email": "nobody"},
        {"name": "<b>"},
        {"locale": "fr"},
        {"zone": "Asia/Nowhere"},
    ],
)
def test_wrong_data_is_refused_without_repeating_it(session: Session, change: dict[str, str]) -> None:
    with pytest.raises(service.InvalidPersonalData) as caught:
        service.register_person(session, new_person(**change), now=NOW)
    assert next(iter(change.values())) not in str(caught.value.document("en"))
    assert caught.value.__cause__ is None


def test_borrowers_are_adults(session: Session) -> None:
    with pytest.raises(service.InvalidPersonalData):
        service.register_person(session, new_person(born="20080302"), now=NOW)
    service.register_person(session, new_person(born="20080301"), now=NOW)


def test_an_id_number_has_one_account(session: Session) -> None:
    new = new_person()
    borrower_id = service.register_person(session, new, now=NOW)
    with pytest.raises(service.AlreadyRegistered) as caught:
        service.register_person(session, new, now=NOW)
    assert caught.value.borrower_id == borrower_id
    assert str(borrower_id) not in str(caught.value.document("en"))


def test_two_registrations_at_once_make_one_account(database: Database) -> None:
    new = new_person()

    def register(_: int) -> UUID | None:
        try:
            return database.run(lambda session: service.register_person(session, new, now=NOW))
        except service.AlreadyRegistered:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [borrower for borrower in pool.map(register, range(4)) if borrower]
    assert len(made) == 1


def test_finding_people(session: Session) -> None:
    mine = new_person(phone="13900001111", email="me@example.com")
    borrower_id = service.register_person(session, mine, now=NOW)
    assert service.find_borrower(session, phone="+86 139 0000 1111") == borrower_id
    assert service.find_borrower(session, email="ME@example.com") == borrower_id
    assert service.find_borrower(session, id_number=mine.id_number.lower()) == borrower_id
    for nothing in ({"phone": "13900001112"}, {"email": "x"}, {"id_number": "x"}, {"phone": "x"}):
        assert service.find_borrower(session, **nothing) is None
    other = service.register_person(session, new_person(phone="13900001111"), now=NOW)
    assert service.find_borrower(session, phone="13900001111") is None
    point = service.contact_points(session, borrower_id)[0]
    service.verify_contact_point(session, point.id, now=NOW)
    assert service.find_borrower(session, phone="13900001111") == borrower_id
    service.freeze_contact_point(session, point.id, "recycled", now=NOW)
    assert service.find_borrower(session, phone="13900001111") == other


def test_addresses(session: Session) -> None:
    borrower_id = service.register_person(session, new_person(), now=NOW)
    first = service.add_contact_point(session, borrower_id, "email", "new@example.com", now=NOW)
    assert service.add_contact_point(session, borrower_id, "email", "NEW@example.com", now=NOW) == first
    added = service.contact_point(session, first)
    assert (added.kind, added.owner, added.verified_at, added.masked) == (
        "email",
        "self",
        None,
        "n***@example.com",
    )
    service.freeze_contact_point(session, first, "hard bounce", now=NOW)
    service.freeze_contact_point(session, first, "again", now=NOW)
    assert service.contact_point(session, first).frozen_reason == "hard bounce"
    with pytest.raises(service.UnknownContactPoint):
        service.contact_point(session, uuid4())
    with pytest.raises(service.UnknownContactPoint):
        service.verify_contact_point(session, uuid4(), now=NOW)
    with pytest.raises(service.UnknownPerson):
        service.add_contact_point(session, uuid4(), "email", "a@b.cn", now=NOW)
    with pytest.raises(service.InvalidPersonalData):
        service.add_contact_point(session, borrower_id, "fax", "123", now=NOW)
    for number in range(17):
        service.add_contact_point(session, borrower_id, "email", f"a{number}@b.cn", "other", now=NOW)
    with pytest.raises(service.TooManyContactPoints):
        service.add_contact_point(session, borrower_id, "email", "one@more.cn", now=NOW)


def test_a_new_proof_ends_the_doubts_of_line_and_no_other_freeze(session: Session) -> None:
    borrower_id = service.register_person(session, new_person(), now=NOW)
    point = service.contact_points(session, borrower_id)[0].id
    service.freeze_contact_point(session, point, "line: the number was cancelled", now=NOW)
    later = NOW + timedelta(days=3)
    service.verify_contact_point(session, point, now=later)
    known = service.contact_point(session, point)
    assert (known.frozen_at, known.frozen_reason, known.verified_at) == (None, None, later)
    service.freeze_contact_point(session, point, "hard bounce", now=later)
    service.verify_contact_point(session, point, now=later)
    assert service.contact_point(session, point).frozen_reason == "hard bounce"


def test_the_newest_report_about_a_line_stays(session: Session) -> None:
    borrower_id = service.register_person(session, new_person(), now=NOW)
    point = service.contact_points(session, borrower_id)[0].id
    service.set_line_standing(session, point, NOW, Decimal("0.25"), now=NOW)
    service.set_line_standing(session, point, None, Decimal(0), now=NOW - timedelta(hours=1))
    known = service.contact_point(session, point)
    assert (known.suspended_at, known.reassigned_probability) == (NOW, Decimal("0.2500"))
    with pytest.raises(ValueError, match="probability"):
        service.set_line_standing(session, point, None, Decimal("1.5"), now=NOW)


def test_a_discarded_registration_is_gone_and_makes_room(database: Database) -> None:
    new = new_person(phone="13700001111")
    borrower_id = database.run(lambda session: service.register_person(session, new, now=NOW))
    database.run(lambda session: service.discard_person(session, borrower_id, now=NOW))
    with database.transaction() as session:
        with pytest.raises(service.UnknownPerson):
            service.profile(session, borrower_id)
        assert service.find_borrower(session, phone="13700001111") is None
        person = session.get_one(Person, borrower_id)
        with pytest.raises(SealBroken):
            open_sealed(session, borrower_id, f"party_person|{borrower_id}|name", person.name)
        again = service.register_person(session, new, now=NOW)
        assert again != borrower_id


def test_a_ciphertext_moved_to_another_person_is_refused(database: Database) -> None:
    first = database.run(lambda session: service.register_person(session, new_person(), now=NOW))
    second = database.run(lambda session: service.register_person(session, new_person(), now=NOW))
    with database.transaction() as session:
        stolen = session.get_one(Person, first).name
        session.get_one(Person, second).name = stolen
        with pytest.raises(SealBroken):
            service.profile(session, second)
        session.rollback()
    with database.transaction() as session:
        points = session.scalars(select(ContactPointRow).where(ContactPointRow.borrower_id == first)).all()
        points[0].value, points[1].value = points[1].value, points[0].value
        with pytest.raises(SealBroken):
            service.contact_points(session, first)
        session.rollback()
