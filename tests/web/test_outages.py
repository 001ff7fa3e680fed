"""Outages through the pages alone: reported, objected to, decided, paid for by a code, called back; and incidents."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from support.jobs import drain
from support.loans import paid_out_loan
from throughline.continuity import service as continuity
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.parties import service as parties
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]
LIGHT_BYTES = 16_000
WHY = {"zh": "已核实。", "en": "Checked."}


@pytest.fixture(scope="module")
def staff(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers("en"), "operations")


@pytest.fixture(scope="module")
def colleague(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers("zh-CN"), "operations")


def late_borrower(database: Database, browser: PlainBrowser) -> tuple[UUID, UUID]:
    """Somebody signed in whose first installment fell due some nine days ago; returns borrower and loan."""
    person, _ = scene.enrolled(browser)
    drain(database, rounds=2, timers=False, hurry=False)

    def verb(session: Session) -> tuple[UUID, UUID]:
        borrower_id = parties.find_borrower(session, id_number=person.id_number)
        assert borrower_id is not None
        return borrower_id, paid_out_loan(session, borrower_id, days_ago=40)

    return database.run(verb)


def due_of(database: Database, loan_id: UUID) -> str:
    def verb(session: Session) -> str:
        return lending.loan_view(session, loan_id).installments[0].due_date.isoformat()

    return database.run(verb)


def case_of(database: Database, loan_id: UUID) -> tuple[UUID, str]:
    def verb(session: Session) -> tuple[UUID, str]:
        newest = continuity.protections_of_loan(session, loan_id)[0]
        return newest.id, newest.state

    return database.run(verb)


def test_a_report_is_taken_decided_about_and_objected_to(
    database: Database, browsers: Browsers, staff: PlainBrowser, colleague: PlainBrowser
) -> None:
    browser = browsers()
    _, loan_id = late_borrower(database, browser)
    assert 'href="/outages"' in browser.open("/home")
    page = browser.open("/outages")
    assert len(page.encode()) < LIGHT_BYTES
    assert "<script" not in page
    wrong = browser.submit("/outages", kind="phone_lost", **{"from": "gestern"})
    assert "请按“年-月-日”填写日期" in wrong
    due = due_of(database, loan_id)
    browser.open("/outages")
    done = browser.submit("/outages", kind="phone_lost", **{"from": due})
    assert "由您报告" in done
    assert "仅凭您的说明我们给予 3 天宽限" in done
    browser.open("/outages")
    second = browser.submit("/outages", kind="line_out", **{"from": due})
    assert "达到自动保护的上限" in second  # the second word in half a year goes to a person
    case_id, state = case_of(database, loan_id)
    assert state == "review"
    assert "正在人工审核" in browser.open(f"/loans/{loan_id}")

    assert f"/console/reviews/{case_id}" in staff.open("/console/reviews")
    staff.open(f"/console/reviews/{case_id}")
    refused = staff.submit(f"/console/reviews/{case_id}/refuse", zh="", en="Only one language")
    assert "in Chinese and in English" in refused
    staff.open(f"/console/reviews/{case_id}")
    staff.submit(f"/console/reviews/{case_id}/refuse", **WHY)
    assert case_of(database, loan_id)[1] == "refused"

    page = browser.open(f"/loans/{loan_id}")
    assert "我不同意" in page
    browser.submit(f"/protections/{case_id}/appeal", words="我有运营商的<b>证明</b>")
    assert "在此期间不上报不良记录" in browser.page.text
    assert "I answer" not in staff.open(f"/console/reviews/{case_id}")
    assert "You decided before" in staff.page.text  # not the same person again
    page = colleague.open(f"/console/reviews/{case_id}")
    assert "我有运营商的&lt;b&gt;证明&lt;/b&gt;" in page
    colleague.submit(f"/console/reviews/{case_id}/uphold", last_day=due, **WHY)
    assert case_of(database, loan_id)[1] in {"granted", "ended"}
    assert "已核实。" in browser.open(f"/loans/{loan_id}")


def test_a_grant_made_in_error_is_taken_back(
    database: Database, browsers: Browsers, staff: PlainBrowser
) -> None:
    browser = browsers()
    borrower_id, loan_id = late_borrower(database, browser)
    due = due_of(database, loan_id)

    def verb(session: Session) -> None:
        now = clock.now()
        continuity.record_outage(
            session, borrower_id, "suspended", from_at=now - timedelta(days=12), to_at=None,
            evidence="letter 7", by=borrower_id, now=now,
        )  # fmt: skip

    database.run(verb)
    case_id, state = case_of(database, loan_id)
    assert (state, due) == ("granted", due_of(database, loan_id))
    staff.open(f"/console/reviews/{case_id}")
    staff.submit(f"/console/reviews/{case_id}/revoke", **WHY)
    assert case_of(database, loan_id)[1] == "revoked"
    assert "保护已撤销" in browser.open(f"/loans/{loan_id}")


def test_anybody_pays_by_a_code_and_learns_nothing(database: Database, browsers: Browsers) -> None:
    browser, stranger = browsers(), browsers()
    _, loan_id = late_borrower(database, browser)
    browser.open(f"/loans/{loan_id}")
    page = browser.submit(f"/loans/{loan_id}/pay-codes")
    found = re.search(r'<p class="big mono">([0-9A-Z-]{19})</p>', page)
    assert found
    code = found[1]
    page = stranger.open("/p")
    assert len(page.encode()) < LIGHT_BYTES
    assert "<script" not in page
    assert "此码不存在或已停用" in stranger.submit("/p", code="0" * 16)
    stranger.open("/p")
    page = stranger.submit("/p", code=code.lower())
    assert "王小明" not in page
    assert str(loan_id) not in page
    assert code.lower() not in str(stranger.page.request.url)
    page = stranger.submit("/p/pay", amount="0")
    assert 'role="alert"' in page
    page = stranger.submit("/p/pay", amount="100.00")
    assert "¥100.00" in page
    assert str(loan_id) not in page
    assert 'action="/p/order"' in page
    page = browser.open(f"/loans/{loan_id}")
    assert f"…{code[-4:]}" in page
    action = next(form.action for form in browser.forms() if "/pay-codes/" in form.action)
    browser.submit(action)
    stranger.open("/p")
    assert "此码不存在或已停用" in stranger.submit("/p", code=code)


def test_a_call_is_asked_for_and_made(database: Database, browsers: Browsers, staff: PlainBrowser) -> None:
    browser = browsers()
    late_borrower(database, browser)
    browser.open("/callback")
    assert "请填写电话号码" in browser.submit("/callback", number="abc", topic="repay", best_time="any")
    browser.open("/callback")
    browser.submit("/callback", number="+86 139 8765 4321", topic="repay", best_time="morning")
    page = staff.open("/console/callbacks")
    assert "8765" not in page  # numbers are opened one by one
    path = re.findall(r'href="(/console/callbacks/[0-9a-f-]{36})"', page)[-1]
    assert "+86 139 8765 4321" in staff.open(path)
    staff.submit(f"{path}/reached")
    assert path not in staff.open("/console/callbacks")


def test_an_incident_is_opened_covered_and_ended(
    database: Database, browsers: Browsers, staff: PlainBrowser
) -> None:
    browser = browsers()
    _, loan_id = late_borrower(database, browser)
    staff.open("/console/incidents")
    assert "This incident is not possible" in staff.submit(
        "/console/incidents", what="carrier:network", began="2026-01-01T00:00"
    )
    staff.open("/console/incidents")
    assert "year-month-day" in staff.submit("/console/incidents", what="own:platform", began="soon")
    began = clock.local_date(clock.now(), settings().zone) - timedelta(days=12)
    staff.open("/console/incidents")
    page = staff.submit("/console/incidents", what="own:platform", began=f"{began}T08:00")
    assert "Our own service fails." in page
    path = staff.path
    drain(database, rounds=3, timers=False, hurry=False)
    assert case_of(database, loan_id)[1] == "granted"
    assert "我们的服务发生故障" in browser.open(f"/loans/{loan_id}")
    staff.open(path)
    staff.submit(f"{path}/end")
    drain(database, rounds=3, timers=False, hurry=False)
    assert case_of(database, loan_id)[1] == "ended"
    assert re.search(r"Loans protected</dt><dd>[1-9]", staff.open(path))


def test_the_policy_is_read_by_staff_and_its_clause_by_everybody(
    browsers: Browsers, staff: PlainBrowser
) -> None:
    page = staff.open("/console/policy")
    assert "LINE-2026-2" in page
    assert "outage-clause-1" in page
    page = browsers().open("/outage-clause")
    assert len(page.encode()) < LIGHT_BYTES
    assert "最长 90 日" in page
