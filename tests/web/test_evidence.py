"""Evidence through the pages alone: handed in without JavaScript, looked at, accepted, refused, told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from continuity.papers import HTML, PLACE, exif, jpeg, pdf, png, segment
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
WHY = {"zh": "停机通知清楚。", "en": "The stop notice is clear."}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def staff(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers("en"), "operations")


@pytest.fixture(scope="module")
def colleague(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers("zh-CN"), "agent")


@pytest.fixture(scope="module")
def outsider(database: Database, browsers: Browsers) -> PlainBrowser:
    """Staff who may read cases, and decide nothing about outages."""
    return scene.staff(database, browsers("en"), "credit")


def day(ago: int) -> str:
    return (clock.local_date(clock.now(), settings().zone) - ago * DAY).isoformat()


def reporter(database: Database, browser: PlainBrowser) -> tuple[UUID, str]:
    """Somebody with a late loan who has reported a lost phone; returns the loan and the page for evidence."""
    person, _ = scene.enrolled(browser)
    drain(database, rounds=2, timers=False, hurry=False)

    def verb(session: Session) -> UUID:
        borrower_id = parties.find_borrower(session, id_number=person.id_number)
        assert borrower_id is not None
        return paid_out_loan(session, borrower_id, days_ago=40)

    loan_id = database.run(verb)
    browser.open("/outages")
    page = browser.submit("/outages", kind="phone_lost", **{"from": day(11)})
    found = re.search(r'href="(/outages/[0-9a-f-]{36}/evidence)"', page)
    assert found, page
    return loan_id, found[1]


def days_late(database: Database, loan_id: UUID) -> int:
    return database.run(lambda session: lending.loan_view(session, loan_id).delinquency.delinquent_days)


def files_on(page: str) -> list[str]:
    return re.findall(r'href="(/console/evidence/files/[0-9a-f-]{36})"', page)


def test_a_notice_is_handed_in_and_accepted_for_its_days(
    database: Database, browsers: Browsers, staff: PlainBrowser
) -> None:
    browser = browsers()
    loan_id, path = reporter(database, browser)
    assert days_late(database, loan_id) > 0
    page = browser.open(path)
    assert len(page.encode()) < LIGHT_BYTES
    assert "<script" not in page
    assert 'type="file"' in page
    assert 'accept="image/jpeg,image/png,application/pdf"' in page
    sent = jpeg(segment(0xE1, exif(1) + PLACE))
    page = browser.upload(
        path, ("<b>my.jpg", sent, "image/jpeg"), kind="carrier_notice", words="<script>停机</script>"
    )
    assert browser.path == path
    assert "我们已收到您提交的文件" in page
    assert "工作人员最晚于" in page
    assert "&lt;script&gt;停机" in page
    assert "my.jpg" not in page
    assert "您提交的证据：1 份" in browser.open("/outages")
    queue = staff.open("/console/reviews")
    assert "Evidence that waits" in queue
    console = path.replace("/outages/", "/console/evidence/").removesuffix("/evidence")
    assert console in queue
    page = staff.open(console)
    assert "&lt;script&gt;停机" in page
    assert "Open every file that waits first" in page
    unseen = staff.submit(f"{console}/accept", **WHY)
    assert "Please open every file" in unseen
    assert "The stop notice is clear." in unseen  # what was typed is still there
    (file,) = files_on(page)
    opened = staff.send("GET", file, None)
    assert opened.content == jpeg(
        segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x01\0\0" + bytes(4))
    )
    assert opened.headers["content-type"] == "image/jpeg"
    assert opened.headers["content-disposition"].startswith('inline; filename="evidence-')
    assert opened.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert opened.headers["x-content-type-options"] == "nosniff"
    assert opened.headers["cache-control"] == "no-store"
    page = staff.open(console)
    assert "opened by you" in page
    assert "Open every file that waits first" not in page
    assert "year-month-day" in staff.submit(f"{console}/accept", **WHY, **{"from": "0001-01-01"})
    staff.open(console)
    assert "between the begin" in staff.submit(f"{console}/accept", **WHY, **{"from": day(500)})
    staff.open(console)
    page = staff.submit(f"{console}/accept", kind="suspended", **WHY, **{"from": day(11), "to": day(0)})
    assert "The outage that was recorded on it" in page
    assert "Your decision" not in page
    assert days_late(database, loan_id) == 0
    page = browser.open(path)
    assert "停机通知清楚。" in page
    assert "无需再提交" in page  # borne out: no form any more
    assert "<form" not in page.partition("<main")[2]
    assert "证据" in browser.open("/inbox")
    page = browser.open("/account")
    assert "停机证据" in page  # who opened it
    assert "工作人员" in page
    assert "已提交停机证据" in browser.open("/receipts")
    assert console not in staff.open("/console/evidence")


def test_what_is_wrong_is_said_on_the_page(database: Database, browsers: Browsers) -> None:
    browser, other = browsers("en"), browsers("en")
    _, path = reporter(database, browser)
    browser.open(path)
    for file, kind, said, status in (
        (("photo.png", HTML, "image/png"), "letter", "no whole JPEG, PNG or PDF", 415),
        (("photo.png", b"", "image/png"), "letter", "The file is empty", 422),
        (("photo.jpg", bytes(8 * 1024 * 1024), "image/jpeg"), "letter", "at most 3 MB", 413),
        (("photo.png", png(), "image/png"), "selfie", "Please choose what the file shows", 422),
    ):
        page = browser.upload(path, file, kind=kind)
        assert said in page
        assert browser.page.status_code == status
        assert 'role="alert"' in page
        assert 'aria-invalid="true"' in page
    page = browser.upload(path, ("a.png", png(), "image/png"), kind="letter", words="x" * 501)
    assert "at most 500 characters" in page
    assert "x" * 501 in page  # what was typed is still there
    assert 'value="letter" required checked' in page
    for grey in range(5):
        page = browser.upload(path, ("a.png", png(grey=grey), "image/png"), kind="letter")
        assert "We have what you sent." in page
    assert "the most that we take" in page
    assert 'type="file"' not in page
    scene.enrolled(other)
    other.open(path)
    assert other.page.status_code == 404
    other.open("/outages")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    foreign = other.client.post(
        path, files={"file": ("a.png", png())}, data={"kind": "letter"},
        headers={"Origin": "https://evil.example", "Cookie": cookies}, follow_redirects=False,
    )  # fmt: skip
    assert foreign.status_code == 403


def test_a_refusal_is_told_and_more_may_follow(
    database: Database, browsers: Browsers, staff: PlainBrowser, outsider: PlainBrowser
) -> None:
    browser = browsers()
    loan_id, path = reporter(database, browser)
    before = days_late(database, loan_id)
    browser.open(path)
    browser.upload(path, ("a.pdf", pdf(), "application/pdf"), kind="repair_receipt")
    console = path.replace("/outages/", "/console/evidence/").removesuffix("/evidence")
    (file,) = files_on(staff.open(console))
    for closed in (console, file):
        assert outsider.send("GET", closed, None).status_code == 403
        assert browser.send("GET", closed, None).status_code == 303  # to the sign-in of the staff
    opened = staff.send("GET", file, None)
    assert opened.headers["content-disposition"].startswith("attachment;")
    staff.open(console)
    staff.submit(f"{console}/refuse", zh="看不清日期。", en="The date can't be read.")
    assert days_late(database, loan_id) == before
    page = browser.open(path)
    assert "看不清日期。" in page
    assert 'type="file"' in page
    browser.upload(path, ("b.pdf", pdf(b"better"), "application/pdf"), kind="repair_receipt")
    assert console in staff.open("/console/evidence")
    (own, _) = re.findall(r'href="(/outage-evidence/[0-9a-f-]{36})"', browser.page.text)
    assert browser.send("GET", own, None).content == pdf()
    page = staff.open(console.replace("/evidence/", "/episodes/"))
    assert "A person of the staff opened the evidence." in page
    assert "Receipt of a repair shop" in page


def test_evidence_goes_with_an_objection(
    database: Database, browsers: Browsers, staff: PlainBrowser, colleague: PlainBrowser
) -> None:
    browser = browsers()
    loan_id, _ = reporter(database, browser)
    browser.open(f"/loans/{loan_id}")
    action = next(form.action for form in browser.forms() if form.action.endswith("/appeal"))
    case_id = action.split("/")[2]
    assert "请先对决定提出异议" in browser.open(f"/protections/{case_id}/evidence")
    browser.open(f"/loans/{loan_id}")
    page = browser.submit(action, words="我有证明")
    path = f"/protections/{case_id}/evidence"
    assert f'href="{path}"' in page
    browser.open(path)
    page = browser.upload(path, ("a.png", png(), "image/png"), kind="police_report")
    assert "我们已收到您提交的文件" in page
    assert "with evidence" in staff.open("/console/reviews")
    page = staff.open(f"/console/reviews/{case_id}")
    assert "Police report" in page
    page = staff.submit(f"/console/reviews/{case_id}/dismiss", **WHY)
    assert "Please open every file" in page
    for file in files_on(page):
        assert staff.send("GET", file, None).status_code == 200
    staff.open(f"/console/reviews/{case_id}")
    staff.submit(f"/console/reviews/{case_id}/dismiss", **WHY)
    assert "停机通知清楚。" in browser.open(path)
    assert 'type="file"' not in browser.page.text

    def state(session: Session) -> str:
        return continuity.appeals_of(session, UUID(case_id))[-1].state

    assert database.run(state) == "dismissed"
    assert "报警回执" in colleague.open(f"/console/reviews/{case_id}")
