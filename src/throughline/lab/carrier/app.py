"""The carriers' HTTP face: for each of them its tokens, the operations of the files, and its control desk."""

from __future__ import annotations

from pathlib import Path

from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from throughline.lab.carrier import (
    consents,
    contract,
    lines,
    owners,
    possession,
    sponsors,
    subscriptions,
    swaps,
)
from throughline.lab.carrier.authorize import Authorization
from throughline.lab.carrier.calls import Operation
from throughline.lab.carrier.company import Company
from throughline.lab.carrier.control import ControlDesk
from throughline.lab.carrier.desk import Door
from throughline.lab.carrier.keys import ensure_keys
from throughline.lab.carrier.market import CARRIERS, Market
from throughline.lab.carrier.oauth import AuthorizationServer
from throughline.lab.simulator import with_ticker

OPERATIONS = [
    *lines.operations(),
    *swaps.operations(),
    *owners.operations(),
    *consents.operations(),
    *possession.operations(),
    *subscriptions.operations(),
    *sponsors.operations(),
]


def build(home: Path, push_url: str = "http://localhost:8000/hooks/line/camara") -> Starlette:
    """The carriers over their books in `home`/lab. The first answers at the root, the second below /southern.

    `sink` must be https by the files; http is taken for a loopback address only, unless the setting
    `allow_http_sink` is false.
    """
    _, public = ensure_keys(home)
    client_key = ECKey.import_key(public.read_text(encoding="ascii"))
    market = Market(home)
    companies = {one.name: Company(home, one, market, push_url) for one in CARRIERS}

    def tick() -> None:
        for company in companies.values():
            company.tick()

    # The root of the first would swallow nothing of the second: every path is a whole one.
    routes = [route for company in companies.values() for route in _routes(company, companies, client_key)]
    return with_ticker(tick, routes)


def _routes(company: Company, companies: dict[str, Company], client_key: ECKey) -> list[Route]:
    base, browsers = company.carrier.base, Authorization(company)
    server = AuthorizationServer(company, client_key, browsers)

    async def capture(request: Request) -> Response:
        return await consents.capture_page(company, request)

    doors: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        for path in (operation.path, *operation.aliases):
            doors.setdefault(contract.base_path(operation.file) + path, {})[operation.method] = operation
    return [
        Route(f"{base}/.well-known/openid-configuration", server.metadata, methods=["GET"]),
        Route(f"{base}/oauth2/token", server.token, methods=["POST"]),
        Route(f"{base}/oauth2/bc-authorize", server.backchannel, methods=["POST"]),
        Route(f"{base}/oauth2/authorize", browsers.authorize, methods=["GET"]),
        Route(f"{base}/oauth2/jwks", browsers.keys, methods=["GET"]),
        Route(f"{base}/consents/{{capture_id}}", capture, methods=["GET", "POST"]),
        *(Route(base + path, Door(company, methods)) for path, methods in doors.items()),
        *ControlDesk(company, companies).routes(),
    ]
