"""Credit reports through the pages alone: what was said and why not, disputing, and the staff's pages."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from lending_bureau.late import last_month, report, today
from support.loans import paid_out_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.lending.bureau import answers, sending
from throughline.lending.bureau.fileformat import Answered
from throughline.lending.bureau.models import ReportFileRow, ReportItemRow
from throughline.parties import service as parties
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]
LIGHT_BYTES = 16_000


def _reported(database: Database, browser: PlainBrowser) -> tuple[UUID, UUID]:
    """Somebody signed in whose delay was not reported, because no notice had reached them: loan and report."""
    person, _ = scene.enrolled(browser)
    with database.transaction() as session:
        borrower_id = parties.find_borrower(session, id_number=person.id_number)
        assert borrower_id is not None
        loan_id = paid_out_loan(session, borrower_id, days_ago=(today() - last_month()).days + 25)
    report(database)
    with database.transaction() as session:
        file_id = sending.make_file(session, now=clock.now())
        assert file_id is not None
        row = session.get_one(ReportFileRow, file_id)
        row.state = "received"
        items = session.scalars(select(ReportItemRow).where(ReportItemRow.file_id == file_id)).all()
        said = [Answered(one.ref or "", "accepted", None) for one in items]
        answers.take_answers(session, file_id, said, now=clock.now())
        item = session.scalars(select(ReportItemRow).where(ReportItemRow.loan_id == loan_id)).one()
    return loan_id, item.id


def test_read_disputed_and_answered(database: Database, browser: PlainBrowser, browsers: Browsers) -> None:
    loan_id, item_id = _reported(database, browser)
    path = f"/loans/{loan_id}/credit-reports"
    assert f'href="{path}"' in browser.open(f"/loans/{loan_id}")
    page = browser.open(path)
    assert len(page.encode()) < LIGHT_BYTES
    assert "<script" not in page
    assert "有逾期，但目前不会报送。" in page
    assert "没有就这次逾期向借款人发出过通知" in page
    assert "不说明还款情况" in page
    empty = browser.send(
        "POST", f"{path}/{item_id}/dispute", browser.form(f"{path}/{item_id}/dispute").fields
    )
    assert empty.status_code == 422
    assert "请说明哪里有误" in empty.text
    browser.open(path)
    hostile = f"我没有逾期 {scene.HOSTILE}"
    page = browser.submit(f"{path}/{item_id}/dispute", statement=hostile)
    assert "处理中；最迟" in page
    assert "<script>" not in page
    staff = scene.staff(database, browsers(), "operations")
    console = staff.open("/console/credit-reports")
    assert "(a)" in console
    assert "没有处理中的异议" not in console
    (link,) = [one for one in console.split('"') if one.startswith("/console/credit-reports/disputes/")]
    page = staff.open(link)
    assert "<script>alert" not in page
    assert "CN-CREDIT-DISPUTE" in page
    staff.submit(link, decision="upheld", reason_zh="", reason_en="x")
    assert staff.page.status_code == 422
    assert "决定须附中文和英文理由" in staff.page.text
    page = staff.submit(link, decision="upheld", reason_zh="我们错了。", reason_en="We were wrong.")
    assert "已支持借款人" in page
    page = browser.open(path)
    assert "已支持您" in page
    assert "我们错了。" in page
    assert staff.open("/console/credit-reports?which=held")
    english = PlainBrowser(staff.client, "en")
    english.cookies |= {name: value for name, value in staff.cookies.items() if name != "lang"}
    assert "Open disputes, by deadline" in english.open("/console/credit-reports")


def test_another_borrowers_reports_are_not_there(
    database: Database, browser: PlainBrowser, browsers: Browsers
) -> None:
    loan_id, item_id = _reported(database, browser)
    other = browsers()
    scene.enrolled(other)
    other.open(f"/loans/{loan_id}/credit-reports")
    assert other.page.status_code == 404
    answer = other.send("POST", f"/loans/{loan_id}/credit-reports/{item_id}/dispute", {"statement": "x"})
    assert answer.status_code == 404


def test_an_agent_reads_and_does_not_decide(database: Database, browsers: Browsers) -> None:
    agent = scene.staff(database, browsers(), "agent")
    assert agent.open("/console/credit-reports")
    assert agent.page.status_code == 200
    assert 'action="/console/credit-reports' not in agent.page.text
