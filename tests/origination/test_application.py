"""An application by the verbs: what is asked, what is refused, what a person may decide, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from origination.applicants import POOR, UNSURE, Applicant, applicant
from throughline.compliance import service as compliance
from throughline.contracts import service as contracts
from throughline.identity import service as identity
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.origination import service
from throughline.origination.models import Application
from throughline.origination.states import MOVES, OPEN, State, may_move
from throughline.parties.purposes import Purpose
from throughline.payments import service as payments
from throughline.risk import service as risk

REASON = {"zh-CN": "收入证明已核实。", "en": "Proof of income was checked."}


def _decide(database: Database, application_id: UUID, *, approve: bool) -> Application:
    return database.run(
        lambda s: service.decide_referred(
            s, application_id, approve=approve, reason=REASON, staff_id=uuid4(), now=clock.now()
        )
    )


def test_every_end_is_an_end_and_every_open_state_leads_to_one() -> None:
    ends = {state for state, moves in MOVES.items() if not moves}
    assert ends == {State.DECLINED, State.WITHDRAWN, State.EXPIRED}
    assert not ends & OPEN
    for state in State:
        reached = {state}
        while grown := {new for old in reached for new in MOVES[old]} - reached:
            reached |= grown
        assert state in ends or reached & (ends | {State.DISBURSED})
        assert not may_move(state, State.DRAFT)


def test_from_application_to_loan_in_one_transaction(database: Database, person: Applicant) -> None:
    application_id = person.start()
    assert person.submit(application_id) is State.OFFERED
    found = person.read(application_id)
    assert found.offer is not None
    assert found.offer["principal_minor"] == 300_000
    contract_id = person.read_costs(application_id)
    action = person.action(application_id)
    loan_id = person.sign(application_id, person.approve(action))
    found = person.read(application_id)
    assert (found.state, found.contract_id, found.loan_id) == (State.DISBURSING, contract_id, loan_id)
    assert person.history(application_id) == ["draft", "deciding", "offered", "signing", "disbursing"]
    with database.transaction() as session:
        loan = lending.loan_view(session, loan_id)
        assert (loan.status, loan.contract_id) == (LoanStatus.APPROVED, contract_id)
        assert found.order_id is not None
        order = payments.order_view(session, found.order_id)
        assert (order.amount_minor, order.source) == (300_000, lending.source_of(loan_id))
        gates = [
            one.gate for one in compliance.decisions_of(session, subject=f"application:{application_id}")
        ]
        assert sorted(gates) == ["decision", "offer", "payout", "pre_sign"]
        published = session.scalars(
            select(OutboxEvent.payload)
            .where(OutboxEvent.aggregate_id == application_id)
            .order_by(OutboxEvent.seq)
        ).all()
        assert [payload["new"] for payload in published] == person.history(application_id)
    assert b"1200000" not in found.facts


def test_the_means_are_sealed_and_input_that_cannot_be_meant_is_refused(person: Applicant) -> None:
    with pytest.raises(risk.FactsInvalid):
        person.start(risk.ApplicationFacts(-1, 0, 0, 0))
    with pytest.raises(lending.OutsideProduct):
        person.start(principal_minor=49_999)
    with pytest.raises(lending.OutsideProduct):
        person.start(installments=7)
    with pytest.raises(lending.ProductUnknown):
        person.start(product_code="nothing")
    with pytest.raises(payments.UnknownAccount):
        person.start(payee_account_id=uuid4())


def test_another_borrowers_account_and_application_are_unknown(person: Applicant, other: Applicant) -> None:
    with pytest.raises(payments.UnknownAccount):
        person.start(payee_account_id=other.account_id)
    theirs = other.apply()
    with pytest.raises(service.ApplicationUnknown):
        person.submit(theirs)
    with pytest.raises(service.ApplicationUnknown):
        person.open_costs(theirs)
    with pytest.raises(service.ApplicationUnknown):
        person.actor.run(lambda s: service.withdraw(s, person.id, theirs, now=clock.now()))


def test_of_many_starts_at_once_one_is_open(database: Database, person: Applicant) -> None:
    def start(_: int) -> bool:
        try:
            person.start()
        except service.AnotherOpen:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(start, range(12))) == 1
    with database.transaction() as session:
        assert len(service.applications(session, borrower_id=person.id, after=None, limit=50)) == 1


def test_consents_and_factors_come_first(database: Database) -> None:
    unasked = applicant(database, consents=())
    with pytest.raises(service.ConsentMissing) as caught:
        unasked.apply()
    assert caught.value.params["purpose"] == Purpose.CREDIT.value
    lonely = applicant(database, factors=False)
    with pytest.raises(service.FactorsMissing):
        lonely.apply()
    assert unasked.history(_newest(database, unasked)) == ["draft"]


def _newest(database: Database, who: Applicant) -> UUID:
    with database.transaction() as session:
        return service.applications(session, borrower_id=who.id, after=None, limit=1)[0].id


def test_a_decline_says_why_and_frees_the_place(database: Database, person: Applicant) -> None:
    application_id = person.apply(POOR)
    found = person.read(application_id)
    assert found.state == State.DECLINED
    assert found.decision_id is not None
    with database.transaction() as session:
        assert [one.code for one in risk.decision(session, person.id, found.decision_id).reasons] == [
            "KO-INCOME"
        ]
    with pytest.raises(service.WrongState):
        person.open_costs(application_id)
    assert person.read(person.apply()).state == State.OFFERED


def test_the_costs_need_their_reading_time(person: Applicant) -> None:
    application_id = person.apply()
    with pytest.raises(Exception, match="cost table first"):
        person.confirm(application_id, clock.real_now())
    shown = person.open_costs(application_id)
    with pytest.raises(contracts.NotReadYet):
        person.confirm(application_id, shown.shown_at + timedelta(seconds=shown.min_read_s - 1))
    later = person.open_costs(application_id)  # opened again: the time begins again
    with pytest.raises(contracts.NotReadYet):
        person.confirm(application_id, shown.shown_at + timedelta(seconds=shown.min_read_s - 1))
    assert later.shown_at > shown.shown_at
    assert person.read(application_id).state == State.OFFERED


def test_opening_the_costs_again_voids_contract_and_approval(person: Applicant) -> None:
    application_id = person.apply()
    person.read_costs(application_id)
    proof_id = person.approve(person.action(application_id))
    person.open_costs(application_id)
    assert person.read(application_id).contract_id is None
    with pytest.raises(service.WrongState):
        person.action(application_id)
    person.read_costs(application_id)
    with pytest.raises(identity.ProofRefused):  # it approved the bytes of the contract before
        person.sign(application_id, proof_id)
    assert person.read(application_id).loan_id is None


def test_only_an_own_fresh_proof_of_this_contract_signs(person: Applicant, other: Applicant) -> None:
    application_id = person.apply()
    person.read_costs(application_id)
    theirs = other.apply()
    other.read_costs(theirs)
    of_another = other.approve(other.action(theirs))
    of_another_act = person.approve(other.action(theirs))
    for proof_id in (of_another, of_another_act, uuid4()):
        with pytest.raises(identity.ProofRefused):
            person.sign(application_id, proof_id)
    mine = person.approve(person.action(application_id))
    person.sign(application_id, mine)
    with pytest.raises(service.WrongState):
        person.sign(application_id, mine)
    with pytest.raises(identity.ProofRefused):  # used up, also for whoever signs the same bytes elsewhere
        person.actor.run(
            lambda s: identity.require_proof(
                s, mine, person.id, identity.action_hash(other.action(theirs)), now=clock.real_now()
            )
        )


def test_of_two_signatures_at_once_one_counts(database: Database, person: Applicant) -> None:
    application_id = person.apply()
    person.read_costs(application_id)
    proof_id = person.approve(person.action(application_id))

    def sign(_: int) -> bool:
        try:
            person.sign(application_id, proof_id)
        except (service.WrongState, identity.ProofRefused):
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sign, range(4))) == 1
    with database.transaction() as session:
        assert len(lending.loans_of(session, person.id)) == 1


def test_an_offer_expires_by_its_timer_and_not_before(
    database: Database, person: Applicant, run_jobs: Callable[..., int], demo_clock: Callable[..., timedelta]
) -> None:
    application_id = person.apply()
    assert not database.run(lambda s: service.expire(s, person.id, application_id, now=clock.now()))
    demo_clock(days=7, minutes=1)
    run_jobs(rounds=3, hurry=False)
    assert person.read(application_id).state == State.EXPIRED
    with pytest.raises(service.WrongState):
        person.open_costs(application_id)
    person.start()  # the place is free again


def test_a_signed_application_does_not_expire(database: Database, person: Applicant) -> None:
    application_id, _ = person.signed()
    at = clock.now() + timedelta(days=30)
    assert not database.run(lambda s: service.expire(s, person.id, application_id, now=at))
    assert person.read(application_id).state == State.DISBURSING


def test_withdrawal_ends_it_until_the_signature(database: Database, person: Applicant) -> None:
    application_id = person.apply()
    person.read_costs(application_id)
    proof_id = person.approve(person.action(application_id))
    database.run(lambda s: service.withdraw(s, person.id, application_id, now=clock.now()))
    with pytest.raises(service.WrongState):
        person.sign(application_id, proof_id)
    signed, _ = person.signed()
    with pytest.raises(service.WrongState):
        database.run(lambda s: service.withdraw(s, person.id, signed, now=clock.now()))


def test_a_person_approves_what_the_scorecard_left_open(database: Database, person: Applicant) -> None:
    application_id = person.apply(UNSURE)
    assert person.read(application_id).state == State.REFERRED
    decided = _decide(database, application_id, approve=True)
    assert decided.state == State.OFFERED
    assert decided.offer is not None
    assert decided.offer["annual_rate_percent"] == str(risk.highest_rate_percent())
    with database.transaction() as session:
        assert service.last_reason(session, application_id) == REASON
    with pytest.raises(service.WrongState):
        _decide(database, application_id, approve=False)
    person.read_costs(application_id)
    person.sign(application_id, person.approve(person.action(application_id)))


def test_a_person_declines_with_a_reason(database: Database, person: Applicant) -> None:
    application_id = person.apply(UNSURE)
    assert _decide(database, application_id, approve=False).state == State.DECLINED
    with database.transaction() as session:
        assert service.last_reason(session, application_id) == REASON
    with pytest.raises(service.ApplicationUnknown):
        _decide(database, uuid4(), approve=True)
