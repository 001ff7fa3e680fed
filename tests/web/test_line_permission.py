"""What a carrier with a ledger of consents of its own needs: seen, given on the carrier's page, and asked for anew."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, text

from lab_sms.running import Simulator
from support.jobs import drain
from throughline.kernel import clock
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.line import privacy
from throughline.line.adapters.camara.calls import Caller, Subject
from throughline.line.adapters.camara.consent_info import ask
from throughline.line.feed.directory import directory
from throughline.line.models import CarrierVisit
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from web import scene
from web.browsing import PlainBrowser

Browsers = Callable[..., PlainBrowser]
SERVICE = "dpv:RequestedServiceProvision"
SAID = {
    "given": ("您已在运营商处许可", "You have permitted it at your carrier"),
    "needed": ("您尚未在运营商处许可", "You have not permitted it at your carrier yet"),
    "withheld": ("也没有可供更改的页面", "has no page where you could change that"),
    "no_answer": ("运营商没有答复", "Your carrier has not answered"),
}


@pytest.fixture(scope="module")
def carrier(installation: Path, _nobody_outside: None) -> Iterator[Simulator]:
    """A carrier that answers about a line only with the person's own consent there."""
    running = Simulator("throughline.lab.carrier", installation).start()
    patch = pytest.MonkeyPatch()
    sells = ["camara.subscription-status", "camara.device-reachability", "camara.consent-info"]
    carriers = [{"name": "simulator", "api_url": running.url, "sells": sells, "notices": []}]
    patch.setenv("THROUGHLINE_LINE_CARRIERS", json.dumps(carriers))
    patch.setenv("THROUGHLINE_LINE_TOTAL_S", "2")
    kernel_settings.load.cache_clear()
    directory.cache_clear()
    try:
        yield running
    finally:
        running.stop()
        patch.undo()
        kernel_settings.load.cache_clear()
        directory.cache_clear()


class Person:
    """Somebody in a browser, with one number."""

    def __init__(self, database: Database, browser: PlainBrowser) -> None:
        self.database, self.browser = database, browser
        person, _ = scene.enrolled(browser)
        drain(database, rounds=2, timers=False, hurry=False)
        self.phone = f"+86{person.phone[-11:]}"
        with database.transaction() as session:
            found = parties.find_borrower(session, id_number=person.id_number)
            assert found is not None
            self.id = found
            points = parties.contact_points(session, found)
        self.point_id = next(one.id for one in points if one.kind is ContactKind.PHONE)
        self.base = f"/account/numbers/{self.point_id}"

    def press(self) -> str:
        self.browser.open(self.base)
        return self.browser.submit(f"{self.base}/permission")

    def rows(self) -> list[CarrierVisit]:
        with self.database.transaction() as session:
            wanted = select(CarrierVisit).where(CarrierVisit.borrower_id == self.id)
            return list(session.scalars(wanted.order_by(CarrierVisit.id)))


@pytest.fixture(scope="module")
def shared(database: Database, browsers: Browsers, carrier: Simulator) -> Person:
    del carrier
    return Person(database, browsers())


@pytest.fixture
def person(shared: Person, carrier: Simulator) -> Iterator[Person]:
    shared.database.run(lambda s: s.execute(text("DELETE FROM identity_attempts")))
    yield shared
    carrier.http.delete("/control/faults").raise_for_status()


def decided(carrier: Simulator, phone: str, state: str) -> None:
    scopes = ["subscription-status:retrive-subscription-status", "device-reachability-status:read"]
    wish = {"purpose": SERVICE, "state": state, "scopes": scopes}
    carrier.http.put(f"/control/numbers/{phone}/consents", json=wish).raise_for_status()


def at_the_carrier(page: str, answer: str) -> str:
    """What the person does on the carrier's page; the path of ours where it sends the browser."""
    found = re.search(r'<a class="button" href="(http[^"]+/consents/[^"]+)"', page)
    assert found, page
    address = html.unescape(found[1])
    assert httpx.get(address, timeout=10, trust_env=False).status_code == 200
    sent = httpx.post(address, data={"answer": answer}, timeout=10, trust_env=False)
    back = urlsplit(sent.headers["location"])
    assert back.path == "/account/carrier-permission"
    return f"{back.path}?{back.query}"


def said(person: Person, permission: str) -> None:
    """The page that is open says it, in both languages."""
    assert re.fullmatch(r"/account/carrier-permission/[0-9a-f-]{36}", person.browser.path)
    for language, words in zip(("zh-CN", "en"), SAID[permission], strict=True):
        person.browser.cookies["lang"] = language
        assert words in person.browser.open(person.browser.path)
    person.browser.cookies["lang"] = "zh-CN"


def test_it_is_given_on_the_carriers_page(person: Person, carrier: Simulator) -> None:
    decided(carrier, person.phone, "PENDING")
    page = person.press()
    assert "127.0.0.1" in page  # whose page it is
    assert person.phone[3:] not in page
    asked = person.rows()[-1]
    assert (asked.source, asked.result, asked.purpose) == (
        "camara.consent-info",
        "needed",
        Purpose.CONTINUITY,
    )
    back = at_the_carrier(page, "yes")
    assert "capture_result=granted" in back
    person.browser.open(back)
    said(person, "given")
    assert [one.result for one in person.rows() if one.id == asked.id] == ["given"]
    # Once more, and with another word of the browser's: the ledger was asked, and is not asked again.
    decided(carrier, person.phone, "PENDING")
    person.browser.open(back.replace("granted", "denied"))
    said(person, "given")
    decided(carrier, person.phone, "GRANTED")
    person.press()
    said(person, "given")


def test_a_no_and_a_lie_of_the_browser_count_as_the_ledger_says(person: Person, carrier: Simulator) -> None:
    decided(carrier, person.phone, "PENDING")
    back = at_the_carrier(person.press(), "no")
    person.browser.open(back.replace("denied", "granted"))
    said(person, "needed")
    decided(carrier, person.phone, "OBJECTED")  # there the carrier names no page
    person.press()
    said(person, "withheld")


@pytest.mark.parametrize("fault", ["error_503", "malformed", "wrong_type", "drop_answer"])
def test_a_carrier_that_does_not_answer(person: Person, carrier: Simulator, fault: str) -> None:
    decided(carrier, person.phone, "PENDING")
    carrier.fault(fault, times=9)
    person.press()
    said(person, "no_answer")


def test_states_of_others_are_none(person: Person, carrier: Simulator, browsers: Browsers) -> None:
    decided(carrier, person.phone, "PENDING")
    back = at_the_carrier(person.press(), "yes")
    stranger = browsers()
    scene.enrolled(stranger)
    for path in (back, "/account/carrier-permission", "/account/carrier-permission?state=x"):
        stranger.open(path)
        assert stranger.page.status_code == 422
    # A state of one way back is none on the other.
    state = re.search(r"state=([^&]+)", back)
    assert state
    person.browser.open(f"/account/number-proof?code=x&state={state[1]}")
    assert person.browser.page.status_code == 422
    person.browser.open(back)
    said(person, "given")
    stranger.open(person.browser.path)
    assert stranger.page.status_code == 404


def test_it_is_not_offered_for_a_number_in_doubt_or_without_our_consent(
    database: Database, person: Person, carrier: Simulator
) -> None:
    decided(carrier, person.phone, "PENDING")
    database.run(lambda s: parties.withdraw_consent(s, person.id, Purpose.CONTINUITY, {}, now=clock.now()))
    rows = len(person.rows())
    person.press()
    assert person.browser.page.status_code == 403
    assert len(person.rows()) == rows
    database.run(
        lambda s: parties.give_consents(s, person.id, [Purpose.CONTINUITY], {"page": "t"}, now=clock.now())
    )
    database.run(
        lambda s: parties.freeze_contact_point(s, person.point_id, privacy.REASSIGNED, now=clock.now())
    )
    page = person.browser.open(person.base)
    assert f"{person.base}/permission" not in page


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://carrier.example/consent?id=7", True),
        ("http://127.0.0.1:9/consent", True),  # the carrier itself is on this machine
        ("http://carrier.example/consent", False),
        ("javascript:alert(1)", False),
        ("https://somebody@carrier.example/", False),
        ("https://carrier.example/ x", False),
        ("https://carriér.example/", False),
        ("https://[", False),
        ("https:///consent", False),
    ],
)
def test_an_address_for_a_browser_is_https(
    carrier: Simulator, monkeypatch: pytest.MonkeyPatch, url: str, taken: bool
) -> None:
    del carrier
    caller = directory().caller("simulator")
    assert caller is not None
    entry = {
        "scopes": ["a"],
        "purpose": SERVICE,
        "statusValidForProcessing": False,
        "statusReason": "PENDING",
    }

    def call(
        _operation: Any, _subject: Any, _body: Any, read: Callable[[Any], Any], *, ends_at: float
    ) -> Any:
        del ends_at
        return read({"statusInfo": [entry], "captureUrl": url})

    monkeypatch.setattr(Caller, "call", lambda _self, *words, **more: call(*words, **more))
    subject = Subject("+8613800000000", Purpose.CONTINUITY, "c")
    if taken:
        found: Any = ask(caller, subject, ["a"], capture=True, ends_at=0)
        assert found.capture_url == url
    else:
        with pytest.raises(ValueError, match="captureUrl is not https"):
            ask(caller, subject, ["a"], capture=True, ends_at=0)
