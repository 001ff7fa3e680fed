"""The whole application as a browser without JavaScript sees it; and a borrower whose line has stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from payments.support_servers import free_port
from throughline.kernel import settings as kernel_settings
from throughline.kernel.db import Database
from throughline.lab import prepare
from throughline.line.feed.directory import directory
from throughline.web.app import create_app
from web import scene
from web.browsing import PlainBrowser


@pytest.fixture(scope="module", autouse=True)
def _nobody_outside(database: Database) -> Iterator[None]:
    """Addresses of the outside where nobody answers: these tests may not reach another run's simulators."""
    patch = pytest.MonkeyPatch()
    nowhere = f"http://127.0.0.1:{free_port()}"
    for name in (
        "LINE_API_URL",
        "PAYMENTS_BANK_URL",
        "PAYMENTS_WECHAT_URL",
        "MESSAGING_SMS_URL",
        "LINE_JOINT_SPONSORED_URL",
        "LINE_JOINT_CONTRACT_URL",
        "BUREAU_URL",
    ):
        patch.setenv(f"THROUGHLINE_{name}", nowhere)
    patch.setenv("THROUGHLINE_MESSAGING_SMTP_PORT", str(free_port()))
    kernel_settings.load.cache_clear()
    directory.cache_clear()
    prepare.main()
    yield
    patch.undo()
    kernel_settings.load.cache_clear()
    directory.cache_clear()


@pytest.fixture(scope="module")
def app(database: Database, _nobody_outside: None) -> FastAPI:
    """The whole application, as the web role serves it."""
    del database  # it must be there, with its settings, before the application is made
    return create_app()


@pytest.fixture(scope="module")
def browsers(app: FastAPI) -> Iterator[Callable[..., PlainBrowser]]:
    """Fresh browsers without JavaScript, in Chinese unless told."""
    with TestClient(app, base_url="http://localhost:8000") as client:
        yield lambda language="zh-CN": PlainBrowser(client, language)


@pytest.fixture
def browser(browsers: Callable[..., PlainBrowser]) -> PlainBrowser:
    """A fresh browser, in Chinese."""
    return browsers()


@pytest.fixture
def other(browsers: Callable[..., PlainBrowser]) -> PlainBrowser:
    """Another browser, which we do not know."""
    return browsers()


@pytest.fixture(scope="module")
def story(database: Database, browsers: Callable[..., PlainBrowser]) -> scene.Story:
    """A borrower with a signed and paid-out loan, whose line stopped when an installment fell due."""
    return scene.play(database, browsers())
