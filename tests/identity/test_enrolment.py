"""Registering and adding factors, on a real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from identity.actors import EVIDENCE, ORIGIN, Actor, enrolled, newcomer
from parties.newcomers import new_person
from throughline.identity import enrolment, service
from throughline.identity.accounts import summarise
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


def _register(session: Session, person: object, at: object) -> object:
    return service.register(session, person, [Purpose.IDENTITY], EVIDENCE, now=at, real_now=at)


def test_from_registration_to_three_factors(database: Database) -> None:
    actor = newcomer(database)
    assert actor.here().kind == "enrolling"
    door = actor.token
    done = actor.enrol_passkey()
    assert done.signed_in is not None
    assert (actor.here().kind, actor.here().level.label) == ("borrower", "A2")
    assert actor.device_token
    with database.transaction() as session:
        assert service.current_session(session, door, now=actor.now) is None
        assert not service.factors(session, actor.id).payout_ready
    assert actor.enrol_totp().signed_in is None
    assert len(actor.save_codes()) == 10
    with database.transaction() as session:
        summary = service.factors(session, actor.id)
        kinds = session.scalars(
            select(OutboxEvent.type).where(
                OutboxEvent.aggregate_id == actor.id, OutboxEvent.aggregate_type == "account"
            )
        ).all()
    assert summary.kinds == ("passkey", "totp", "recovery_codes")
    assert (summary.payout_ready, summary.survives_line_loss, summary.survives_phone_loss) == (
        True,
        True,
        True,
    )
    assert sorted(kinds) == ["identity.factor_enrolled.v1"] * 3 + ["identity.signed_in.v1"]


def test_nothing_that_opens_a_door_is_kept_in_clear(database: Database) -> None:
    actor = enrolled(database)
    tables = (
        "identity_session",
        "identity_device",
        "identity_authenticator",
        "identity_recovery_code",
        "kernel_event",
    )
    with database.transaction() as session:
        dump = " ".join(
            row
            for table in tables
            for row in session.execute(text(f"SELECT t::text FROM {table} t")).scalars()
        )
    secrets = [actor.token, actor.device_token or "", actor.seed, *actor.codes]
    for secret in [*secrets, *(code.replace("-", "") for code in actor.codes), actor.person.phone]:
        assert secret not in dump
        assert secret.encode().hex() not in dump


def test_the_first_door_closes_with_the_first_factor_and_after_half_an_hour(database: Database) -> None:
    actor = newcomer(database)
    actor.enrol_totp()
    with pytest.raises(service.EnrolmentClosed):
        actor.run(lambda s: service.begin_enrolment(s, actor.id, device="x", now=actor.now))
    late = newcomer(database)
    late.later(minutes=31)
    with pytest.raises(service.EnrolmentClosed):
        late.run(lambda s: service.begin_enrolment(s, late.id, device="x", now=late.now))
    with pytest.raises(service.StepUpNeeded):
        late.enrol_passkey()
    brought_in = database.run(lambda s: parties.register_person(s, new_person(), now=clock.now()))
    with pytest.raises(service.EnrolmentClosed):
        database.run(lambda s: service.begin_enrolment(s, brought_in, device="x", now=clock.real_now()))


def test_an_abandoned_registration_gives_way_and_no_other_does(database: Database) -> None:
    actor = newcomer(database)
    with pytest.raises(parties.AlreadyRegistered):
        database.run(lambda s: _register(s, actor.person, actor.now))
    actor.later(minutes=31)
    again = database.run(lambda s: _register(s, actor.person, actor.now))
    assert again != actor.id
    finished = newcomer(database)
    finished.enrol_passkey()
    finished.later(days=400)
    with pytest.raises(parties.AlreadyRegistered):
        database.run(lambda s: _register(s, finished.person, finished.now))
    person = new_person()
    database.run(lambda s: parties.register_person(s, person, now=clock.now()))
    with pytest.raises(parties.AlreadyRegistered):
        database.run(lambda s: _register(s, person, clock.real_now() + timedelta(days=1)))


def test_registration_needs_the_consent_that_it_stands_on(database: Database) -> None:
    with pytest.raises(service.ConsentNeeded):
        database.run(
            lambda s: service.register(
                s, new_person(), [Purpose.MARKETING], EVIDENCE, now=clock.now(), real_now=clock.real_now()
            )
        )


def test_after_onboarding_an_old_factor_must_approve_a_new_one(database: Database) -> None:
    actor = enrolled(database)
    actor.later(minutes=40)
    actor.sign_in()
    with pytest.raises(service.StepUpNeeded):
        actor.enrol_passkey()
    proof = actor.approve(enrolment.add_authenticator_action("passkey"))
    old, actor.authenticator = actor.authenticator, SoftwareAuthenticator(synced=False)
    with pytest.raises(service.ProofRefused):
        actor.run(lambda s: service.begin_totp(s, actor.here(), now=actor.now, proof_id=proof.id))
    actor.enrol_passkey(proof.id)
    assert actor.sign_in().session.level.label == "A2"
    with pytest.raises(service.ProofRefused):
        actor.enrol_passkey(proof.id)
    actor.authenticator = old
    assert actor.sign_in().session.level.label == "A2"


def test_a_factor_added_after_signing_in_with_codes_is_on_probation(database: Database) -> None:
    actor = enrolled(database)
    actor.later(minutes=40)
    actor.sign_in_with_codes(actor.app_code(), actor.codes[0])
    actor.authenticator = SoftwareAuthenticator()
    actor.enrol_passkey()
    with pytest.raises(service.NoPasskey):
        _only_new(actor, lambda: actor.begin_step_up({"kind": "sign_contract"}))
    assert actor.sign_in().session.level.label == "A1"
    actor.later(hours=24, seconds=1)
    assert actor.sign_in().session.level.label == "A2"
    actor.approve({"kind": "sign_contract"})


def _only_new(actor: Actor, act: object) -> None:
    with actor.database.transaction() as session:
        session.execute(
            text("UPDATE identity_authenticator SET state = 'revoked' WHERE borrower_id = :b AND authority = 'onboarding' AND family = 'passkey'"),
            {"b": actor.id},
        )  # fmt: skip
    act()


def test_the_permission_of_codes_lasts_five_minutes(database: Database) -> None:
    actor = enrolled(database)
    actor.later(minutes=40)
    actor.sign_in_with_codes(actor.app_code(), actor.codes[0])
    actor.later(minutes=6)
    with pytest.raises(service.StepUpNeeded):
        actor.enrol_passkey()
    with pytest.raises(service.StepUpNeeded):
        actor.save_codes()


def test_new_recovery_codes_end_the_old_ones(database: Database) -> None:
    actor = enrolled(database)
    old = actor.codes
    actor.save_codes()
    actor.later(minutes=40)
    with pytest.raises(service.SignInRefused):
        actor.sign_in_with_codes(actor.app_code(), old[0])
    actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), actor.codes[0])
    # On probation the new set waits for a day and the old one still counts.
    present = actor.codes
    actor.save_codes()
    with pytest.raises(service.SignInRefused):
        actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), actor.codes[0])
    actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), present[1])
    actor.later(hours=24)
    with pytest.raises(service.SignInRefused):
        actor.sign_in_with_codes(actor.app_code(), present[2])
    actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), actor.codes[0])


def test_codes_come_after_a_factor(database: Database) -> None:
    with pytest.raises(service.EnrolmentClosed):
        newcomer(database).save_codes()


def test_a_challenge_belongs_to_its_session_and_works_once(database: Database) -> None:
    mine, theirs = newcomer(database), newcomer(database)
    begun = mine.run(lambda s: service.begin_passkey(s, mine.here(), now=mine.now))
    response = mine.authenticator.create(begun.options, ORIGIN)

    def finish(actor: Actor) -> service.Enrolled:
        return actor.run(
            lambda s: service.finish_passkey(
                s, actor.here(), begun.challenge_id, response, label="x", now=actor.now
            )
        )

    with pytest.raises(service.ChallengeGone):
        finish(theirs)
    finish(mine)
    with pytest.raises(service.ChallengeGone):
        finish(mine)
    with pytest.raises(service.ChallengeGone):
        mine.run(lambda s: service.finish_passkey(s, mine.here(), uuid4(), response, label="x", now=mine.now))


def test_an_expired_challenge_is_gone(database: Database) -> None:
    actor = newcomer(database)
    begun = actor.run(lambda s: service.begin_passkey(s, actor.here(), now=actor.now))
    response = actor.authenticator.create(begun.options, ORIGIN)
    actor.later(minutes=5, seconds=1)
    with pytest.raises(service.ChallengeGone):
        actor.run(
            lambda s: service.finish_passkey(
                s, actor.here(), begun.challenge_id, response, label="x", now=actor.now
            )
        )


def test_two_answers_to_one_challenge_at_once_enrol_one_passkey(database: Database) -> None:
    actor = newcomer(database)
    begun = actor.run(lambda s: service.begin_passkey(s, actor.here(), now=actor.now))
    answers = [actor.authenticator.create(begun.options, ORIGIN) for _ in range(6)]

    def finish(response: dict[str, object]) -> bool:
        try:
            actor.run(
                lambda s: service.finish_passkey(
                    s, actor.here(), begun.challenge_id, response, label="x", now=actor.now
                )
            )
        except service.ChallengeGone:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(finish, answers)) == 1
    with database.transaction() as session:
        assert len(service.factors(session, actor.id).factors) == 1


def test_a_code_app_starts_with_its_first_code(database: Database) -> None:
    actor = newcomer(database)
    first = actor.run(lambda s: service.begin_totp(s, actor.here(), now=actor.now))
    second = actor.run(lambda s: service.begin_totp(s, actor.here(), now=actor.now))
    actor.seed = first.seed
    for app, code in ((first, actor.app_code()), (second, "000000"), (second, actor.app_code())):
        with pytest.raises(service.WrongCode):
            actor.run(
                lambda s, app=app, code=code: service.confirm_totp(
                    s, actor.here(), app.authenticator_id, code, now=actor.now
                )
            )
    assert actor.enrol_totp().signed_in is not None
    assert actor.here().level.label == "A1"


def test_what_factors_amount_to() -> None:
    nothing = summarise((), 0)
    assert (nothing.survives_line_loss, nothing.payout_ready) == (False, False)
    assert not summarise((), 10).survives_phone_loss
    assert all(set(text) == {"zh-CN", "en"} and text["zh-CN"] != text["en"] for text in nothing.advice)
