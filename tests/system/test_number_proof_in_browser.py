"""A number is proved over the mobile network in a real Chromium: the way to the carrier and back, by itself."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from system.chromium import PHONE, Window, chromium
from system.installation import Installation
from throughline.kernel.lab_ports import lab_url
from throughline.lab.story.people import invent

pytestmark = [pytest.mark.system, pytest.mark.browser]
CARRIER_PORT = 8103
WORDS = {
    "zh-CN": ("请关闭 Wi-Fi", "运营商已确认"),
    "en": ("Turn Wi-Fi off", "Your carrier has confirmed"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def _over(phone: str | None) -> None:
    """Over which line the carrier sees browsers come from now on; none: over Wi-Fi."""
    settings = {"device_line": f"+86{phone[-11:]}" if phone else None}
    url = f"{lab_url(CARRIER_PORT)}control/settings"
    httpx.post(url, json=settings, timeout=10, trust_env=False).raise_for_status()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_to_the_carrier_and_back(browser: Browser, platform: Installation, language: str) -> None:
    person = invent()
    phone = Window(browser, platform.url, language, "4-number", PHONE)
    phone.open("/register")
    phone.type(name=person.name, id_number=person.id_number, phone=person.phone, email=person.email)
    for box in phone.page.locator('input[type="checkbox"]').all():
        box.check()
    phone.send('form[action="/register"]')
    phone.send('form[data-passkey="register"]')

    over_wifi, proved = WORDS[language]
    try:
        for line, said in ((None, over_wifi), (person.phone, proved)):
            _over(line)
            phone.open("/account/numbers")
            phone.page.locator('a[href^="/account/numbers/"]').first.click()
            form = phone.page.locator('form[action$="/network"]')
            phone.picture("number")
            form.locator("button").click()
            # The page goes on by itself: to the carrier, and back to a page that holds nothing of what it brought.
            phone.page.wait_for_url("**/account/number-proof/*")
            assert "?" not in phone.page.url
            assert said in phone.said()
            phone.picture("ended")
    finally:
        _over(None)
    phone.page.locator('a[href^="/account/numbers/"]').last.click()
    assert phone.page.locator(".tag.bad, .tag.warn").count() == 0
    assert phone.errors == []
    assert "Traceback" not in platform.said()
