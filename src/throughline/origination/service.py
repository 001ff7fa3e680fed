"""The verbs of origination: apply, see the costs, sign, get the money. One transaction each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.contracts import service as contracts
from throughline.identity import service as identity
from throughline.kernel import clock, crypto
from throughline.kernel.errors import Conflict, Forbidden
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import cancel_timer
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.origination import drafts, gates, notices, offers, payout
from throughline.origination.models import Application
from throughline.origination.payout import order_again as order_payout_again
from throughline.origination.referral import decide_referred
from throughline.origination.states import State
from throughline.origination.transitions import ApplicationUnknown, WrongState, move, record, take
from throughline.origination.views import (
    application,
    application_of_staff,
    applications,
    decision_document,
    last_reason,
    steps,
)
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.payments import service as payments
from throughline.risk import service as risk

__all__ = [
    "AnotherOpen",
    "ApplicationUnknown",
    "ConsentMissing",
    "FactorsMissing",
    "NewApplication",
    "WrongState",
    "application",
    "application_of_staff",
    "applications",
    "confirm_costs",
    "decide_referred",
    "decision_document",
    "expire",
    "last_reason",
    "on_disbursed",
    "on_payout_failed",
    "order_payout_again",
    "show_costs",
    "sign",
    "signing_action",
    "start",
    "steps",
    "submit",
    "withdraw",
]

NEEDED_CONSENTS = (Purpose.IDENTITY, Purpose.CREDIT, Purpose.CONTACT)


class ConsentMissing(Forbidden):
    """A consent without which an application can't be looked at."""

    code = "consent-missing"
    title = N_("Please give the consent %(purpose)s first")


class FactorsMissing(Conflict):
    """The borrower could not get back in if the line stopped."""

    code = "factors-missing"
    title = N_("Please set up a second way to sign in that works without your phone line")


class AnotherOpen(Conflict):
    """One open application at a time."""

    code = "application-open"
    title = N_("You have an open application already")


@dataclass(frozen=True, slots=True)
class NewApplication:
    """What a borrower asks for and tells of their means. Amounts in minor units, a month each."""

    product_code: str
    principal_minor: int
    installments: int
    payee_account_id: UUID
    facts: risk.ApplicationFacts
    channel: str = "web"


def start(session: Session, borrower_id: UUID, new: NewApplication, *, now: datetime) -> UUID:
    """Begin an application as a draft; returns its id.

    Raises AnotherOpen, OutsideProduct and ProductUnknown of lending, UnknownAccount of payments, FactsInvalid of risk.
    """
    new.facts.check()
    # Amount and term are checked at the dearest rate: an application that no offer can follow is not begun.
    terms = drafts.terms_of(
        session, new.product_code, new.principal_minor, new.installments, risk.highest_rate_percent()
    )
    if new.payee_account_id not in {one.id for one in payments.payee_accounts(session, borrower_id)}:
        raise payments.UnknownAccount
    application_id = new_id()
    place = _facts_place(application_id)
    # At most one open application for a borrower: the unique index decides between two starts at once.
    added = session.execute(
        insert(Application)
        .values(
            borrower_id=borrower_id,
            id=application_id,
            state=State.DRAFT,
            is_open=True,
            channel=new.channel,
            product_code=new.product_code,
            requested_minor=new.principal_minor,
            currency=terms.currency,
            installments=new.installments,
            facts=crypto.seal(session, borrower_id, place, json.dumps(asdict(new.facts))),
            payee_account_id=new.payee_account_id,
            expires_at=now + offers.OPEN_FOR,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["borrower_id"], index_where=text("is_open"))
        .returning(Application.id)
    ).first()
    if added is None:
        raise AnotherOpen
    application = take(session, borrower_id, application_id)
    record(session, application, None, State.DRAFT, bilingual(N_("The application was begun.")), now=now)
    offers.expire_later(session, application)
    return application_id


def submit(session: Session, borrower_id: UUID, application_id: UUID, *, now: datetime) -> State:
    """Hand the application in: consents and factors are checked, rules and scorecard decide; returns the state.

    Raises ConsentMissing, FactorsMissing, WrongState.
    """
    application = take(session, borrower_id, application_id, State.DRAFT)
    for purpose in NEEDED_CONSENTS:
        if not parties.has_consent(session, borrower_id, purpose):
            raise ConsentMissing(ConsentMissing.title, purpose=purpose.value)
    if not identity.factors(session, borrower_id).survives_line_loss:
        raise FactorsMissing
    move(session, application, State.DECIDING, bilingual(N_("The application was handed in.")), now=now)
    person = parties.person_facts(session, borrower_id, Purpose.CREDIT, now=now, reader="origination")
    decision = risk.decide(
        session,
        borrower_id,
        _facts(session, application),
        principal_minor=application.requested_minor,
        installment_minor=drafts.highest_installment_minor(session, application),
        age_years=risk.age_on(person.birth_date, clock.local_date(now, settings().zone)),
        now=now,
    )
    application.decision_id = decision.id
    gate = gates.decision(session, application, decision, now=now)
    if decision.outcome == "decline" or gate.outcome == "block":
        move(
            session,
            application,
            State.DECLINED,
            bilingual(
                N_(
                    "The application was declined; the reasons stand beside it. You may ask for a person to look at it."
                )
            ),
            now=now,
        )
    elif decision.outcome == "refer":
        move(
            session,
            application,
            State.REFERRED,
            bilingual(N_("A person will look at the application.")),
            now=now,
        )
    else:
        if decision.annual_rate_percent is None:
            raise RuntimeError("an approval has its price")
        offers.make(
            session,
            application,
            principal_minor=min(application.requested_minor, decision.limit_minor),
            annual_rate_percent=decision.annual_rate_percent,
            now=now,
        )
    notices.tell(session, application, "decision_made", f"decision:{application.id}", now=now)
    return State(application.state)


def show_costs(
    session: Session,
    borrower_id: UUID,
    application_id: UUID,
    *,
    locale: str,
    device: str,
    channel: str = "web",
    now: datetime,
    real_now: datetime,
) -> contracts.Showing:
    """Show the cost table: starts the reading time. Showing it again starts anew and voids a confirmation."""
    application = take(session, borrower_id, application_id, State.OFFERED, State.SIGNING)
    if application.state == State.SIGNING:
        move(session, application, State.OFFERED, bilingual(N_("The costs were opened again.")), now=now)
        application.contract_id = None
    if application.cost_table_id is None:
        raise RuntimeError("an offered application has a cost table")
    showing = contracts.show_cost_table(
        session,
        borrower_id,
        application.cost_table_id,
        channel=channel,
        locale=locale,
        device=device,
        now=real_now,
    )
    application.showing_id = showing.id
    return showing


def confirm_costs(
    session: Session, borrower_id: UUID, application_id: UUID, *, now: datetime, real_now: datetime
) -> UUID:
    """The borrower has read the costs: the contract is drafted; returns its id.

    Raises what `contracts` raises when the reading time is not over.
    """
    application = take(session, borrower_id, application_id, State.OFFERED)
    if application.showing_id is None or application.cost_table_id is None or application.offer is None:
        raise Conflict(N_("Please open the cost table first"))
    contracts.confirm_cost_table(session, borrower_id, application.showing_id, now=real_now)
    account = next(
        one for one in payments.payee_accounts(session, borrower_id) if one.id == application.payee_account_id
    )
    contract = contracts.draft_contract(
        session,
        borrower_id,
        application.showing_id,
        contracts.Payee(account.bank_code, account.last_four),
        agreed_on=lending.business_date(session),
        now=now,
    )
    application.contract_id = contract.id
    move(session, application, State.SIGNING, bilingual(N_("The costs were read and confirmed.")), now=now)
    return contract.id


def signing_action(session: Session, borrower_id: UUID, application_id: UUID) -> dict[str, Any]:
    """What the borrower's factor signs: it names the contract by the hash of its bytes."""
    found = application(session, borrower_id, application_id)
    if found.state != State.SIGNING:
        raise WrongState(found.state)
    if found.contract_id is None:
        raise RuntimeError("an application that is being signed has a contract")
    return contracts.signing_action(session, borrower_id, found.contract_id)


def sign(
    session: Session,
    borrower_id: UUID,
    application_id: UUID,
    *,
    proof_id: UUID,
    now: datetime,
    real_now: datetime,
) -> UUID:
    """Sign: the contract is concluded, the loan opened and the payout ordered, together; returns the loan's id.

    Raises what `identity` raises for a proof that is old, used or of another action, and Conflict when a
    rule of today forbids the signature or the payout.
    """
    application = take(session, borrower_id, application_id, State.SIGNING)
    if application.contract_id is None or application.offer is None:
        raise RuntimeError("an application that is being signed has a contract and an offer")
    action = contracts.signing_action(session, borrower_id, application.contract_id)
    proof = identity.require_proof(session, proof_id, borrower_id, identity.action_hash(action), now=real_now)
    gates.require(gates.pre_sign(session, application, now=now))
    gates.require(gates.payout(session, application, now=now))
    contracts.sign_contract(session, borrower_id, application.contract_id, proof, now=now)
    offer = application.offer
    loan_id = lending.open_loan(
        session,
        lending.NewLoan(
            borrower_id=borrower_id,
            product_code=application.product_code,
            principal_minor=offer["principal_minor"],
            currency=application.currency,
            installments=offer["installments"],
            annual_rate_percent=Decimal(offer["annual_rate_percent"]),
            agreed_on=lending.business_date(session),
            contract_id=application.contract_id,
            zone=settings().zone,
            agreed_charges=("penalty_interest",),
        ),
        now=now,
    )
    application.loan_id = loan_id
    application.order_id = payout.order(session, application, loan_id, now=now)
    cancel_timer(session, offers.EXPIRY_TIMER, str(application.id))
    move(
        session,
        application,
        State.DISBURSING,
        bilingual(N_("The contract is signed; the payout is on its way.")),
        now=now,
    )
    notices.tell(session, application, "contract_copy", f"contract-copy:{application.id}", now=now)
    return loan_id


def withdraw(session: Session, borrower_id: UUID, application_id: UUID, *, now: datetime) -> None:
    """The borrower gives up the application before it is signed."""
    application = take(session, borrower_id, application_id)
    move(session, application, State.WITHDRAWN, bilingual(N_("You withdrew the application.")), now=now)
    cancel_timer(session, offers.EXPIRY_TIMER, str(application.id))


def expire(session: Session, borrower_id: UUID, application_id: UUID, *, now: datetime) -> bool:
    """End an application whose time is over; False if it moved on or its time was extended."""
    application = session.get(Application, (borrower_id, application_id), with_for_update=True)
    if application is None or now < application.expires_at:
        return False
    if application.state not in {State.DRAFT, State.REFERRED, State.OFFERED, State.SIGNING}:
        return False
    move(
        session,
        application,
        State.EXPIRED,
        bilingual(N_("The offer was open for seven days and has ended.")),
        now=now,
    )
    return True


def on_disbursed(session: Session, borrower_id: UUID, loan_id: UUID, *, now: datetime) -> None:
    """The money has arrived."""
    application = _by_loan(session, borrower_id, loan_id)
    if application is None or application.state != State.DISBURSING:
        return
    move(session, application, State.DISBURSED, bilingual(N_("The money has reached your account.")), now=now)
    notices.tell(session, application, "payout_sent", f"payout-sent:{application.id}", now=now)


def on_payout_failed(
    session: Session, borrower_id: UUID, loan_id: UUID, order_id: UUID, *, now: datetime
) -> None:
    """The bank refused the payout or sent it back: the contract stands, a person acts.

    News of an order that another one has replaced changes nothing.
    """
    application = _by_loan(session, borrower_id, loan_id)
    if application is None or application.state not in {State.DISBURSING, State.DISBURSED}:
        return
    if application.order_id != order_id:
        return
    move(
        session,
        application,
        State.PAYOUT_FAILED,
        bilingual(N_("The bank could not pay into your account. You owe nothing; please check the account.")),
        now=now,
    )


def _by_loan(session: Session, borrower_id: UUID, loan_id: UUID) -> Application | None:
    return session.scalars(
        select(Application)
        .where(Application.borrower_id == borrower_id, Application.loan_id == loan_id)
        .with_for_update()
    ).one_or_none()


def _facts(session: Session, application: Application) -> risk.ApplicationFacts:
    facts = crypto.open_sealed(
        session, application.borrower_id, _facts_place(application.id), application.facts
    )
    return risk.ApplicationFacts(**json.loads(facts))


def _facts_place(application_id: UUID) -> str:
    return f"origination_application|{application_id}|facts"
