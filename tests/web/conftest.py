"""The borrower's pages with the endpoints that their scripts call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient

import throughline.web
from throughline.identity import api as identity_api
from throughline.identity import service as identity
from throughline.kernel import clock, http
from throughline.kernel.db import Database
from throughline.web import headers
from web.browsing import PlainBrowser


@pytest.fixture(scope="module")
def app(database: Database) -> FastAPI:
    """The pages and identity's endpoints, with the headers of the whole application."""

    def who(request: Request) -> http.Caller:
        cookie = request.cookies.get(identity.SESSION_COOKIE)
        return database.run(
            lambda session: identity.caller_from_request(session, cookie, None, now=clock.real_now())
        )

    built = FastAPI()
    http.install(built, authenticate=who)
    headers.install(built)
    built.include_router(identity_api.router)
    import importlib

    for name in "entry sign_in enrol home apply applications loans inbox receipts account".split():
        try:
            built.include_router(importlib.import_module(f"throughline.web.borrower.{name}").router)
        except ImportError:
            pass
    static = Path(throughline.web.__file__).parent / "static"
    built.mount("/static", StaticFiles(directory=static), name="static")
    return built


@pytest.fixture
def browser(app: FastAPI) -> Iterator[PlainBrowser]:
    """A fresh browser without JavaScript, in Chinese."""
    with TestClient(app, base_url="http://localhost:8000") as client:
        yield PlainBrowser(client)


@pytest.fixture
def other(app: FastAPI) -> Iterator[PlainBrowser]:
    """Another browser, which we do not know."""
    with TestClient(app, base_url="http://localhost:8000") as client:
        yield PlainBrowser(client)
