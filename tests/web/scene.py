"""A story for the pages: through the borrower's own forms up to the signature, then what the outside would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from parties.newcomers import new_person
from support.jobs import drain
from throughline.continuity import service as continuity
from throughline.identity import service as identity
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.lending import service as lending
from throughline.line import service as line
from throughline.line.signals import Signal
from throughline.origination import service as origination
from throughline.parties.records import NewPerson
from web.browsing import PlainBrowser
from web.people import add_passkey, approve, register, save_codes, sign_in

PASSWORD = "correct horse battery"
HOSTILE = "<script>alert(1)</script>\"'><img src=x>"
APPLICATION = {
    "principal": "3000",
    "installments": "6",
    "monthly_income": "12,000",
    "monthly_debt": "1000",
    "monthly_living": "3000",
    "employment_months": "40",
    "holder_name": "王小明",
    "bank_code": "ICBC",
    "account_number": "6222021234567890123",
}
# Means that the scorecard leaves to a person.
UNSURE = {
    "monthly_income": "5000",
    "monthly_debt": "1500",
    "monthly_living": "1500",
    "employment_months": "6",
}
STOPPED = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended"}
WORKS = {"voiceSmsIn": "active", "voiceSmsOut": "active"}


@dataclass
class Story:
    """Who and what there is after it was played."""

    browser: PlainBrowser
    person: NewPerson
    authenticator: SoftwareAuthenticator
    borrower_id: UUID
    application_id: UUID
    loan_id: UUID
    order_id: UUID
    line_id: UUID
    episode_id: UUID = field(default_factory=new_id)


def play(database: Database, browser: PlainBrowser) -> Story:
    """The whole story; business time is a month later at its end."""
    person, authenticator = enrolled(browser)
    sign_contract(database, browser, authenticator)
    drain(database, rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        found = origination.applications(session, borrower_id=None, after=None, limit=1)[0]
        assert found.loan_id
        assert found.order_id
        (watched,) = line.lines_of(session, found.borrower_id)
    told = Story(
        browser, person, authenticator, found.borrower_id, found.id, found.loan_id, found.order_id,
        watched.line_id,
    )  # fmt: skip
    pay_out(database, told)
    clock.move_demo_forward(timedelta(days=28))
    hear(database, told, ("camara.subscription-status", WORKS))
    clock.move_demo_forward(timedelta(hours=5))
    hear(database, told, ("carrier.push", STOPPED))
    clock.move_demo_forward(timedelta(hours=1))
    hear(database, told, ("camara.subscription-status", STOPPED))
    drain(database, rounds=4, timers=False, hurry=False)
    with database.transaction() as session:
        (episode,) = continuity.episodes_page(session, borrower_id=told.borrower_id, after=None, limit=5)
    told.episode_id = episode.id
    browser.open("/sign-in")
    sign_in(browser, authenticator)
    return told


def enrolled(browser: PlainBrowser, **given: str) -> tuple[NewPerson, SoftwareAuthenticator]:
    """Registered, with a passkey and recovery codes."""
    person = register(browser, new_person(**given))
    authenticator = add_passkey(browser)
    save_codes(browser)
    return person, authenticator


def sign_contract(database: Database, browser: PlainBrowser, authenticator: SoftwareAuthenticator) -> None:
    """Apply, read the costs for as long as the law asks, sign."""
    browser.open("/apply")
    browser.submit("/apply", **APPLICATION)
    page = browser.path
    browser.submit(f"{page}/costs")
    has_read(database)
    browser.submit(f"{page}/confirm")
    approve(browser, f"{page}/sign", authenticator)


def has_read(database: Database) -> None:
    """The reading time is over: measured by the wall clock, so the showing is moved back instead."""
    database.run(
        lambda session: session.execute(
            text("UPDATE contract_showing SET shown_at = shown_at - interval '1 hour'")
        )
    )


def pay_out(database: Database, told: Story) -> None:
    """What happens when the bank has paid."""

    def verb(session: Session) -> None:
        loan = lending.loan_view(session, told.loan_id)
        lending.record_event(
            session,
            told.loan_id,
            lending.NewEvent(
                type=lending.EventType.DISBURSEMENT,
                value_date=lending.business_date(session),
                amount_minor=loan.principal_minor,
                idempotency_key="test-payout",
            ),
            now=clock.now(),
        )

    database.run(verb)
    drain(database, rounds=3, timers=False, hurry=False)


def hear(database: Database, told: Story, *words: tuple[str, dict[str, str]]) -> None:
    """What the carrier's words about the line do: each a source and its attributes."""
    now = clock.now()
    signals = [Signal(now, source, "carrier", None, said) for source, said in words]
    database.run(lambda session: line.ingest(session, told.line_id, signals, now=now))


def staff(database: Database, browser: PlainBrowser, *roles: str) -> PlainBrowser:
    """Sign a new member of the staff in through the form."""
    name = f"staff-{new_id()}"[:40]
    database.run(lambda session: identity.create_staff(session, name, PASSWORD, roles, now=clock.real_now()))
    browser.open("/console/sign-in")
    browser.submit("/console/sign-in", name=name, password=PASSWORD)
    assert browser.page.status_code == 200, browser.page.text
    return browser
