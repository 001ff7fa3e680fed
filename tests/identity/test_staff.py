"""Staff accounts, roles and the keys of services, on a real database."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from identity.actors import enrolled
from throughline.identity import passwords, roles, service
from throughline.identity.service import Browser
from throughline.kernel import clock
from throughline.kernel.db import Database

PASSWORD = "correct horse battery"


def _staff(database: Database, name: str, *staff_roles: str) -> service.SignedIn:
    now = clock.real_now()
    database.run(lambda s: service.create_staff(s, name, PASSWORD, staff_roles, now=now))
    return database.run(lambda s: service.staff_sign_in(s, name, PASSWORD, Browser("x"), now=now))


def test_staff_sign_in_with_the_scopes_of_their_roles(database: Database) -> None:
    begun = _staff(database, "li.na", "agent", "credit")
    now = clock.real_now()
    with database.transaction() as session:
        caller = service.caller_from_request(session, begun.session_token, None, now=now)
        assert service.staff_session(session, begun.session_token, now=now) is not None
        assert service.staff_name(session, begun.session.subject_id) == "li.na"
    assert caller.kind == "staff"
    assert caller.scopes == roles.ROLES["agent"] | roles.ROLES["credit"]
    assert "payments:write" not in caller.scopes
    with database.transaction() as session:
        assert service.current_session(session, begun.session_token, now=now + timedelta(minutes=16)) is None


def test_a_disabled_account_ends_at_once(database: Database) -> None:
    begun = _staff(database, "zhao", "admin")
    now = clock.real_now()
    database.run(lambda s: service.disable_staff(s, begun.session.subject_id, now=now))
    with database.transaction() as session:
        assert service.caller_from_request(session, begun.session_token, None, now=now).kind == "public"
    with pytest.raises(service.SignInRefused):
        database.run(lambda s: service.staff_sign_in(s, "zhao", PASSWORD, Browser("x"), now=now))


def test_a_borrower_is_no_staff_and_staff_no_borrower(database: Database) -> None:
    actor = enrolled(database)
    begun = _staff(database, "qian", "agent")
    with database.transaction() as session:
        assert service.staff_session(session, actor.token, now=actor.now) is None
        caller = service.caller_from_request(session, actor.token, None, now=actor.now)
        assert (caller.kind, caller.scopes) == ("borrower", {"A1", "A2"})
    with pytest.raises(service.StepUpNeeded):
        database.run(lambda s: service.begin_step_up(s, begun.session.id, {"kind": "x"}, now=actor.now))


def test_bad_accounts_are_refused(database: Database) -> None:
    now = clock.real_now()
    for name, password, staff_roles in (
        ("Capital", PASSWORD, ["agent"]),
        ("sun", "short", ["agent"]),
        ("sun", "x" * 129, ["agent"]),
        ("sun", PASSWORD, []),
        ("sun", PASSWORD, ["king"]),
    ):
        with pytest.raises(service.InvalidStaff):
            database.run(
                lambda s, n=name, p=password, r=staff_roles: service.create_staff(s, n, p, r, now=now)
            )
    database.run(lambda s: service.create_staff(s, "sun", PASSWORD, ["agent"], now=now))
    with pytest.raises(service.StaffNameTaken):
        database.run(lambda s: service.create_staff(s, "sun", PASSWORD, ["agent"], now=now))


def test_guessing_a_password_stops_and_an_unknown_name_answers_alike(database: Database) -> None:
    _staff(database, "zhou", "agent")
    now = clock.real_now()

    def guess(name: str) -> list[str]:
        answers = []
        for _ in range(7):
            try:
                database.run(
                    lambda s: service.staff_sign_in(s, name, "wrong wrong wrong", Browser("x"), now=now)
                )
            except (service.SignInRefused, service.TooManyAttempts) as error:
                answers.append(str(error.document("en")))
        return answers

    known, unknown = guess("zhou"), guess("nobody")
    # The first answers of the known name came after its one successful sign-in, which cleared the count.
    assert known == unknown
    assert len(set(known)) == 2


def test_roles_give_known_scopes_and_a_role_that_is_gone_gives_none() -> None:
    assert all(scope.split(":")[0] in roles.PACKAGES for scope in roles.SCOPES)
    assert roles.scopes_of(["gone"]) == frozenset()
    assert roles.scopes_of([]) == frozenset()


def test_service_keys(database: Database) -> None:
    now = clock.real_now()
    made = database.run(lambda s: service.create_api_key(s, "partner", ["lending:read"], now=now))

    def caller(header: str, at: object = now) -> object:
        return database.run(lambda s: service.caller_from_request(s, None, header, now=at))

    known = database.run(lambda s: service.api_key_caller(s, f"Bearer {made.key}", now=now))
    assert (known.kind, known.id, known.scopes) == ("service", made.id, {"lending:read"})
    assert made.key not in repr(made)
    swapped = made.key[:-1] + ("A" if made.key[-1] != "A" else "B")
    for header in ("", "Bearer", "Basic x", "Bearer x", f"Bearer {swapped}", f"Bearer {made.key}x", "Bearer tl_" + "0" * 32 + "_" + "A" * 43):  # fmt: skip
        with pytest.raises(service.ApiKeyRefused):
            caller(header)
    with pytest.raises(service.ApiKeyRefused):
        caller(f"Bearer {made.key}", now + timedelta(days=366))
    database.run(lambda s: service.revoke_api_key(s, made.id, now=now))
    with pytest.raises(service.ApiKeyRefused):
        caller(f"Bearer {made.key}")
    for name, scopes in (("", ["lending:read"]), ("x", []), ("x", ["everything"])):
        with pytest.raises(service.InvalidApiKey):
            database.run(lambda s, n=name, c=scopes: service.create_api_key(s, n, c, now=now))


def test_passwords_cost_what_they_should() -> None:
    stored = passwords.hashed(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.fits(stored, PASSWORD)
    assert not passwords.fits(stored, PASSWORD + "x")
    assert not passwords.fits(None, "nobody has this password")
    assert not passwords.fits("damaged", PASSWORD)
    started = time.process_time()
    passwords.fits(None, PASSWORD)
    unknown_s = time.process_time() - started
    assert unknown_s > 0.005  # an unknown name costs a hash as well
