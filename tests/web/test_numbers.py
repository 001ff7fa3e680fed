"""A borrower whose number is in doubt proves it through the pages alone; staff see it on the line's page."""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from support.jobs import drain
from throughline.kernel import clock, crypto
from throughline.kernel.db import Database
from throughline.line import privacy
from throughline.line import service as line
from throughline.messaging.models import MsgIntent
from throughline.messaging.outbound import params_place
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from web import scene
from web.browsing import PlainBrowser
from web.people import approve

Browsers = Callable[..., PlainBrowser]


def _code(session: Session) -> str:
    intent = session.scalars(
        select(MsgIntent).where(MsgIntent.klass == "otp").order_by(MsgIntent.created_at.desc()).limit(1)
    ).one()
    place = params_place(intent.id)
    said: str = json.loads(crypto.open_sealed(session, intent.borrower_id, place, intent.params))["code"]
    return said


def test_stopped_explained_proved_and_seen_by_staff(database: Database, browsers: Browsers) -> None:
    browser = browsers()
    person, _ = scene.enrolled(browser)
    drain(database, rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        borrower_id = parties.find_borrower(session, id_number=person.id_number)
        assert borrower_id is not None
        point = next(
            one for one in parties.contact_points(session, borrower_id) if one.kind is ContactKind.PHONE
        )
        parties.freeze_contact_point(session, point.id, privacy.LONG_OFF, now=clock.now())
    home = browser.open("/home")
    assert f"我们已停止向 {point.masked} 发送消息。" in home
    assert "停机时间较长" in home
    page = browser.open(f"/account/numbers/{point.id}")
    assert "<script" not in page
    assert person.phone[-8:] not in page
    base = f"/account/numbers/{point.id}"
    page = browser.submit(base + "/code")
    assert 'autocomplete="one-time-code"' in page
    with database.transaction() as session:
        code = _code(session)
    assert code not in page
    wrong = browser.submit(base + "/confirm", code="x" + code)
    assert "验证码不正确或已失效" in wrong
    page = browser.submit(base + "/confirm", code=code)
    assert "您已证明该号码属于您。" in page
    drain(database, rounds=3, timers=False, hurry=False)
    assert "我们已停止向" not in browser.open("/home")
    assert "手机号码已核验" in browser.open("/receipts")
    with database.transaction() as session:
        known = parties.contact_point(session, point.id)
        (watched,) = line.lines_of(session, borrower_id)
    assert known.frozen_at is None
    assert known.verified_at is not None
    staff = scene.staff(database, browsers(), "admin")
    seen = staff.open(f"/console/lines/{watched.line_id}")
    assert "借款人核验了号码" in seen
    assert "本人核验号码" in seen
    assert "允许" in seen


def test_a_new_number_is_approved_with_a_passkey(database: Database, browsers: Browsers) -> None:
    browser = browsers("en")
    _, authenticator = scene.enrolled(browser)
    browser.open("/account/numbers")
    refused = browser.submit("/account/numbers", phone="12")
    assert 'role="alert"' in refused
    page = browser.submit("/account/numbers", phone="13922223333")
    assert "Nothing goes to this number until you have shown that it is yours." in page
    base = browser.path
    plain = browser.submit(base + "/code")  # without the passkey's approval
    assert "Confirm this with your passkey first" in plain
    browser.open(base)
    page = approve(browser, base + "/code", authenticator)
    with database.transaction() as session:
        code = _code(session)
    page = browser.submit(base + "/confirm", code=code)
    assert "You have shown that this number is yours." in page
    page = browser.submit(base + "/give-up")
    assert "You told us that this number is no longer yours." in page
