"""A real Chromium: one context is one person's browser, with an authenticator that can make passkeys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PATH = shutil.which("chromium")
PATIENCE_MS = 60_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1100, "height": 900}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser from Debian's packages. Skips the test, and says so, where it could not be installed."""
    if PATH is None:
        pytest.skip("Chromium is not installed: what a browser shows was NOT tested")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """One person's browser with one page open. Pictures of it are kept, numbered in their order."""

    def __init__(self, browser: Browser, url: str, language: str, name: str, size: dict[str, int]) -> None:
        self.url, self.language, self.name = url, language, name
        context = browser.new_context(locale=language, viewport=size, accept_downloads=True)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._devtools = context.new_cdp_session(self.page)
        self._devtools.send("WebAuthn.enable")
        made = self._devtools.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self._authenticator: str = made["authenticatorId"]
        self._pictures = 0

    def open(self, path: str) -> None:
        """Open a page of the platform."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status < 400, f"{path}: {answer.status}"

    def send(self, selector: str) -> None:
        """Press the button of a form and wait for the page that follows."""
        button = self.page.locator(f"{selector} button").first
        with self.page.expect_navigation():
            button.click()

    def type(self, **fields: str) -> None:
        """Fill in fields by name."""
        for name, value in fields.items():
            self.page.locator(f'[name="{name}"]').fill(value)

    def said(self) -> str:
        """What stands on the page."""
        return self.page.locator("body").inner_text()

    def until(self, selector: str, *, tries: int = 60) -> None:
        """Load the page again until something stands on it; a bounded number of times."""
        for _ in range(tries):
            if self.page.locator(selector).count():
                return
            self.page.wait_for_timeout(500)
            self.page.reload()
        raise AssertionError(f"{self.page.url}: no {selector} on\n{self.said()}")

    def picture(self, what: str) -> None:
        """Keep a picture of the page; it may not be wider than the screen."""
        folder = Path(os.environ.get("ARTIFACTS", "artifacts")) / "story" / self.language
        folder.mkdir(parents=True, exist_ok=True)
        self._pictures += 1
        self.page.screenshot(
            path=folder / f"{self.name}-{self._pictures:02d}-{what}.png",
            full_page=True,
            animations="disabled",
        )
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{self.page.url} is {wide} pixels too wide"

    def passkeys(self) -> list[Any]:
        """The passkeys that this browser holds."""
        found = self._devtools.send("WebAuthn.getCredentials", {"authenticatorId": self._authenticator})
        return list(found["credentials"])

    def take_passkeys(self, passkeys: list[Any]) -> None:
        """Passkeys that came here by the person's own synchronisation."""
        for one in passkeys:
            self._devtools.send(
                "WebAuthn.addCredential", {"authenticatorId": self._authenticator, "credential": one}
            )

    def cookies(self) -> dict[str, str]:
        """The cookies of the platform."""
        return {one["name"]: one["value"] for one in self.page.context.cookies(self.url)}
