"""The console's loan page and its event forms: try, see both sides, confirm, find it explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import get_args
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from support.loans import usual_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.lending import service as lending
from throughline.lending.event_bodies import EventBody
from throughline.lending.history import EventType
from throughline.web.console import event_fields
from throughline.web.console.event_fields import FIELDS
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]


@pytest.fixture(scope="module")
def admin(database: Database, browsers: Browsers, story: scene.Story) -> PlainBrowser:
    del story
    return scene.staff(database, browsers(), "admin")


@pytest.fixture(scope="module")
def late(database: Database, story: scene.Story) -> str:
    """Five days before the open business day, which the story's timers have not moved by themselves."""

    def verb(session: Session) -> date:
        loan = lending.loan_view(session, story.loan_id)
        session.execute(text("UPDATE lending_business_day SET open_day = :day"), {"day": loan.as_of})
        return loan.as_of

    return str(database.run(verb) - timedelta(days=5))


def _base(story: scene.Story) -> str:
    return f"/console/loans/{story.loan_id}"


def test_a_late_repayment_is_tried_confirmed_and_explained(
    admin: PlainBrowser, story: scene.Story, late: str
) -> None:
    base = _base(story)
    assert f'href="{base}/what-if"' in admin.open(base)
    admin.open(f"{base}/what-if")
    page = admin.submit(f"{base}/what-if", value_date=late, amount="123.45")
    assert admin.page.status_code == 200
    assert "办理前与办理后" in page
    assert "将于" in page
    assert "¥123.45" not in admin.open(base)
    admin.open(f"{base}/what-if")
    admin.submit(f"{base}/what-if", value_date=late, amount="123.45")
    form = admin.form(f"{base}/events")
    refused = admin.send("POST", form.action, {**form.fields, "type": "repayment"})
    assert refused.status_code == 422  # the box was not ticked
    page = admin.submit(f"{base}/events", confirm="yes")
    assert "¥123.45" in page
    assert "晚了 5 天" in page
    again = admin.send("POST", form.action, {**form.fields, "confirm": "yes"})
    assert again.status_code == 303  # the same key: nothing is done again
    assert admin.open(base).count("· 还款 · ¥123.45") == 1
    undo = re.search(rf'href="({base}/what-if\?type=reversal&amp;target=[0-9a-f-]+)"', admin.page.text)
    assert undo
    assert " selected" in admin.open(undo[1].replace("&amp;", "&"))


@pytest.mark.parametrize("kind", list(FIELDS))
def test_every_form_opens(admin: PlainBrowser, story: scene.Story, kind: EventType) -> None:
    page = admin.open(f"{_base(story)}/what-if?type={kind.value}")
    assert admin.page.status_code == 200
    assert f'value="{kind.value}" selected' in page


def test_the_form_has_what_the_api_takes() -> None:
    """Every type of body, and every member of it, or the staff would need a program for it."""
    bodies = [getattr(one, "__origin__", one) for one in get_args(get_args(EventBody)[0])]
    form = {"amount_minor": {"amount"}, "repay_every": {"repay_count", "repay_unit"}}
    found = set()
    for body in bodies:
        members = set(body.model_fields) - {"type", "value_date", "reason"}
        wanted = set().union(*(form.get(name, {name}) for name in members))
        for kind in get_args(body.model_fields["type"].annotation):
            assert set(FIELDS[EventType(kind)]) == wanted, kind
            found.add(EventType(kind))
    assert found == set(FIELDS)
    assert {name for fields in FIELDS.values() for name in fields} <= set(event_fields.LABELS)


@pytest.fixture
def halfway(database: Database, story: scene.Story) -> str:
    """A loan of which a part is paid out, before its first due date."""

    def verb(session: Session) -> str:
        start = lending.business_date(session) - timedelta(days=3)
        loan_id = lending.open_loan(session, usual_loan(story.borrower_id, start), now=clock.now())
        payout = lending.NewEvent(EventType.DISBURSEMENT, start, "first", amount_minor=100_000)
        lending.record_event(session, loan_id, payout, now=clock.now())
        return f"/console/loans/{loan_id}"

    return database.run(verb)


def _record(browser: PlainBrowser, base: str, kind: str, **typed: str) -> str:
    """Try an event by its form and confirm it; returns the page of the loan."""
    browser.open(f"{base}/what-if?type={kind}")
    browser.submit(f"{base}/what-if", **typed)
    assert browser.page.status_code == 200, browser.page.text
    return browser.submit(f"{base}/events", confirm="yes")


@pytest.mark.usefixtures("late")
def test_a_further_payout_and_new_terms_of_every_kind(
    database: Database, admin: PlainBrowser, halfway: str
) -> None:
    assert "¥500.00" in _record(admin, halfway, "disbursement", amount="500")
    _record(admin, halfway, "reschedule", interest_free="2", extra_installments="1")
    loan_id = UUID(halfway.rsplit("/", 1)[1])
    with database.transaction() as session:
        loan = lending.loan_view(session, loan_id)
        assert loan.installments[0].due[1] == 0
        first = loan.as_of + timedelta(days=14)
    _record(
        admin,
        halfway,
        "re_age",
        first_due_date=str(first),
        installments="3",
        repay_count="2",
        repay_unit="weeks",
    )
    with database.transaction() as session:
        rows = [row for row in lending.loan_view(session, loan_id).installments if row.due_date >= first]
    assert [row.due_date for row in rows] == [first + timedelta(days=14 * nr) for nr in range(3)]


@pytest.mark.parametrize(
    ("language", "kind", "typed", "field", "words"),
    [
        ("en", "disbursement", {"amount": "1.234"}, "amount", "Enter an amount above 0"),
        ("zh-CN", "disbursement", {"amount": "900000"}, "amount", "不得超过"),
        ("en", "re_age", {"installments": "3", "first_due_date": "2031-01-01", "repay_count": "2"}, "repay_unit",
         "Choose one of these"),
        ("zh-CN", "re_age", {"installments": "3", "first_due_date": "2031-01-01", "repay_unit": "weeks"},
         "repay_count", "请输入整数"),
        ("en", "reschedule", {"interest_free": "many"}, "interest_free", "Enter a whole number"),
        ("en", "reschedule", {"annual_rate_percent": "2000"}, "annual_rate_percent", "Enter a percentage"),
        ("zh-CN", "chargeback", {"amount": "5", "target": "x"}, "target", "请选择其中一项"),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_beside_its_field(
    database: Database, browsers: Browsers, halfway: str, language: str, kind: str, typed: dict[str, str],
    field: str, words: str,
) -> None:  # fmt: skip
    staff = scene.staff(database, browsers(language), "operations")
    staff.open(f"{halfway}/what-if?type={kind}")
    page = staff.submit(f"{halfway}/what-if", **typed)
    assert staff.page.status_code == 422
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true" aria-describedby="f-{field}-error"', page)
    (said,) = re.findall(rf'<p class="error" id="f-{field}-error">([^<]*)</p>', page)
    assert words in said


def test_wrong_input_is_shown_at_its_field(admin: PlainBrowser, story: scene.Story, late: str) -> None:
    base = _base(story)
    admin.open(f"{base}/what-if")
    page = admin.submit(f"{base}/what-if", amount="lots")
    assert admin.page.status_code == 422
    assert re.search(r'name="amount"[^>]*aria-invalid="true"', page)
    admin.open(f"{base}/what-if?type=recovery")
    page = admin.submit(f"{base}/what-if", amount="5", value_date=late)
    assert admin.page.status_code == 422
    assert 'role="alert"' in page


def test_who_may_not_write_may_only_try(database: Database, browsers: Browsers, story: scene.Story) -> None:
    agent = scene.staff(database, browsers("en"), "agent")
    base = _base(story)
    agent.open(f"{base}/what-if?type=pay_off")
    page = agent.submit(f"{base}/what-if")
    assert "Before and after" in page
    assert f'action="{base}/events"' not in page
    assert agent.send("POST", f"{base}/events", {"confirm": "yes"}).status_code == 403
    assert 'id="journal"' not in agent.open(base)
