"""Signing in with every factor, guessing, sessions: on a real database. No message is ever sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from identity.actors import ORIGIN, Actor, enrolled, newcomer
from throughline.identity import attempts, service
from throughline.identity.jobs import forget_ended
from throughline.identity.service import Browser
from throughline.kernel.db import Database
from throughline.lab.authenticator import SoftwareAuthenticator


def test_a_passkey_signs_in_and_a_replay_does_not(database: Database) -> None:
    actor = enrolled(database)
    begun = actor.run(lambda s: service.begin_sign_in(s, now=actor.now))
    response = actor.authenticator.get(begun.options, ORIGIN)

    def finish() -> service.SignedIn:
        return actor.run(
            lambda s: service.finish_sign_in(s, begun.challenge_id, response, Browser("x"), now=actor.now)
        )

    done = finish()
    assert (done.session.subject_id, done.session.level.label) == (actor.id, "A2")
    with pytest.raises(service.ChallengeGone):
        finish()
    fresh = actor.run(lambda s: service.begin_sign_in(s, now=actor.now))
    with pytest.raises(service.SignInRefused):
        actor.run(
            lambda s: service.finish_sign_in(s, fresh.challenge_id, response, Browser("x"), now=actor.now)
        )


def test_one_challenge_answered_many_times_at_once_begins_one_session(database: Database) -> None:
    actor = enrolled(database)
    begun = actor.run(lambda s: service.begin_sign_in(s, now=actor.now))
    response = actor.authenticator.get(begun.options, ORIGIN)

    def finish(_: int) -> bool:
        try:
            actor.run(
                lambda s: service.finish_sign_in(s, begun.challenge_id, response, Browser("x"), now=actor.now)
            )
        except service.ChallengeGone:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(finish, range(8))) == 1


def test_a_passkey_that_we_do_not_know(database: Database) -> None:
    actor, stranger = enrolled(database), newcomer(database)
    begun = stranger.run(lambda s: service.begin_passkey(s, stranger.here(), now=stranger.now))
    stranger.authenticator.create(begun.options, ORIGIN)  # never finished
    with pytest.raises(service.SignInRefused):
        stranger.sign_in()
    # Of another phone, with the identifier of a passkey that we do know.
    thief = SoftwareAuthenticator(passkeys=[*stranger.authenticator.passkeys])
    thief.passkeys[0].id = actor.authenticator.passkeys[0].id
    stranger.authenticator = thief
    with pytest.raises(service.SignInRefused):
        stranger.sign_in()


@pytest.mark.parametrize("identify", ["phone", "email", "id_number"])
def test_two_codes_sign_in_on_a_new_browser(database: Database, identify: str) -> None:
    actor = enrolled(database)
    identifier = getattr(actor.person, identify)
    with pytest.raises(service.SignInRefused):
        actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), identifier=identifier)
    done = actor.sign_in_with_codes(actor.app_code(), actor.codes[0], identifier=identifier)
    assert (done.session.level.label, done.session.methods) == ("A2", ("totp", "recovery_code"))
    # The browser is known now: there the app's code alone gives A1.
    known = Browser("x", device_token=done.device_token)
    done = actor.sign_in_with_codes(
        actor.app_code(actor.later(minutes=1)), browser=known, identifier=identifier
    )
    assert (done.session.level.label, done.device_token) == ("A1", None)
    # And only for its owner.
    other = enrolled(database)
    other.later(minutes=2)
    with pytest.raises(service.SignInRefused):
        other.sign_in_with_codes(other.app_code(), browser=known)


def test_no_code_works_twice(database: Database) -> None:
    actor = enrolled(database)
    code = actor.app_code(actor.later(minutes=1))
    actor.sign_in_with_codes(code, actor.codes[0])
    known = Browser("x", device_token=actor.device_token)
    with pytest.raises(service.SignInRefused):
        actor.sign_in_with_codes(code, browser=known)
    with pytest.raises(service.SignInRefused):
        actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), actor.codes[0], known)
    actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), actor.codes[1].lower().replace("-", " "))
    with database.transaction() as session:
        assert service.factors(session, actor.id).recovery_codes_left == 8


def test_a_code_used_many_times_at_once_works_once(database: Database) -> None:
    actor = enrolled(database)
    code = actor.app_code(actor.later(minutes=1))

    def sign_in(recovery: str) -> bool:
        try:
            actor.run(
                lambda s: service.sign_in_with_codes(
                    s, actor.person.phone, code, recovery, Browser("x"), now=actor.now
                )
            )
        except (service.SignInRefused, service.TooManyAttempts):
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(sign_in, actor.codes[:5])) == 1


def _guess(actor: Actor, times: int, identifier: str = "") -> list[type[Exception]]:
    answers: list[type[Exception]] = []
    for _ in range(times):
        try:
            actor.sign_in_with_codes("000000", "0000-0000-0000-0000", identifier=identifier)
        except Exception as error:
            answers.append(type(error))
    return answers


def test_guessing_stops_after_five_and_the_passkey_stays_open(database: Database) -> None:
    actor = enrolled(database)
    known, unknown = _guess(actor, 7), _guess(actor, 7, "13999999999")
    assert known == unknown == [service.SignInRefused] * 5 + [service.TooManyAttempts] * 2
    with pytest.raises(service.TooManyAttempts):
        actor.sign_in_with_codes(actor.app_code(actor.later(minutes=1)), actor.codes[0])
    assert actor.sign_in().session.level.label == "A2"
    actor.later(minutes=16)
    actor.sign_in_with_codes(actor.app_code(), actor.codes[0])
    assert _guess(actor, 5) == [service.SignInRefused] * 5


def test_a_hundred_failures_in_a_row_stop_the_codes_and_not_the_passkey(database: Database) -> None:
    actor = enrolled(database)
    answers: list[type[Exception]] = []
    for _ in range(21):
        answers += _guess(actor, 6)
        actor.later(minutes=16)
    assert answers.count(service.SignInRefused) == 100
    with pytest.raises(service.FactorStopped):
        actor.sign_in_with_codes(actor.app_code(), actor.codes[0])
    assert actor.sign_in().session.subject_id == actor.id


def test_every_refusal_is_the_same(database: Database) -> None:
    actor = enrolled(database)
    only_passkey = newcomer(database)
    only_passkey.enrol_passkey()
    documents = []
    for who, identifier, code, recovery in (
        (actor, "", "000000", actor.codes[0]),
        (actor, "", actor.app_code(actor.later(minutes=1)), "0000-0000-0000-0000"),
        (actor, "", actor.app_code(), None),
        (actor, "13999999998", "000000", None),
        (actor, "not an identifier", "000000", None),
        (only_passkey, "", "000000", None),
    ):
        with pytest.raises(service.SignInRefused) as caught:
            who.sign_in_with_codes(code, recovery, identifier=identifier)
        documents.append(caught.value.document("en"))
    assert documents == [documents[0]] * len(documents)


def test_sessions_end_when_idle_and_in_any_case_after_twelve_hours(database: Database) -> None:
    actor = enrolled(database)
    token = actor.sign_in().session_token

    def alive() -> bool:
        return actor.run(lambda s: service.current_session(s, token, now=actor.now)) is not None

    for _ in range(71):
        actor.later(minutes=10)
        assert alive()
    actor.later(minutes=10)
    assert not alive()
    token = actor.sign_in().session_token
    actor.later(minutes=14, seconds=50)
    assert alive()
    actor.later(minutes=15)
    assert not alive()


def test_a_killed_session_is_refused_at_its_next_request(database: Database) -> None:
    actor, other = enrolled(database), enrolled(database)
    first, second, third = actor.sign_in(), actor.sign_in(), actor.sign_in()
    with pytest.raises(service.UnknownSession):
        database.run(lambda s: service.end_session(s, other.id, first.session.id, reason="x", now=actor.now))
    database.run(lambda s: service.end_session(s, actor.id, first.session.id, reason="x", now=actor.now))
    with database.transaction() as session:
        assert service.current_session(session, first.session_token, now=actor.now) is None
        assert service.current_session(session, second.session_token, now=actor.now) is not None
        assert first.session.id not in {
            row.id for row in service.sessions_of(session, actor.id, now=actor.now)
        }
    database.run(
        lambda s: service.end_other_sessions(s, actor.id, third.session.id, reason="x", now=actor.now)
    )
    with database.transaction() as session:
        assert [row.id for row in service.sessions_of(session, actor.id, now=actor.now)] == [third.session.id]


def test_signing_in_replaces_the_session_of_the_browser(database: Database) -> None:
    actor = enrolled(database)
    before = actor.sign_in()
    after = actor.sign_in(Browser("x", session_token=before.session_token))
    assert after.session_token != before.session_token
    with database.transaction() as session:
        assert service.current_session(session, before.session_token, now=actor.now) is None


def test_a_person_has_at_most_twenty_sessions(database: Database) -> None:
    actor = enrolled(database)
    tokens = [actor.sign_in().session_token for _ in range(22)]
    with database.transaction() as session:
        assert len(service.sessions_of(session, actor.id, now=actor.now)) == 20
        assert service.current_session(session, tokens[0], now=actor.now) is None


def test_hostile_cookies_are_nobody(database: Database) -> None:
    actor = enrolled(database)
    for token in (None, "", "x", "a" * 10_000, "\x00", "\ud800", actor.token[:-1], str(actor.here().id)):
        with database.transaction() as session:
            caller = service.caller_from_request(session, token, None, now=actor.now)
        assert caller.kind == "public"


def test_what_has_ended_is_forgotten(database: Database) -> None:
    actor = enrolled(database)
    actor.run(lambda s: service.begin_sign_in(s, now=actor.now - timedelta(days=1)))
    forget_ended(0)
    with database.transaction() as session:
        old = session.execute(
            text("SELECT count(*) FROM identity_challenge WHERE expires_at < now()")
        ).scalar()
        assert old == 0
        assert service.current_session(session, actor.token, now=actor.now) is not None


def test_sources_count_by_network_and_are_not_kept(database: Database) -> None:
    same = attempts.of_source("2001:db8:1:2:3::1"), attempts.of_source("2001:db8:1:2:ffff::1")
    assert same[0] == same[1] != attempts.of_source("2001:db8:1:3::1")
    assert attempts.of_source("192.0.2.1") != attempts.of_source("192.0.2.2")
    assert attempts.of_source(None) == attempts.of_source("testclient")
