"""A loan's statement from the pages, without JavaScript: for its borrower and for staff."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from urllib.parse import urlencode

import pytest
from pypdf import PdfReader

from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]


@pytest.fixture(scope="module")
def admin(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers(), "admin")


def _take(browser: PlainBrowser, page: str, **typed: str) -> bytes:
    """What the form of a loan's page gives when it is sent as it stands, with `typed`."""
    browser.open(page)
    form = browser.form(f"{page}/statement")
    assert form.method == "get"
    sent = {name: value for name, value in form.fields.items() if name != "format"}
    answer = browser.send("GET", f"{form.action}?{urlencode(sent | typed)}", None)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith('attachment; filename="statement-')
    assert answer.headers["cache-control"] == "no-store"
    return answer.content


def test_the_borrower_takes_a_statement(story: scene.Story) -> None:
    page = f"/loans/{story.loan_id}"
    for typed in ({"format": "pdf"}, {"format": "pdf", "from": "", "to": ""}):
        pdf = _take(story.browser, page, **typed)
        text = "".join(one.extract_text() for one in PdfReader(BytesIO(pdf)).pages)
        for words in ("贷款对账单", "放款给您", "您享受的保护", str(story.loan_id)):
            assert words in text
    assert "放款给您" in _take(story.browser, page, format="csv").decode("utf-8-sig")


def test_staff_take_the_same_statement(admin: PlainBrowser, story: scene.Story) -> None:
    theirs = _take(admin, f"/console/loans/{story.loan_id}", format="pdf")
    assert theirs == _take(story.browser, f"/loans/{story.loan_id}", format="pdf")


def test_what_is_refused_is_said_on_a_page(admin: PlainBrowser, story: scene.Story) -> None:
    asked = (("from=2026-13-45", 422), ("to=2999-01-01", 422), ("format=doc", 422), ("to=2001-01-01", 409))
    for browser, page in ((story.browser, "/loans"), (admin, "/console/loans")):
        for query, status in asked:
            said = browser.open(f"{page}/{story.loan_id}/statement?{query}")
            assert browser.page.status_code == status
            assert "<h1>" in said
        browser.open(f"{page}/{new_id()}/statement")
        assert browser.page.status_code == 404


def test_nobody_else_gets_it(story: scene.Story, browser: PlainBrowser, other: PlainBrowser) -> None:
    browser.open(f"/loans/{story.loan_id}/statement")
    assert browser.path.startswith("/sign-in?next=")
    scene.enrolled(other)
    other.open(f"/loans/{story.loan_id}/statement")
    assert other.page.status_code == 404
    other.open(f"/console/loans/{story.loan_id}/statement")
    assert other.path.startswith("/console/sign-in")
