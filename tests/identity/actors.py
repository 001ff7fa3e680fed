"""Borrowers for tests, enrolled through the public verbs; every verb in a committed transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pyotp
from sqlalchemy.orm import Session

from parties.newcomers import new_person
from throughline.identity import service
from throughline.identity.service import Browser, LoginSession, SignedIn
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.parties.purposes import Purpose
from throughline.parties.records import NewPerson

ORIGIN = "http://localhost:8000"
EVIDENCE = {"channel": "test", "text_version": "1"}
T = TypeVar("T")


@dataclass
class Actor:
    """A borrower with what they hold. `now` is the wall clock of the verbs; tests move it."""

    database: Database
    person: NewPerson
    id: UUID
    now: datetime
    authenticator: SoftwareAuthenticator = field(default_factory=SoftwareAuthenticator)
    login: LoginSession | None = None
    token: str = ""
    device_token: str | None = None
    seed: str = ""
    codes: list[str] = field(default_factory=list)

    def run(self, verb: Callable[[Session], T]) -> T:
        return self.database.run(verb)

    def here(self) -> LoginSession:
        assert self.login is not None
        return self.login

    def enrol_passkey(self, proof_id: UUID | None = None) -> service.Enrolled:
        begun = self.run(lambda s: service.begin_passkey(s, self.here(), now=self.now, proof_id=proof_id))
        response = self.authenticator.create(begun.options, ORIGIN)
        done = self.run(
            lambda s: service.finish_passkey(
                s, self.here(), begun.challenge_id, response, label="Test", now=self.now
            )
        )
        return self._took(done)

    def enrol_totp(self, proof_id: UUID | None = None) -> service.Enrolled:
        app = self.run(lambda s: service.begin_totp(s, self.here(), now=self.now, proof_id=proof_id))
        self.seed = app.seed
        done = self.run(
            lambda s: service.confirm_totp(
                s, self.here(), app.authenticator_id, self.app_code(), now=self.now
            )
        )
        return self._took(done)

    def save_codes(self, proof_id: UUID | None = None) -> list[str]:
        self.codes = self.run(
            lambda s: service.create_recovery_codes(s, self.here(), now=self.now, proof_id=proof_id)
        )
        return self.codes

    def app_code(self, at: datetime | None = None) -> str:
        return pyotp.TOTP(self.seed).at(at or self.now)

    def later(self, **parts: float) -> datetime:
        self.now += timedelta(**parts)
        return self.now

    def sign_in(self, browser: Browser | None = None) -> SignedIn:
        begun = self.run(lambda s: service.begin_sign_in(s, now=self.now))
        response = self.authenticator.get(begun.options, ORIGIN)
        return self._began(
            self.run(
                lambda s: service.finish_sign_in(
                    s, begun.challenge_id, response, browser or Browser("Test"), now=self.now
                )
            )
        )

    def sign_in_with_codes(
        self,
        app_code: str,
        recovery_code: str | None = None,
        browser: Browser | None = None,
        identifier: str = "",
    ) -> SignedIn:
        return self._began(
            self.run(
                lambda s: service.sign_in_with_codes(
                    s,
                    identifier or self.person.phone,
                    app_code,
                    recovery_code,
                    browser or Browser("Test"),
                    now=self.now,
                )
            )
        )

    def begin_step_up(self, action: dict[str, Any]) -> service.StepUpChallenge:
        return self.run(lambda s: service.begin_step_up(s, self.here().id, action, now=self.now))

    def approve(self, action: dict[str, Any]) -> service.ActionProof:
        begun = self.begin_step_up(action)
        response = self.authenticator.get(begun.options, ORIGIN)
        return self.run(lambda s: service.finish_step_up(s, begun.id, response, now=self.now))

    def _took(self, done: service.Enrolled) -> service.Enrolled:
        if done.signed_in:
            self._began(done.signed_in)
        return done

    def _began(self, signed_in: SignedIn) -> SignedIn:
        self.login, self.token = signed_in.session, signed_in.session_token
        self.device_token = signed_in.device_token or self.device_token
        return signed_in


def newcomer(database: Database, **given: str) -> Actor:
    """A person who has just registered and holds the short session."""
    now = clock.real_now()
    person = new_person(**given)
    borrower_id = database.run(
        lambda s: service.register(
            s, person, [Purpose.IDENTITY, Purpose.CONTACT], EVIDENCE, now=now, real_now=now
        )
    )
    actor = Actor(database, person, borrower_id, now)
    actor.login, actor.token = database.run(
        lambda s: service.begin_enrolment(s, borrower_id, device="Test", now=now)
    )
    return actor


def enrolled(database: Database, **given: str) -> Actor:
    """A borrower with passkey, code app and recovery codes, in the session of the enrolment."""
    actor = newcomer(database, **given)
    actor.enrol_passkey()
    actor.enrol_totp()
    actor.save_codes()
    return actor
