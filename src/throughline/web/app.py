"""The web application: every package's router, the pages, health; and who the caller is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.staticfiles import StaticFiles

import throughline
from throughline.identity import service as identity
from throughline.kernel import clock, http, rooms
from throughline.kernel.db import database
from throughline.kernel.http import Caller
from throughline.web import headers, health, lost, openapi
from throughline.web.borrower import pages as borrower_pages
from throughline.web.console import pages as console_pages
from throughline.web.status import pages as status_pages

ROUTERS = ("public_router", "router", "hooks_router")  # names that a package's `api.py` may export


def create_app() -> FastAPI:
    """The whole application. Loads the rooms of all packages, so that publishers know who listens."""
    rooms.load_all()
    app = FastAPI(
        title="Throughline",
        version=throughline.__version__,
        description="Consumer lending that keeps serving a borrower whose phone line has stopped.",
        docs_url=None,  # its page would load scripts from another company
        redoc_url=None,
        openapi_url="/api/openapi.json",
        license_info={"name": "Apache-2.0"},
    )
    http.install(app, authenticate=_authenticate)
    lost.install(app)
    headers.install(app)
    health.install(app)
    for module in sorted(rooms.load("api"), key=_comes_later):
        for name in ROUTERS:
            router = getattr(import_module(module), name, None)
            if isinstance(router, APIRouter):
                app.include_router(router)
    app.include_router(borrower_pages.router)
    app.include_router(console_pages.router)
    app.include_router(status_pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    openapi.install(app)
    return app


def _comes_later(module: str) -> bool:
    """Routes are tried one after another: those of lending, which machines ask all day, come before the others."""
    return module != "throughline.lending.api"


def _authenticate(request: Request) -> Caller:
    cookie = request.cookies.get(identity.SESSION_COOKIE)
    authorization = request.headers.get("authorization")
    if cookie is None and authorization is None:
        return http.PUBLIC
    if authorization is not None:
        with database().statements() as session:
            return identity.caller_from_request(session, None, authorization, now=clock.real_now())
    return database().run(
        lambda session: identity.caller_from_request(session, cookie, None, now=clock.real_now())
    )
