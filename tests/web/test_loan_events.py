"""The console's loan page and its event forms: try, see both sides, confirm, find it explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import Database
from throughline.lending import service as lending
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


@pytest.mark.parametrize("kind", ["charge", "reschedule", "re_age", "charge_off", "set_future_installments"])
def test_every_form_opens(admin: PlainBrowser, story: scene.Story, kind: str) -> None:
    page = admin.open(f"{_base(story)}/what-if?type={kind}")
    assert admin.page.status_code == 200
    assert f'value="{kind}" selected' in page


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
