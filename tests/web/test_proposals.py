"""The console's two people: one proposes by the form, the other sees what it would change and decides."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from support.loans import paid_out_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.lending import service as lending
from throughline.lending.models import ProposalRow
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]


@pytest.fixture(scope="module")
def first(database: Database, browsers: Browsers, story: scene.Story) -> PlainBrowser:
    del story
    return scene.staff(database, browsers("zh-CN"), "operations")


@pytest.fixture(scope="module")
def second(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers("en"), "operations")


@pytest.fixture(scope="module", autouse=True)
def _open_day(database: Database, story: scene.Story) -> None:
    """The open business day, which the story's timers have not moved by themselves."""

    def verb(session: Session) -> None:
        loan = lending.loan_view(session, story.loan_id)
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": loan.as_of})

    database.run(verb)


@pytest.fixture
def base(database: Database, story: scene.Story) -> str:
    """The page of another loan of the story's borrower."""

    loan_id = database.run(lambda session: paid_out_loan(session, story.borrower_id, days_ago=20))
    return f"/console/loans/{loan_id}"


def propose(browser: PlainBrowser, base: str, kind: str = "write_off", **typed: str) -> str:
    """Propose by the form; returns the path of the proposal."""
    browser.open(f"{base}/what-if?type={kind}")
    browser.submit(f"{base}/what-if", **typed)
    browser.submit(f"{base}/events", confirm="yes", reason="信件已收到", **typed)
    assert browser.path.startswith("/console/proposals/"), browser.page.text
    return browser.path


def types(database: Database, base: str) -> list[str]:
    loan_id = UUID(base.rsplit("/", 1)[1])
    with database.transaction() as session:
        return [row.type for row in lending.event_rows(session, loan_id, limit=50)]


def test_one_proposes_and_another_approves(
    database: Database, first: PlainBrowser, second: PlainBrowser, base: str
) -> None:
    path = propose(first, base)
    assert "这是您提交的申请" in first.page.text
    assert f'action="{path}/approve"' not in first.page.text
    assert "等待第二人复核" in first.open(base)
    assert f'href="{path}"' in first.page.text
    assert f'href="{path}"' in second.open("/console/proposals?state=waiting")
    page = second.open(path)
    assert "信件已收到" in page
    assert "Before" in page
    assert "Credit loss" in page
    assert types(database, base) == ["disbursement"]
    form = second.form(f"{path}/approve")
    unticked = second.send("POST", form.action, form.fields)
    assert unticked.status_code == 422
    page = second.submit(f"{path}/approve", confirm="yes")
    assert "approved and recorded" in page
    assert types(database, base) == ["disbursement", "write_off"]
    again = second.send("POST", form.action, {**form.fields, "confirm": "yes"})
    assert again.status_code == 303
    assert types(database, base) == ["disbursement", "write_off"]
    assert "approved by staff:" in second.open(base)


def test_a_refusal_needs_its_reason_beside_the_field(
    database: Database, first: PlainBrowser, second: PlainBrowser, base: str
) -> None:
    path = propose(first, base, "payout_refund", amount="12.50")
    page = second.open(path)
    assert "¥12.50" in page
    page = second.submit(f"{path}/refuse", reason="")
    assert second.page.status_code == 422
    assert re.search(r'name="reason"[^>]*aria-invalid="true" aria-describedby="refuse-error"', page)
    assert 'id="refuse-error">Give a reason' in page
    page = second.submit(f"{path}/refuse", reason="no such letter")
    assert "no such letter" in page
    assert "no such letter" in first.open(path)
    assert types(database, base) == ["disbursement"]


def test_a_proposal_without_a_reason_is_asked_for_it(first: PlainBrowser, base: str) -> None:
    first.open(f"{base}/what-if?type=charge_off")
    page = first.submit(f"{base}/what-if", fraud="yes")
    assert "提交复核？" in page
    page = first.submit(f"{base}/events", fraud="yes", confirm="yes", reason=" ")
    assert first.page.status_code == 422
    assert 'id="reason-error">请填写理由' in page
    assert "办理前与办理后" in page


def test_a_plain_charge_off_is_recorded_by_one(database: Database, first: PlainBrowser, base: str) -> None:
    first.open(f"{base}/what-if?type=charge_off")
    assert "提交复核？" not in first.submit(f"{base}/what-if")
    first.submit(f"{base}/events", confirm="yes")
    assert types(database, base) == ["disbursement", "charge_off"]


def test_what_was_proposed_may_be_taken_back(first: PlainBrowser, second: PlainBrowser, base: str) -> None:
    path = propose(first, base)
    assert "提交人已撤回" in first.submit(f"{path}/withdraw")
    assert f'action="{path}/' not in second.open(path)
    assert second.send("POST", f"{path}/approve", {"confirm": "yes"}).status_code == 409
    assert second.send("POST", f"{path}/steal", {}).status_code == 404


def test_a_proposal_that_fits_no_more_says_so(
    database: Database, first: PlainBrowser, second: PlainBrowser, base: str
) -> None:
    one, other = propose(first, base), propose(first, base)
    second.open(one)
    second.submit(f"{one}/approve", confirm="yes")
    page = second.open(other)
    assert "As the loan is now, this could not be recorded" in page
    page = second.submit(f"{other}/approve", confirm="yes")
    assert "approved, but could not be recorded" in page
    assert "It did not fit any more" in page
    assert types(database, base).count("write_off") == 1


def test_who_may_not_write_may_only_look(
    database: Database, browsers: Browsers, first: PlainBrowser, base: str
) -> None:
    path = propose(first, base)
    agent = scene.staff(database, browsers("en"), "agent")
    assert "Your role may not decide" in agent.open(path)
    assert agent.send("POST", f"{path}/approve", {"confirm": "yes"}).status_code == 403
    with database.transaction() as session:
        session.execute(
            update(ProposalRow)
            .where(ProposalRow.id == UUID(path.rsplit("/", 1)[1]))
            .values(expires_at=clock.now())
        )
    assert "waited too long" in agent.open(path)


def test_a_product_is_decided_on_the_same_page(database: Database, browsers: Browsers) -> None:
    admin = scene.staff(database, browsers("en"), "admin")

    def verb(session: Session) -> UUID:
        begins = lending.business_date(session) + timedelta(days=3)
        old = lending.product_version(session, "cash-cn", 1)
        document = {
            "name": old.name,
            "currency": "CNY",
            "terms": old.template,
            "limits": {
                "principal": ["500.00", "9000.00"],
                "installments": [3],
                "annual_rate_percent": ["6", "12"],
            },
        }
        new = lending.NewProduct("two-eyes", begins, document)
        return lending.propose_product(session, new, "for summer", by="service:maker", now=clock.now()).id

    path = f"/console/proposals/{database.run(verb)}"
    page = admin.open(path)
    assert "500.00 – 9000.00 CNY" in page
    page = admin.submit(f"{path}/approve", confirm="yes")
    assert "two-eyes v1" in page
