"""Applicants for tests: enrolled borrowers with consents and an account, through the public verbs."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from identity.actors import Actor, newcomer
from throughline.contracts import service as contracts
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.origination import service
from throughline.origination.models import Application
from throughline.origination.states import State
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.payments import service as payments
from throughline.risk import service as risk

GOOD = risk.ApplicationFacts(1_200_000, 100_000, 300_000, 40)
UNSURE = risk.ApplicationFacts(500_000, 150_000, 150_000, 6)  # the scorecard leaves it to a person
POOR = risk.ApplicationFacts(100_000, 0, 0, 30)
PRINCIPAL_MINOR = 300_000


@dataclass
class Applicant:
    """A borrower on the way to a loan. Reading time passes by moving `now` of the verb, never by waiting."""

    actor: Actor
    account_id: UUID

    @property
    def id(self) -> UUID:
        return self.actor.id

    def wish(self, facts: risk.ApplicationFacts = GOOD, **changes: Any) -> service.NewApplication:
        values: dict[str, Any] = {
            "product_code": "cash-cn",
            "principal_minor": PRINCIPAL_MINOR,
            "installments": 6,
            "payee_account_id": self.account_id,
            "facts": facts,
        }
        return service.NewApplication(**(values | changes))

    def body(self, facts: risk.ApplicationFacts = GOOD, **changes: Any) -> dict[str, Any]:
        """The same wish as JSON."""
        wish = self.wish(facts)
        return {
            "product_code": wish.product_code,
            "principal_minor": wish.principal_minor,
            "installments": wish.installments,
            "payee_account_id": str(wish.payee_account_id),
            **asdict(facts),
        } | changes

    def start(self, facts: risk.ApplicationFacts = GOOD, **changes: Any) -> UUID:
        return self.actor.run(
            lambda s: service.start(s, self.id, self.wish(facts, **changes), now=clock.now())
        )

    def submit(self, application_id: UUID) -> State:
        return self.actor.run(lambda s: service.submit(s, self.id, application_id, now=clock.now()))

    def apply(self, facts: risk.ApplicationFacts = GOOD) -> UUID:
        application_id = self.start(facts)
        self.submit(application_id)
        return application_id

    def open_costs(self, application_id: UUID) -> contracts.Showing:
        return self.actor.run(
            lambda s: service.show_costs(
                s, self.id, application_id, locale="zh-CN", device="Test", now=clock.now(),
                real_now=clock.real_now(),
            )
        )  # fmt: skip

    def confirm(self, application_id: UUID, at: datetime) -> UUID:
        return self.actor.run(
            lambda s: service.confirm_costs(s, self.id, application_id, now=clock.now(), real_now=at)
        )

    def read_costs(self, application_id: UUID) -> UUID:
        shown = self.open_costs(application_id)
        return self.confirm(application_id, shown.shown_at + timedelta(seconds=shown.min_read_s))

    def action(self, application_id: UUID) -> dict[str, Any]:
        return self.actor.run(lambda s: service.signing_action(s, self.id, application_id))

    def approve(self, action: dict[str, Any]) -> UUID:
        return self.actor.approve(action).id

    def sign(self, application_id: UUID, proof_id: UUID) -> UUID:
        return self.actor.run(
            lambda s: service.sign(
                s, self.id, application_id, proof_id=proof_id, now=clock.now(), real_now=clock.real_now()
            )
        )

    def signed(self) -> tuple[UUID, UUID]:
        """All the way to the signature: ids of application and loan."""
        application_id = self.apply()
        self.read_costs(application_id)
        return application_id, self.sign(application_id, self.approve(self.action(application_id)))

    def read(self, application_id: UUID) -> Application:
        return self.actor.run(lambda s: service.application(s, self.id, application_id))

    def history(self, application_id: UUID) -> list[str]:
        return [step.new for step in self.actor.run(lambda s: service.steps(s, application_id))]


def applicant(
    database: Database, *, consents: tuple[Purpose, ...] = (Purpose.CREDIT,), factors: bool = True
) -> Applicant:
    """A registered borrower with an account; with consents and factors unless left out."""
    actor = newcomer(database)
    if factors:
        actor.enrol_passkey()
        actor.enrol_totp()
        actor.save_codes()

    def prepare(session: Session) -> UUID:
        parties.give_consents(session, actor.id, consents, {"channel": "test"}, now=clock.now())
        number = f"622202{secrets.randbelow(10**13):013d}"
        return payments.add_payee_account(
            session, actor.id, actor.person.name, number, "ICBC", now=clock.now()
        )

    return Applicant(actor, database.run(prepare))
