"""From the landing page to an account that survives the loss of line and phone, without JavaScript."""

from __future__ import annotations

import time

import pyotp

from parties.newcomers import new_person
from web.browsing import PlainBrowser
from web.people import add_code_app, add_passkey, approve, register, save_codes, seed_on, sign_in


def test_public_pages_are_small_bilingual_and_load_nothing_from_elsewhere(browser: PlainBrowser) -> None:
    sheet = browser.open("/static/throughline.css")
    for path in ("/", "/help", "/register", "/sign-in"):
        page = browser.open(path)
        assert browser.page.status_code == 200
        assert '<html lang="zh-CN">' in page
        assert len((page + sheet).encode()) < 14_000, path
        assert "<style" not in page
        assert "style=" not in page
        assert "http://" not in page
        assert "https://" not in page
    assert "script-src 'self'" in browser.page.headers["content-security-policy"]
    browser.open("/help")
    english = browser.submit("/language")
    assert browser.path == "/help"
    assert '<html lang="en">' in english


def test_registration_names_the_wrong_field_and_keeps_the_rest(browser: PlainBrowser) -> None:
    register(browser, id_number="110105199001150000")
    page = browser.page.text
    assert browser.page.status_code == 422
    assert 'aria-invalid="true"' in page
    assert 'id="id_number-error"' in page
    assert 'value="王小明"' in page


def test_registration_sent_twice_opens_one_account(browser: PlainBrowser) -> None:
    person = new_person()
    browser.open("/register")
    fields = browser.form("/register").fields | {
        "name": person.name, "id_number": person.id_number, "phone": person.phone, "email": person.email,
        "consent_identity_verification": "yes",
    }  # fmt: skip
    first = browser.send("POST", "/register", fields)
    again = browser.send("POST", "/register", fields)
    assert first.status_code == 303, first.text
    assert again.status_code == 303, again.text
    assert first.headers["location"] == again.headers["location"] == "/enrol"
    assert "set-cookie" in again.headers


def test_another_site_cannot_post_our_forms(browser: PlainBrowser) -> None:
    answer = browser.client.post("/register", data={"name": "x"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "<h1>" in answer.text


def test_passkey_code_app_and_recovery_codes(browser: PlainBrowser) -> None:
    register(browser)
    assert browser.path == "/enrol"
    assert "✗" in browser.page.text
    add_passkey(browser)
    codes = save_codes(browser)
    assert "✗" not in browser.page.text
    assert len(set(codes)) == 10
    add_code_app(browser)
    assert 'class="note"' in browser.page.text


def test_code_app_first_and_a_wrong_code(browser: PlainBrowser) -> None:
    register(browser)
    page = browser.submit("/enrol/totp")
    seed = seed_on(page)
    assert "data:image/svg+xml" in page
    browser.submit("/enrol/totp/confirm", code="000000")
    assert browser.page.status_code == 422
    assert seed not in browser.page.text
    browser.submit("/enrol/totp/confirm", code=pyotp.TOTP(seed).now())
    assert browser.path == "/enrol"
    assert browser.page.status_code == 200


def test_sign_in_with_codes_on_a_new_browser(browser: PlainBrowser, other: PlainBrowser) -> None:
    person = register(browser)
    seed = add_code_app(browser)
    codes = save_codes(browser)
    other.open("/account")
    assert other.path == "/sign-in?next=/account"
    other.submit("/sign-in", identifier=person.id_number, totp="123456", recovery_code=codes[0])
    assert other.page.status_code == 401
    assert person.id_number in other.page.text
    # The step that confirmed the app is used up; the next one is within the tolerated drift.
    ahead = pyotp.TOTP(seed).at(int(time.time()) + 30)
    other.submit("/sign-in", identifier=person.id_number, totp=ahead, recovery_code=codes[0])
    assert other.path == "/account"
    assert other.page.status_code == 200


def test_account_ends_other_sessions_and_changes_consents(browser: PlainBrowser) -> None:
    register(browser)
    add_passkey(browser)
    page = browser.open("/account")
    assert "138****" in page
    browser.submit("/account/consents/service_continuity")
    assert 'value="yes"' in browser.page.text.split("/account/consents/service_continuity")[1][:400]
    browser.submit("/account/consents/service_continuity")
    assert 'value="no"' in browser.page.text.split("/account/consents/service_continuity")[1][:400]
    assert browser.open("/account?after=nonsense")
    assert browser.page.status_code == 404


def test_signing_out_ends_the_session(browser: PlainBrowser) -> None:
    register(browser)
    add_passkey(browser)
    browser.open("/account")
    kept = dict(browser.cookies)
    browser.submit("/sign-out")
    assert browser.path == "/"
    browser.cookies = kept
    browser.open("/account")
    assert browser.path == "/sign-in?next=/account"


def test_later_a_way_in_is_added_only_with_an_approval(browser: PlainBrowser) -> None:
    register(browser)
    authenticator = add_passkey(browser)
    browser.open("/account")
    browser.submit("/sign-out")
    browser.open("/sign-in")
    sign_in(browser, authenticator)
    browser.open("/enrol")
    refused = browser.send("POST", "/enrol/recovery-codes", {})
    assert refused.status_code == 403
    page = approve(browser, "/enrol/recovery-codes", authenticator)
    assert page.count("<li>") == 10
    browser.open("/enrol")
    approve(browser, "/enrol/passkey", authenticator)
    add_passkey(browser)
    assert browser.open("/account").count("Program") >= 2
