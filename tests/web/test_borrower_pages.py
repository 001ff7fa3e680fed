"""From the application to the repayment, through the pages alone; and what the pages say in an outage."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.web.borrower.loans import offered_link
from web import scene
from web.browsing import PlainBrowser
from web.people import approve

Browsers = Callable[..., PlainBrowser]


def test_apply_read_sign(browser: PlainBrowser, database: Database) -> None:
    _, authenticator = scene.enrolled(browser)
    browser.open("/apply")
    browser.submit("/apply", **scene.APPLICATION)
    assert re.fullmatch(r"/applications/[0-9a-f-]{36}", browser.path)
    assert "3,000.00" in browser.page.text
    page = browser.path
    browser.submit(f"{page}/costs")
    assert "data-wait-s" in browser.page.text
    early = browser.submit(f"{page}/confirm")
    assert browser.page.status_code == 409
    assert 'role="alert"' in early
    scene.has_read(database)
    browser.open(page)
    browser.submit(f"{page}/confirm")
    fingerprint = re.search(r"[0-9a-f]{64}", browser.page.text)
    assert fingerprint
    contract = browser.send("GET", f"{page}/contract", None)
    assert contract.headers["content-security-policy"].startswith("default-src 'none'")
    unproved = browser.send("POST", f"{page}/sign", {"proof_id": ""})
    assert unproved.status_code == 403
    browser.open(page)
    approve(browser, f"{page}/sign", authenticator)
    assert browser.path == page
    assert browser.page.status_code == 200
    assert not [form for form in browser.forms() if form.action.endswith(("/sign", "/withdraw"))]


def test_wrong_numbers_are_named_at_their_fields(browser: PlainBrowser) -> None:
    scene.enrolled(browser)
    browser.open("/apply")
    browser.submit("/apply", **(scene.APPLICATION | {"principal": "much", "employment_months": "-1"}))
    assert browser.page.status_code == 422
    assert 'id="principal-error"' in browser.page.text
    assert 'id="employment_months-error"' in browser.page.text
    assert 'value="much"' in browser.page.text
    browser.submit("/apply", principal="3000", employment_months="40", installments="6", holder_name="李四")
    assert 'id="holder_name-error"' in browser.page.text
    # Nothing of a refused form is kept: no account, no application.
    assert 'name="payee_account"' not in browser.open("/apply")


def test_withdrawn_and_declined(browser: PlainBrowser, other: PlainBrowser) -> None:
    scene.enrolled(browser)
    browser.open("/apply")
    browser.submit("/apply", **scene.APPLICATION)
    assert browser.path in browser.open("/home")
    browser.open("/apply")
    browser.submit(f"{browser.path}/withdraw")
    assert browser.page.status_code == 200
    assert 'action="/apply"' in browser.open("/apply")
    scene.enrolled(other)
    other.open("/apply")
    other.submit("/apply", **(scene.APPLICATION | {"monthly_income": "900", "monthly_living": "900"}))
    assert 'href="/apply"' in other.page.text
    assert "<li>" in other.page.text


def test_the_loan_in_an_outage(story: scene.Story) -> None:
    browser = story.browser
    home = browser.open("/home")
    assert "第 1 期受保护。" in home
    assert f"/loans/{story.loan_id}" in home
    loan = browser.open(f"/loans/{story.loan_id}")
    assert "第 1 期受保护。" in loan
    assert loan.count("<tr><td>") == 6
    refused = browser.submit(f"/loans/{story.loan_id}/repay", amount="0")
    assert browser.page.status_code == 422
    assert 'id="amount-error"' in refused
    browser.submit(f"/loans/{story.loan_id}/repay", amount="100.50")
    assert browser.path.startswith("/pay/")
    assert "100.50" in browser.page.text


def test_pressing_repay_twice_orders_once(story: scene.Story) -> None:
    browser = story.browser
    browser.open(f"/loans/{story.loan_id}")
    fields = browser.form(f"/loans/{story.loan_id}/repay").fields | {"amount": "7"}
    first = browser.send("POST", f"/loans/{story.loan_id}/repay", fields)
    again = browser.send("POST", f"/loans/{story.loan_id}/repay", fields)
    changed = browser.send("POST", f"/loans/{story.loan_id}/repay", fields | {"amount": "8"})
    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    assert changed.status_code == 422  # the key belongs to the first amount


def test_messages_and_receipts(story: scene.Story) -> None:
    browser = story.browser
    inbox = browser.open("/inbox")
    first = re.search(r'href="(/inbox/[0-9a-f-]{36})"><b>', inbox)
    assert first
    message = browser.open(first[1])
    assert 'class="card pre"' in message
    assert f'{first[1]}"><b>' not in browser.open("/inbox")
    receipts = browser.open("/receipts")
    assert "合同已签署" in receipts
    assert "保护已给予" in receipts


def test_every_page_in_both_languages_and_light(story: scene.Story, browsers: Browsers) -> None:
    sheet = len(story.browser.open("/static/throughline.css").encode())
    for language, other in (("zh-CN", re.compile("[A-Za-z]{4,} [a-z]{2,} [a-z]{2,}")), ("en", None)):
        reader = browsers(language)
        reader.cookies |= {name: value for name, value in story.browser.cookies.items() if name != "lang"}
        paths = ["/home", f"/loans/{story.loan_id}", "/inbox", "/receipts", "/account", "/apply", "/enrol"]
        for path in [*paths, f"/applications/{story.application_id}"]:
            page = reader.open(path)
            assert reader.page.status_code == 200, path
            assert f'<html lang="{language}">' in page
            assert reader.page.headers["content-language"] == language
            assert reader.page.headers["cache-control"] == "no-store"
            # The budget of a first view is 30 KB compressed; this is uncompressed, with the sheet.
            assert len(page.encode()) + sheet < 30_000, path
            assert not re.search(r"<style|style=|<script(?! src)|\son\w+=", page), path
            if other:
                seen = re.sub(r"<[^>]*>", " ", page)
                assert not other.search(seen), f"{path}: {other.search(seen)}"


def test_another_borrowers_things_are_not_there(story: scene.Story, browser: PlainBrowser) -> None:
    scene.enrolled(browser)
    for path in (
        f"/loans/{story.loan_id}",
        f"/applications/{story.application_id}",
        f"/pay/{story.order_id}",
        f"/loans/{new_id()}",
        "/loans/1",
        "/inbox/x",
        "/no/such/page",
    ):
        answer = browser.client.get(path, headers={**browser._headers(), "Accept": "text/html"})
        assert answer.status_code == 404, path
        assert "<h1>" in answer.text, path
    assert browser.client.get("/api/v1/nothing").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["<b>王</b>", "王<script>", '王"onclick="x'])
def test_hostile_values_stay_text(browser: PlainBrowser, name: str) -> None:
    def harmless() -> None:
        page = browser.page.text
        assert browser.page.status_code == 422
        assert not re.search(r"<script>|<b>王|<img src=x|\"onclick=", page)
        assert "&lt;" in page

    browser.open("/register")
    browser.submit("/register", name=name, id_number=scene.HOSTILE, phone=scene.HOSTILE, email=scene.HOSTILE)
    harmless()
    scene.enrolled(browser)
    browser.open("/apply")
    typed = dict.fromkeys(scene.APPLICATION, scene.HOSTILE)
    browser.submit("/apply", **(typed | {"installments": "6", "holder_name": name}))
    harmless()


def test_the_way_back_never_leaves_this_site(browser: PlainBrowser) -> None:
    for evil in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert "evil" not in browser.open(f"/sign-in?next={evil}")
        answer = browser.send("POST", "/language", {"lang": "en", "back": evil})
        assert answer.headers["location"] == "/"


def test_the_page_offers_only_links_that_open_something() -> None:
    assert offered_link("weixin://wxpay/bizpayurl?pr=1", demo=False)
    assert offered_link("https://pay.example/1", demo=False)
    assert offered_link("http://localhost:8102/pay/1", demo=True)
    for code_url in ("http://localhost:8102/pay/1", "javascript:alert(1)", "data:text/html,x", "", None):
        assert not offered_link(code_url, demo=False)
