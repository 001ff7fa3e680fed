"""Numbers in doubt are proved anew by a code: whoever reads it can do nothing with it, and the belief follows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from identity.actors import Actor, enrolled, newcomer
from messaging.sms_provider import ACCOUNT, SmsProvider
from throughline.continuity import numbers
from throughline.continuity.numbers import NumberState
from throughline.identity import service as identity
from throughline.identity.levels import Level
from throughline.identity.models import Challenge
from throughline.identity.number_codes import TRIES
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.line import handlers, privacy
from throughline.line import service as line
from throughline.line.models import LineBelief, LineSignal
from throughline.line.signals import Signal
from throughline.messaging import codes
from throughline.messaging.models import MsgIntent
from throughline.notary import service as notary
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from throughline.parties.records import ContactPoint

Jobs = Callable[..., int]
RECYCLED = {"recycled": True, "specified_date": "2025-01-01"}


@pytest.fixture(scope="module", autouse=True)
def provider(installation: Path) -> Iterator[SmsProvider]:
    """An SMS provider over HTTP; nobody else outside is to be reached."""
    made = SmsProvider()
    made.start()
    account = installation / "lab" / "keys" / "sms" / "account.json"
    account.parent.mkdir(parents=True)
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_MESSAGING_SMS_URL", made.url)
    patch.setenv("THROUGHLINE_MESSAGING_SMTP_PORT", "1")
    patch.setenv("THROUGHLINE_LINE_API_URL", "http://127.0.0.1:1")
    kernel_settings.forget()
    yield made
    patch.undo()
    kernel_settings.forget()
    made.stop()


@pytest.fixture
def sms(provider: SmsProvider, database: Database) -> SmsProvider:
    provider.calm()
    with database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))
    return provider


@pytest.fixture
def person(database: Database, sms: SmsProvider, run_jobs: Jobs) -> Actor:
    """Somebody with passkey, code app and saved codes, whose line is watched."""
    actor = enrolled(database)
    database.run(
        lambda s: parties.give_consents(s, actor.id, [Purpose.CONTINUITY], {"page": "test"}, now=clock.now())
    )
    run_jobs(rounds=3, timers=False, hurry=False)
    sms.calm()
    return actor


def phone(actor: Actor) -> ContactPoint:
    with actor.database.transaction() as session:
        points = parties.contact_points(session, actor.id)
    return next(one for one in points if one.kind is ContactKind.PHONE)


def line_of(actor: Actor) -> UUID:
    with actor.database.transaction() as session:
        found = line.line_of_contact_point(session, phone(actor).id)
    assert found is not None
    return found


def hear(actor: Actor, source: str, code: str | None = None, **attributes: Any) -> None:
    at = clock.now()
    signal = Signal(at, source, "simulator", code, attributes)
    actor.database.run(lambda s: line.ingest(s, line_of(actor), [signal], now=at))


def doubt(actor: Actor) -> None:
    """The carrier says that somebody else has the number."""
    hear(actor, "camara.number-recycling", **RECYCLED)
    found = phone(actor)
    assert found.frozen_reason == privacy.REASSIGNED
    assert found.reassigned_probability > 0.8


def send(actor: Actor, point: UUID | None = None, proof: UUID | None = None) -> None:
    where = point or phone(actor).id
    actor.database.run(
        lambda s: numbers.send_code(
            s, actor.here(), where, proof_id=proof, now=clock.now(), real_now=actor.now
        )
    )


def confirm(actor: Actor, code: str, point: UUID | None = None, login: Any = None) -> None:
    where = point or phone(actor).id
    actor.database.run(
        lambda s: numbers.confirm(s, login or actor.here(), where, code, now=clock.now(), real_now=actor.now)
    )


def codes_in(sms: SmsProvider) -> list[str]:
    """The codes that the provider was handed."""
    return [
        json.loads(one["TemplateParam"])["code"] for one in sms.accepted if "code" in one["TemplateParam"]
    ]


def state(actor: Actor, point: UUID | None = None) -> NumberState:
    where = point or phone(actor).id
    with actor.database.transaction() as session:
        return numbers.number(session, actor.here(), where, real_now=actor.now).state


def test_a_frozen_number_is_proved_and_believed_again(
    database: Database, person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    doubt(person)
    assert state(person) is NumberState.FROZEN
    send(person)
    run_jobs()
    (code,) = codes_in(sms)
    # What leaves the house is the code: no name, no amount, no address of a page.
    (sent,) = sms.accepted
    assert json.loads(sent["TemplateParam"]) == {"code": code}
    assert sent["TemplateCode"] == "SMS_480000005"
    assert sent["PhoneNumbers"].endswith(person.person.phone[-8:])
    before = clock.now()
    confirm(person, f" {code[:3]} {code[3:]} ")
    run_jobs()
    known = phone(person)
    assert (known.frozen_at, known.frozen_reason) == (None, None)
    assert known.verified_at is not None
    assert known.verified_at >= before
    assert known.reassigned_probability < privacy.STRANGER_ABOVE
    assert state(person) is NumberState.PROVED
    with database.transaction() as session:
        said = session.scalars(select(LineSignal).where(LineSignal.source == "identity.number-proof")).one()
        assert (said.meaning, said.grade, said.code) == ("proved", "A", "sms_code")
        records = notary.records_of(session, person.id, limit=10)
        assert "number.proved" in [one.kind for one in records]
        login = identity.living(session, person.here().id, now=person.now)
        assert login is not None
        assert (login.level, login.methods) == (person.here().level, person.here().methods)
        told = session.scalars(
            select(OutboxEvent).where(OutboxEvent.type == "identity.number_proved.v1")
        ).all()
        assert [one.payload["contact_point_id"] for one in told] == [str(known.id)]
    # The message that tells of it goes to the number again, and says nothing itself.
    assert {one["TemplateCode"] for one in sms.accepted[1:]} <= {"SMS_480000001"}


def test_an_answer_to_a_question_of_before_the_proof_changes_nothing_after_it(
    person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    from throughline.line import proofs

    doubt(person)
    asked_since = phone(person).added_at.date() - timedelta(days=30)
    send(person)
    run_jobs()
    confirm(person, codes_in(sms)[0])
    run_jobs()
    proved = phone(person).verified_at
    late = Signal(clock.now(), "camara.number-recycling", "simulator", None, RECYCLED)
    active = Signal(clock.now(), "vendor.aliyun", "aliyun", "NORMAL", {})
    assert proofs.still_new((late, active), asked_since, proved) == [active]
    assert proved is not None
    assert proofs.still_new((late, active), proved.date(), proved) == [late, active]
    assert proofs.still_new((late,), asked_since, None) == [late]


def test_a_freeze_between_the_proof_and_its_belief_ends_too(
    person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    doubt(person)
    send(person)
    run_jobs()
    confirm(person, codes_in(sms)[0])
    # Something is heard before the proof is folded: the old belief freezes the number once more.
    hear(person, "app.heartbeat", transport="wifi")
    assert phone(person).frozen_reason == privacy.REASSIGNED
    run_jobs()
    assert phone(person).frozen_at is None
    # And afterwards a source that knows counts again.
    hear(person, "camara.number-recycling", recycled=True, specified_date=str(clock.now().date()))
    assert phone(person).frozen_reason == privacy.REASSIGNED


def test_whoever_reads_the_code_can_do_nothing_with_it(
    database: Database, person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    doubt(person)
    send(person)
    run_jobs()
    code = codes_in(sms)[0]
    stranger = enrolled(database, phone=person.person.phone)  # who has the number now, and an account
    point = phone(person).id
    with pytest.raises(parties.UnknownContactPoint):
        confirm(person, code, point, stranger.here())
    with pytest.raises(identity.WrongNumberCode):
        confirm(stranger, code)
    # Not in another session of the person either.
    other = person.sign_in().session
    mine = person.here()
    assert mine.id == other.id
    first = next(
        one
        for one in database.run(lambda s: identity.sessions_of(s, person.id, now=person.now))
        if one.id != other.id
    )
    with pytest.raises(identity.WrongNumberCode):
        confirm(person, code, login=other)
    assert phone(person).verified_at is None
    confirm(person, code, login=first)
    with pytest.raises(identity.WrongNumberCode):
        confirm(person, code, login=first)  # once


def test_few_tries_short_life_and_a_code_replaces_the_one_before(
    person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    send(person)
    run_jobs()
    send(person)
    run_jobs()
    old, new = codes_in(sms)
    if old != new:
        with pytest.raises(identity.WrongNumberCode):
            confirm(person, old)
    wrong = f"{(int(new) + 1) % 1_000_000:06d}"
    for _ in range(TRIES - (old != new)):
        with pytest.raises(identity.WrongNumberCode):
            confirm(person, wrong)
    with pytest.raises(identity.TooManyCodeTries):
        confirm(person, new)
    send(person)
    run_jobs()
    person.later(minutes=10, seconds=1)
    with pytest.raises(identity.WrongNumberCode):
        confirm(person, codes_in(sms)[-1])
    assert phone(person).verified_at is None


def test_codes_are_few_for_a_person_and_for_a_number(
    database: Database, person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    for _ in range(4):
        send(person)
    with pytest.raises(identity.TooManyNumberCodes):
        send(person)
    # The same number in another account: somebody who wants to annoy its owner gets no further.
    other = enrolled(database, phone=person.person.phone)
    with pytest.raises(identity.TooManyNumberCodes):
        send(other)
    person.later(hours=25)
    run_jobs()
    sms.calm()
    send(person)
    run_jobs()
    assert len(codes_in(sms)) == 1


def test_a_session_of_one_factor_proves_nothing(person: Actor, sms: SmsProvider) -> None:
    weak = replace(person.here(), level=Level.A1)
    person.login = weak
    with pytest.raises(identity.LevelTooLow):
        send(person)
    with pytest.raises(identity.LevelTooLow):
        confirm(person, "123456")
    with pytest.raises(identity.LevelTooLow):
        person.database.run(lambda s: numbers.give_up(s, weak, phone(person).id, now=clock.now()))
    with pytest.raises(identity.LevelTooLow):
        person.database.run(lambda s: numbers.add(s, weak, "13911112222", now=clock.now()))


def test_a_code_is_kept_as_a_hash_and_forgotten(
    database: Database, person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    send(person)
    run_jobs()
    code = codes_in(sms)[0]
    with database.transaction() as session:
        row = session.scalars(
            select(Challenge)
            .where(Challenge.borrower_id == person.id)
            .where(Challenge.purpose == "number_code")
        ).one()
        kept = repr((row.challenge, row.nonce, row.action, row.action_hash))
        assert code not in kept
        for table in (
            "identity_challenge",
            "msg_intent",
            "msg_attempt",
            OutboxEvent.__tablename__,
            "procrastinate_jobs",
        ):
            rows = session.execute(text(f"SELECT t::text FROM {table} t")).scalars()
            assert not any(re.search(rf"(?<!\d){code}(?!\d)", one) for one in rows), table
        intent = session.scalars(
            select(MsgIntent).where(MsgIntent.borrower_id == person.id, MsgIntent.klass == "otp")
        ).one()
        assert intent.params
        codes.forget(session, now=intent.deadline)
        session.refresh(intent)
        assert intent.params
        assert codes.forget(session, now=intent.deadline + timedelta(seconds=1)) >= 1
        session.refresh(intent)
        assert intent.params == b""


def test_a_number_that_is_barred_for_another_reason_gets_no_code(person: Actor, sms: SmsProvider) -> None:
    person.database.run(
        lambda s: parties.freeze_contact_point(s, phone(person).id, "wrong person", now=clock.now())
    )
    assert state(person) is NumberState.BARRED
    with pytest.raises(numbers.messaging.CodeNotSent):
        send(person)


def test_a_new_number_carries_nothing_until_it_is_proved(
    database: Database, person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    added = person.database.run(lambda s: numbers.add(s, person.here(), "13911112222", now=clock.now()))
    run_jobs()
    assert state(person, added) is NumberState.CLAIMED
    with database.transaction() as session:
        assert line.line_of_contact_point(session, added) is None  # nobody is asked about it
        assert parties.find_borrower(session, phone="13911112222") is None
    with pytest.raises(identity.StepUpNeeded):
        send(person, added)
    elsewhere = person.approve(identity.prove_number_action(phone(person).id))
    with pytest.raises(identity.ProofRefused):
        send(person, added, elsewhere.id)
    approved = person.approve(identity.prove_number_action(added))
    send(person, added, approved.id)
    run_jobs()
    (sent,) = sms.accepted
    assert sent["PhoneNumbers"].endswith("13911112222")
    confirm(person, codes_in(sms)[0], added)
    run_jobs()
    assert state(person, added) is NumberState.PROVED
    with database.transaction() as session:
        line_id = line.line_of_contact_point(session, added)
        assert line_id is not None
        assert session.get_one(LineBelief, (person.id, line_id)).next_look_at is not None
        assert parties.find_borrower(session, phone="13911112222") == person.id


def test_a_number_that_was_given_up_is_left_alone_until_it_is_proved(
    database: Database, person: Actor, sms: SmsProvider, run_jobs: Jobs
) -> None:
    point, line_id = phone(person).id, line_of(person)

    def watched() -> bool:
        with database.transaction() as session:
            return session.get_one(LineBelief, (person.id, line_id)).next_look_at is not None

    assert watched()
    doubt(person)
    for _ in range(2):
        database.run(lambda s: numbers.give_up(s, person.here(), point, now=clock.now()))
    run_jobs()
    assert state(person) is NumberState.GIVEN_UP
    assert not watched()
    # Neither a line that is well again nor a consent that is given anew takes it up.
    hear(
        person, "camara.subscription-status", voiceSmsIn="active", voiceSmsOut="active", dataService="active"
    )
    for verb in (
        parties.withdraw_consent,
        lambda s, b, p, e, now: parties.give_consents(s, b, [p], e, now=now),
    ):
        database.run(
            lambda s, verb=verb: verb(s, person.id, Purpose.CONTINUITY, {"page": "x"}, now=clock.now())
        )
        run_jobs()
    assert (state(person), watched()) == (NumberState.GIVEN_UP, False)
    send(person)
    run_jobs()
    confirm(person, codes_in(sms)[-1])
    run_jobs()
    assert (state(person), watched()) == (NumberState.PROVED, True)
    with database.transaction() as session:
        kinds = [one.kind for one in notary.records_of(session, person.id, limit=10)]
    assert sorted(one for one in kinds if one.startswith("number.")) == ["number.given_up", "number.proved"]


def test_after_a_change_of_the_sim_no_number_is_added(
    person: Actor, session: Session, sms: SmsProvider
) -> None:
    from throughline.line.feed import swaps
    from throughline.line.ports import Swap

    line_id = line_of(person)
    swapped: datetime = clock.now() - timedelta(hours=71)
    person.database.run(
        lambda s: swaps.note(s, person.id, line_id, Swap("sim", swapped), "camara.sim-swap", now=clock.now())
    )
    with pytest.raises(numbers.SimIsNew):
        person.database.run(lambda s: numbers.add(s, person.here(), "13911113333", now=clock.now()))


def test_a_registration_that_was_erased_leaves_no_job_behind(
    database: Database, sms: SmsProvider, run_jobs: Jobs
) -> None:
    gone = newcomer(database)
    database.run(lambda s: parties.verify_contact_point(s, phone(gone).id, now=clock.now()))
    database.run(lambda s: parties.discard_person(s, gone.id, now=clock.now()))
    run_jobs()
    with database.transaction() as session:
        broken = session.execute(
            text(
                "SELECT count(*) FROM procrastinate_jobs WHERE args::text LIKE :id AND status <> 'succeeded'"
            ),
            {"id": f"%{gone.id}%"},
        ).scalar_one()
        assert broken == 0
        events = session.scalars(
            select(OutboxEvent).where(OutboxEvent.borrower_id == gone.id, OutboxEvent.type.like("parties.%"))
        ).all()
        for event in events:
            for handler in (handlers.on_contact_point_added, handlers.on_contact_point_verified):
                if event.type.endswith(("contact_point_added.v1", "contact_point_verified.v1")):
                    handler(session, event)  # type: ignore[arg-type]
        assert line.lines_of(session, gone.id) == []
