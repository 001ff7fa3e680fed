"""From the signature to the money, through the bank simulator as a process; refused and returned payouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from origination.applicants import Applicant
from payments.support_servers import Simulator, answers, free_port, simulator, wait_for
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab.bank.keys import ensure_keys
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.origination import service
from throughline.origination.states import State
from throughline.origination.transitions import WrongState
from throughline.payments import jobs
from throughline.payments import service as payments


@pytest.fixture(scope="module")
def running_bank(home: Path, installation: Path, database_url: str) -> Iterator[Simulator]:
    """The bank as a process; this process knows where it is. Nobody hears its pushes: we ask."""
    ensure_keys(home)
    url = f"http://127.0.0.1:{free_port()}"
    environment = {
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_DATABASE_URL": database_url,
        "THROUGHLINE_DEMO": "1",
        "THROUGHLINE_PAYMENTS_BANK_URL": url,
        "THROUGHLINE_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }
    patch = pytest.MonkeyPatch()
    patch.setenv("THROUGHLINE_PAYMENTS_BANK_URL", url)
    patch.setenv("THROUGHLINE_PAYMENTS_CALL_TIMEOUT_S", "5")
    kernel_settings.forget()
    found = simulator("bank", url, environment)
    found.process.start()
    wait_for(lambda: answers(url))
    found.post("settings", settle_after_s=0).raise_for_status()
    yield found
    found.process.kill()
    patch.undo()
    kernel_settings.forget()


@pytest.fixture
def bank(running_bank: Simulator) -> Iterator[Simulator]:
    """Its faults are called off after each test."""
    yield running_bank
    running_bank.calm()


@pytest.fixture
def reaches(person: Applicant, run_jobs: Callable[..., int]) -> Callable[[UUID, State], None]:
    """Run jobs until the application stands there."""

    def wait(application_id: UUID, state: State) -> None:
        def check() -> bool:
            jobs.fetch_files(0)  # nobody hears the bank's pushes here, so its statements are fetched
            run_jobs(rounds=3)
            return person.read(application_id).state == state

        wait_for(check, within_s=30)

    return wait


def _out_ref(database: Database, person: Applicant, application_id: UUID) -> str:
    order_id = person.read(application_id).order_id
    assert order_id is not None
    with database.transaction() as session:
        reference = payments.order_view(session, order_id).out_ref
    assert reference is not None
    return reference


def test_the_money_arrives_once_and_the_loan_runs(
    database: Database, bank: Simulator, person: Applicant, reaches: Callable[[UUID, State], None]
) -> None:
    application_id, loan_id = person.signed()
    reaches(application_id, State.DISBURSED)
    reference = _out_ref(database, person, application_id)
    booked = [row for row in bank.rows("movements") if row["end_to_end_id"] == reference]
    assert [(row["side"], row["amount_minor"]) for row in booked] == [("DBIT", 300_000)]
    with database.transaction() as session:
        loan = lending.loan_view(session, loan_id)
        assert (loan.status, len(loan.installments)) == (LoanStatus.ACTIVE, 6)
    assert not person.read(application_id).is_open


def test_a_refused_payout_leaves_nothing_owed(
    database: Database, bank: Simulator, person: Applicant, reaches: Callable[[UUID, State], None]
) -> None:
    bank.fault("reject", reason="AC04")
    application_id, loan_id = person.signed()
    reaches(application_id, State.PAYOUT_FAILED)
    with database.transaction() as session:
        loan = lending.loan_view(session, loan_id)
        assert (loan.status, loan.outstanding_minor) == (LoanStatus.APPROVED, 0)
    assert person.read(application_id).is_open


def test_a_person_orders_it_again_and_it_arrives_once(
    database: Database, bank: Simulator, person: Applicant, reaches: Callable[[UUID, State], None]
) -> None:
    bank.fault("reject", reason="AC04")
    application_id, loan_id = person.signed()
    reaches(application_id, State.PAYOUT_FAILED)
    first = person.read(application_id).order_id
    assert first is not None

    def again(session: Session) -> None:
        service.order_payout_again(session, application_id, staff_id=None, now=clock.now())

    database.run(again)
    with pytest.raises(WrongState):
        database.run(again)
    # Late news of the refused order is not about the one that runs now.
    database.run(lambda s: service.on_payout_failed(s, person.id, loan_id, first, now=clock.now()))
    assert person.read(application_id).state == State.DISBURSING
    reaches(application_id, State.DISBURSED)
    assert person.read(application_id).order_id != first
    with database.transaction() as session:
        loan = lending.loan_view(session, loan_id)
    assert loan.status is LoanStatus.ACTIVE
    with pytest.raises(WrongState):
        database.run(again)


def test_a_payout_that_comes_back_days_later(
    database: Database, bank: Simulator, person: Applicant, reaches: Callable[[UUID, State], None]
) -> None:
    application_id, loan_id = person.signed()
    reaches(application_id, State.DISBURSED)
    later = person.apply()  # meanwhile the borrower has begun another
    reference = _out_ref(database, person, application_id)
    bank.post("return", end_to_end_id=reference, reason="AC04").raise_for_status()
    reaches(application_id, State.PAYOUT_FAILED)
    assert not person.read(application_id).is_open  # the place is the other's
    assert person.read(later).is_open
    with database.transaction() as session:
        assert lending.loan_view(session, loan_id).outstanding_minor == 0


def test_news_of_a_payout_twice_changes_nothing(database: Database, person: Applicant) -> None:
    application_id, loan_id = person.signed()
    order_id = person.read(application_id).order_id
    assert order_id is not None
    for _ in range(2):
        database.run(lambda s: service.on_disbursed(s, person.id, loan_id, now=clock.now()))
    assert person.history(application_id)[-2:] == ["disbursing", "disbursed"]
    for _ in range(2):
        database.run(lambda s: service.on_payout_failed(s, person.id, loan_id, order_id, now=clock.now()))
    assert person.history(application_id)[-2:] == ["disbursed", "payout_failed"]
    assert person.read(application_id).is_open
