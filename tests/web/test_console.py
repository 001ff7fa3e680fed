"""The console: who gets in, what each role sees, and that every page says what it must."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest
from sqlalchemy import text

from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.web.console.common import SECTIONS
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]


@pytest.fixture(scope="module")
def admin(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers(), "admin")


@pytest.fixture(scope="module")
def agent(database: Database, browsers: Browsers) -> PlainBrowser:
    return scene.staff(database, browsers(), "agent")


def test_nobody_else_gets_in(story: scene.Story, browser: PlainBrowser) -> None:
    for visitor in (browser, story.browser):
        for path, _, _ in (("/console", "", ""), *SECTIONS):
            visitor.open(path)
            assert visitor.path == f"/console/sign-in?next={path}"
    answer = story.browser.send("POST", "/console/jobs/1/retry", {})
    assert answer.headers["location"] == "/console/sign-in?next=/console"


def test_a_wrong_password_is_refused_and_the_way_back_is_kept(
    database: Database, browser: PlainBrowser
) -> None:
    browser.open("/console/ledger")
    browser.submit("/console/sign-in", name="nobody", password="wrong horse battery")
    assert browser.page.status_code == 401
    assert 'value="nobody"' in browser.page.text
    assert browser.form("/console/sign-in").fields["next"] == "/console/ledger"
    assert "evil" not in browser.open("/console/sign-in?next=https://evil.example")
    assert "evil" not in browser.open("/console/sign-in?next=//evil.example/console/")


def test_signing_out_ends_the_session(database: Database, browser: PlainBrowser) -> None:
    scene.staff(database, browser, "agent")
    kept = dict(browser.cookies)
    browser.submit("/console/sign-out")
    assert browser.path == "/console/sign-in"
    browser.cookies = kept
    browser.open("/console")
    assert browser.path.startswith("/console/sign-in")


def test_a_role_sees_what_it_may(agent: PlainBrowser, story: scene.Story) -> None:
    page = agent.open("/console")
    assert 'href="/console/episodes"' in page
    assert 'href="/console/ledger"' not in page
    assert 'href="/console/jobs"' not in page
    for path in ("/console/ledger", "/console/ledger/entries", "/console/jobs"):
        refused = agent.open(path)
        assert agent.page.status_code == 403
        assert "<h1>" in refused
    application = agent.open(f"/console/applications/{story.application_id}")
    assert "您的角色不能查看授信决策。" in application
    assert "您的角色不能查看法规检查。" in application


def test_an_episode_says_why(admin: PlainBrowser, story: scene.Story) -> None:
    page = admin.open(f"/console/episodes/{story.episode_id}")
    assert "双向停机" in page
    assert "LINE-2026-2" in page
    assert "<svg" in page
    assert "运营商告知线路状态" in page
    assert "运营商答复了我们的查询" in page
    assert f'href="/console/loans/{story.loan_id}"' in page
    for measure in ("暂停计算逾期天数", "不收违约金", "暂停计息", "不向征信机构报送"):
        assert measure in page
    assert re.search(r"\d\d\.\d%", page)
    assert re.search(r"承诺于|已写入日志", page)
    assert admin.open("/console/episodes?state=open").count(str(story.episode_id)) == 1
    assert str(story.episode_id) not in admin.open("/console/episodes?state=closed")


def test_an_application_shows_decision_gates_and_contract(admin: PlainBrowser, story: scene.Story) -> None:
    page = admin.open(f"/console/applications/{story.application_id}")
    assert "scorecard-2026-1" in page
    assert "SC-" in page
    assert "CN-COST-TABLE-2026" in page
    assert len(re.findall(r"[0-9a-f]{64}", page)) == 2
    gate = re.search(r'href="(/console/gates/[^"]+)"', page)
    assert gate
    one = admin.open(gate[1].replace("&amp;", "&"))
    assert admin.page.status_code == 200
    assert "每条规则结果一致" in one


def test_loan_ledger_and_payment_hang_together(admin: PlainBrowser, story: scene.Story) -> None:
    loan = admin.open(f"/console/loans/{story.loan_id}")
    assert f"/console/episodes/{story.episode_id}#case-" in loan
    entries = admin.open(f"/console/ledger/entries?source=loan:{story.loan_id}")
    entry = re.search(r'href="(/console/ledger/entries/[0-9a-f-]{36})"', entries)
    assert entry
    assert "应收贷款本金" in admin.open(entry[1])
    assert "借贷相等" in admin.open("/console/ledger")
    assert f'href="/console/loans/{story.loan_id}"' in admin.open(f"/console/payments/{story.order_id}")
    assert str(story.loan_id) in admin.open("/console/loans?status=active")
    assert str(story.loan_id) not in admin.open("/console/loans?status=approved")


def test_personal_data_is_masked_everywhere(admin: PlainBrowser, story: scene.Story) -> None:
    secrets = {story.person.name, story.person.id_number, story.person.phone, story.person.email}
    secrets |= {scene.APPLICATION["account_number"]}
    seen = list(crawl(admin))
    assert len(seen) > 40
    for path, page in seen:
        for secret in secrets:
            assert secret not in page, path


def test_every_page_there_is_a_link_to(
    admin: PlainBrowser, database: Database, browsers: Browsers, story: scene.Story
) -> None:
    del story
    english = scene.staff(database, browsers("en"), "admin")
    for language, reader in (("zh-CN", admin), ("en", english)):
        for path, page in crawl(reader):
            assert reader.page.status_code == 200, path
            assert f'<html lang="{language}">' in page, path
            assert len(page.encode()) < 150_000, path
            assert not re.search(r"<style|style=|<script(?! src)|\son\w+=", page), path


def crawl(browser: PlainBrowser) -> Iterable[tuple[str, str]]:
    """Every page of the console that a link leads to, each once."""
    waiting, known = ["/console"], {"/console"}
    while waiting:
        path = waiting.pop()
        page = browser.open(path)
        yield path, page
        for found in re.findall(r'href="(/console[^"#]*)', page):
            target = found.replace("&amp;", "&")
            if target not in known:
                known.add(target)
                waiting.append(target)


@pytest.mark.parametrize(
    "path",
    [
        "/console/nothing",
        "/console/episodes/x",
        "/console/episodes/{id}",
        "/console/episodes?state=strange",
        "/console/borrowers/{id}",
        "/console/applications/{id}",
        "/console/applications?state=x",
        "/console/gates/{id}?subject=application:x",
        "/console/gates/{id}",
        "/console/loans/{id}",
        "/console/loans?status=x",
        "/console/loans?late=<script>",
        "/console/payments/{id}",
        "/console/payments?state=x",
        "/console/messages/{id}",
        "/console/messages?state=x",
        "/console/messages?borrower=x",
        "/console/ledger?on=tomorrow",
        "/console/ledger/entries/{id}",
        "/console/ledger/entries/00000000-0000-0000-0000-000000000000",
        "/console/jobs?state=x",
        "/console/jobs?before=0",
    ],
)
def test_an_address_that_leads_nowhere(admin: PlainBrowser, path: str) -> None:
    answer = admin.client.get(
        path.replace("{id}", str(new_id())), headers={**admin._headers(), "Accept": "text/html"}
    )
    assert answer.status_code == 404
    assert "<h1>" in answer.text


def test_lists_are_paged(admin: PlainBrowser, browser: PlainBrowser, story: scene.Story) -> None:
    scene.register(browser)
    for section in ("borrowers", "messages?state=open", "ledger/entries", "loans?status=active"):
        seen: list[str] = []
        page = admin.open(f"/console/{section}{'&' if '?' in section else '?'}limit=1")
        for _ in range(20):
            seen += re.findall(rf'href="/console/{section.split("?")[0]}/([0-9a-f-]{{36}})"', page)
            more = re.search(r'rel="next" href="([^"]+)"', page)
            if not more:
                break
            page = admin.open(more[1].replace("&amp;", "&") + "&limit=1")
        assert len(seen) == len(set(seen)), section
        assert len(seen) >= (2 if section == "borrowers" else 1), section
    assert admin.client.get("/console/loans?cursor=x", headers=admin._headers()).status_code == 422


def test_a_dead_job_is_started_again_once(
    admin: PlainBrowser, agent: PlainBrowser, database: Database, story: scene.Story
) -> None:
    job_id = database.run(
        lambda session: session.execute(
            text("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = (SELECT min(id) FROM "
                 "procrastinate_jobs WHERE status = 'todo') RETURNING id")
        ).scalar_one()
    )  # fmt: skip
    assert agent.send("POST", f"/console/jobs/{job_id}/retry", {}).status_code == 403
    admin.open("/console/jobs?state=dead")
    form = admin.form(f"/console/jobs/{job_id}/retry")
    foreign = admin.client.post(
        form.action, data=form.fields, headers={**admin._headers(), "Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert admin.send("POST", form.action, form.fields).status_code == 303
    assert admin.send("POST", form.action, form.fields).status_code == 303  # the same press: the same answer
    other = admin.send("POST", form.action, form.fields | {"idempotency_key": "another"})
    assert other.status_code == 409


def test_time_goes_forward_only_for_those_who_may(admin: PlainBrowser, agent: PlainBrowser) -> None:
    assert agent.send("POST", "/console/demo/forward", {"days": "1"}).status_code == 403
    admin.open("/console")
    for days in ("0", "-1", "41", "x", ""):
        assert admin.send("POST", "/console/demo/forward", {"days": days}).status_code == 422


def test_a_person_decides_and_the_borrower_reads_why(
    database: Database, admin: PlainBrowser, browser: PlainBrowser
) -> None:
    scene.enrolled(browser)
    browser.open("/apply")
    browser.submit("/apply", **(scene.APPLICATION | scene.UNSURE))
    page = browser.path
    application_id = page.rsplit("/", 1)[1]
    console = f"/console/applications/{application_id}"
    admin.open(console)
    admin.submit(f"{console}/decision", outcome="decline", reason_zh="", reason_en="")
    assert admin.page.status_code == 422
    admin.open(console)
    reasons = {"reason_zh": f"收入证明不全{scene.HOSTILE}", "reason_en": "Proof of income is missing"}
    admin.submit(f"{console}/decision", outcome="decline", **reasons)
    assert admin.path == console
    assert "收入证明不全" in admin.page.text  # among the steps
    shown = browser.open(page)
    assert "收入证明不全" in shown
    assert "<script>alert" not in shown
    assert f"{console}/decision" not in admin.open(console)
    # A second window that was open all the time is told that it is too late.
    answer = admin.send("POST", f"{console}/decision", {"outcome": "approve", **reasons})
    assert answer.status_code == 409
