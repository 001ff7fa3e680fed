"""One package's API as a given caller sees it: no sign-in, the rest is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from throughline.kernel import http

Browse = Callable[[http.Caller], TestClient]


@contextmanager
def browsing(router: APIRouter) -> Iterator[Browse]:
    """Clients of a router by caller; closed at the end."""
    opened: list[TestClient] = []

    def as_caller(caller: http.Caller) -> TestClient:
        app = FastAPI()
        http.install(app, authenticate=lambda request: caller)
        app.include_router(router)
        opened.append(TestClient(app))
        return opened[-1]

    yield as_caller
    for client in opened:
        client.close()
