"""The story of a suspended line in a real Chromium, in both languages; pictures of it stay in artifacts/story."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from system.chromium import DESK, PHONE, Window, chromium
from system.installation import Installation
from throughline.lab.story import suspended_line as story
from throughline.lab.story.people import invent
from throughline.lab.story.stage import Stage, set_up

pytestmark = [pytest.mark.system, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_story_is_played_on_the_pages(
    browser: Browser, platform: Installation, language: str, tmp_path: Path
) -> None:
    stage = set_up(platform.url, language, platform.home, invent())
    phone = Window(browser, platform.url, language, "1-phone", PHONE)
    library = Window(browser, platform.url, language, "2-library", DESK)
    console = Window(browser, platform.url, language, "3-console", DESK)

    _register(phone, stage)
    stage.until("the line is watched", lambda: stage.staff.get("/lines", borrower_id=stage.borrower_id))
    _apply_and_sign(phone, stage)
    list(story.pay_out(stage))
    list(story.reach_the_due_date(stage))
    phone.open(f"/loans/{stage.loan_id}")
    assert phone.page.locator("tbody tr").count() == 6
    phone.picture("loan")

    list(story.suspend(stage))
    phone.open("/home")
    phone.until(".note")
    phone.picture("protected")
    list(story.tell(stage))
    phone.open("/inbox")
    phone.page.locator('a[href^="/inbox/"]').first.click()
    phone.picture("message")

    library.take_passkeys(phone.passkeys())
    _repay_elsewhere(library, stage, tmp_path)

    stage.first.continue_as(library.cookies())
    list(story.line_returns(stage))
    library.open(f"/loans/{stage.loan_id}")
    library.picture("line-is-back")

    _look_back(console, stage, platform.home)
    list(story.look_back(stage))
    stage.close()
    assert (phone.errors, library.errors, console.errors) == ([], [], [])
    assert "Traceback" not in platform.said()


def _register(phone: Window, stage: Stage) -> None:
    person = stage.person
    phone.open("/")
    phone.picture("landing")
    phone.open("/register")
    wrong = person.id_number[:-1] + ("0" if person.id_number[-1] != "0" else "1")
    phone.type(name=person.name, id_number=wrong, phone=person.phone, email=person.email)
    for box in phone.page.locator('input[type="checkbox"]').all():
        box.check()
    phone.send('form[action="/register"]')
    assert phone.page.locator('[aria-invalid="true"]').count() == 1  # the checksum, beside its field
    phone.picture("wrong-id-number")
    phone.type(id_number=person.id_number)
    phone.send('form[action="/register"]')
    phone.send('form[data-passkey="register"]')
    assert len(phone.passkeys()) == 1
    phone.send('form[action="/enrol/recovery-codes"]')
    assert phone.page.locator("li").count() >= 10
    phone.picture("recovery-codes")
    phone.page.locator('input[type="checkbox"]').check()
    phone.send('form[action="/enrol"]')
    phone.picture("ways-in")
    stage.first.continue_as(phone.cookies())
    stage.borrower_id = stage.first.get("/me")["borrower_id"]


def _apply_and_sign(phone: Window, stage: Stage) -> None:
    phone.open("/apply")
    phone.page.locator('input[name="installments"][value="6"]').check()
    phone.type(
        principal="3000",
        monthly_income="12000",
        monthly_debt="1000",
        monthly_living="3000",
        employment_months="40",
        holder_name=stage.person.name,
        bank_code="ICBC",
        account_number=stage.person.account,
    )
    phone.picture("application")
    phone.send('form[action="/apply"]')
    stage.application_id = phone.page.url.rsplit("/", 1)[1]
    phone.picture("decision")
    phone.send('form[action$="/costs"]')
    confirm = phone.page.locator('form[action$="/confirm"] button')
    assert confirm.is_disabled()
    phone.picture("costs")
    phone.send('form[action$="/confirm"]')  # Playwright waits until the forced reading time is over
    phone.picture("signing")
    phone.send('form[action$="/sign"]')
    loan = phone.page.locator('a[href^="/loans/"]').first.get_attribute("href")
    assert loan is not None
    stage.loan_id = loan.rsplit("/", 1)[1]
    phone.picture("signed")


def _repay_elsewhere(library: Window, stage: Stage, folder: Path) -> None:
    library.open("/sign-in")
    library.send('form[data-passkey="use"]')
    library.open("/home")
    assert library.page.locator(".note").count() >= 1
    library.picture("signed-in-without-the-line")
    library.open(f"/loans/{stage.loan_id}")
    first = stage.staff.get(f"/loans/{stage.loan_id}")["installments"][0]
    library.type(amount=f"{first['outstanding_minor'] / 100:.2f}")
    library.send('form[action$="/repay"]')
    order_id = library.page.url.rsplit("/", 1)[1]
    library.page.locator(".qr img").wait_for()
    library.picture("code")
    stage.other.continue_as(library.cookies())
    order = stage.other.get(f"/me/payment-orders/{order_id}")
    stage.order_ref = order["out_ref"]
    stage.outside.scan_and_pay(order["code_url"])
    library.page.locator('a[href="/receipts"].button').wait_for()  # the page renews itself
    library.picture("received")
    stage.until(
        "the repayment is allocated",
        lambda: stage.staff.get(f"/loans/{stage.loan_id}")["installments"][0]["outstanding_minor"] == 0,
    )
    stage.until("the repayment has its receipt", lambda: story.receipt_of(stage, "repayment"))
    library.open("/receipts")
    library.picture("receipts")
    record = story.receipt_of(stage, "repayment")
    assert record is not None
    with library.page.expect_download() as download:
        library.page.locator(f'a[href="/receipts/{record["id"]}.zip"]').click()
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(folder)
    (program,) = folder.rglob("verify.py")
    words = ["receipt.tlog-proof", "--record", "record.json", "--policy", "policy.txt"]
    done = subprocess.run(
        [sys.executable, "-I", program.name, *words], cwd=program.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _look_back(console: Window, stage: Stage, home: Path) -> None:
    staff = json.loads((home / "demo-credentials.json").read_text(encoding="utf-8"))["staff"]
    console.open("/console/sign-in")
    console.type(name=staff["name"], password=staff["password"])
    console.send('form[action="/console/sign-in"]')
    console.picture("dashboard")
    console.open(f"/console/episodes/{stage.episode_id}")
    shown = console.said()
    episode = stage.staff.get(f"/episodes/{stage.episode_id}")
    timeline = stage.staff.items(f"/episodes/{stage.episode_id}/timeline", limit="200")
    assert timeline
    assert episode["cases"][0]["reason"][stage.language] in shown
    console.picture("episode")
    console.open(f"/console/applications/{stage.application_id}")
    console.picture("decision")
    console.open(f"/console/loans/{stage.loan_id}")
    console.picture("loan")
