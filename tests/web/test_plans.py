"""Plans with the carrier through the pages alone: what is offered, accepting, ending; and the staff's page."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from line_joint.lines import BRIDGE, DATA
from support.jobs import drain
from support.loans import paid_out_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.line import service as line
from throughline.line.joint import views
from throughline.line.models import Line
from throughline.parties import service as parties
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]
LIGHT_BYTES = 16_000  # a page over 2G (some 4 kB/s) in four seconds, uncompressed


def _in_need(database: Database, browser: PlainBrowser, state: str) -> UUID:
    """Somebody signed in with a loan whose line is in a state; returns the borrower's id."""
    person, _ = scene.enrolled(browser)
    drain(database, rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        borrower_id = parties.find_borrower(session, id_number=person.id_number)
        assert borrower_id is not None
        (watched,) = line.lines_of(session, borrower_id)
        row = session.get_one(Line, (borrower_id, watched.line_id))
        row.state, row.probability = state, "0.9900"
        paid_out_loan(session, borrower_id, days_ago=5)
    return borrower_id


def test_shown_accepted_looked_at_and_ended(database: Database, browser: PlainBrowser) -> None:
    borrower_id = _in_need(database, browser, "out_suspended")
    home = browser.open("/home")
    assert 'href="/plans"' in home
    assert "500 MB 专属流量" in home
    page = browser.open("/plans")
    assert len(page.encode()) < LIGHT_BYTES
    assert "<script" not in page
    assert page.count('name="consent"') == 2
    assert "示范移动通信" in page
    assert "费用由我们承担，您不用付钱。" in page
    form = next(one for one in browser.forms() if one.fields.get("offer_id") == DATA)
    assert "consent" not in form.fields  # nothing is ticked beforehand
    without = browser.send("POST", "/plans", form.fields)
    assert without.status_code == 403
    assert 'role="alert"' in without.text
    done = browser.send("POST", "/plans", form.fields | {"consent": "yes"})
    assert done.status_code == 303
    twice = browser.send("POST", "/plans", form.fields | {"consent": "yes"})
    assert twice.headers["location"] == done.headers["location"]
    page = browser.open(done.headers["location"])
    assert "办理中" in page
    assert len(page.encode()) < LIGHT_BYTES
    with database.transaction() as session:
        assert len(views.grants(session, borrower_id=borrower_id)) == 1
    again = browser.open("/plans")
    assert 'name="consent"' not in again  # asked once
    assert "您已办理此项服务" in again
    browser.open(done.headers["location"])
    page = browser.submit(f"{done.headers['location']}/end")
    assert "您已终止该服务。" in page
    english = browser.cookies | {"lang": "en"}
    browser.cookies = english
    assert "You ended it." in browser.open(done.headers["location"])


def test_what_can_not_help_says_why(database: Database, browser: PlainBrowser) -> None:
    _in_need(database, browser, "suspended")
    page = browser.open("/plans")
    offered = {form.fields.get("offer_id") for form in browser.forms()} - {None}
    assert offered == {BRIDGE}
    assert "双停的号码没有流量服务" in page
    assert "这笔钱您以后还给运营商" in page
    hidden = next(one for one in browser.forms() if one.fields.get("offer_id") == BRIDGE).fields
    refused = browser.send("POST", "/plans", hidden | {"offer_id": DATA, "consent": "yes"})
    assert refused.status_code == 409
    assert "双停的号码没有流量服务" in refused.text
    for wrong in ({"offer_id": "NO"}, {"line_id": "x"}):
        assert browser.send("POST", "/plans", hidden | wrong | {"consent": "yes"}).status_code == 404


def test_a_line_in_order_is_not_bothered(database: Database, browser: PlainBrowser) -> None:
    _in_need(database, browser, "active")
    assert "保住号码" not in browser.open("/home")
    page = browser.open("/plans")
    assert "您的号码目前没有可办理的服务。" in page
    assert not [form for form in browser.forms() if form.action == "/plans"]


@pytest.fixture
def grant(database: Database, browser: PlainBrowser) -> UUID:
    _in_need(database, browser, "suspended")
    browser.open("/plans")
    form = next(one for one in browser.forms() if one.fields.get("offer_id") == BRIDGE)
    path = browser.send("POST", "/plans", form.fields | {"consent": "yes"}).headers["location"]
    return UUID(path.rsplit("/", 1)[1])


def test_another_persons_plan_is_not_there(grant: UUID, other: PlainBrowser) -> None:
    scene.enrolled(other)
    other.open(f"/plans/{grant}")
    assert other.page.status_code == 404
    assert other.send("POST", f"/plans/{grant}/end", {}).status_code == 404


def test_staff_see_offers_grants_cost_and_what_came(
    database: Database, browsers: Browsers, grant: UUID
) -> None:
    staff = scene.staff(database, browsers(), "agent")
    page = staff.open("/console/joint")
    assert staff.page.status_code == 200
    assert "SIM-DATA-500" in page
    assert f"/console/joint/{grant}" in page
    assert "没有随机对照组" in page or "尚无办理记录" in page
    assert f"/console/joint/{grant}" in staff.open("/console/joint?state=requested")
    assert f"/console/joint/{grant}" not in staff.open("/console/joint?state=ended")
    page = staff.open(f"/console/joint/{grant}")
    assert re.search(r"joint-[0-9a-f-]{36}", page)
    with database.transaction() as session:
        session.execute(text("UPDATE line_joint_grant SET next_step_at = NULL WHERE id = :id"), {"id": grant})
    assert "已不再自动查询" in staff.open(f"/console/joint/{grant}")
    staff.submit(f"/console/joint/{grant}/ask")
    assert "已不再自动查询" not in staff.page.text
    reader = scene.staff(database, browsers(), "compliance")
    reader.open(f"/console/joint/{grant}")
    assert not [form for form in reader.forms() if form.action.endswith("/ask")]
    assert reader.send("POST", f"/console/joint/{grant}/ask", {}).status_code == 403


def test_withdrawing_under_account_ends_it(database: Database, browser: PlainBrowser, grant: UUID) -> None:
    browser.open("/account")
    browser.submit("/account/consents/joint_plan")
    # The pages of others do not wait for the carrier: the handler asks for the end, the job tells it.
    with database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'line.joint_step'"))
    drain(database, rounds=1, timers=False, hurry=False)
    with database.transaction() as session:
        found = views.grant(session, grant)
    assert (found.state, found.code) == ("refused", "consent_withdrawn")
    assert found.requested_at <= clock.now()
