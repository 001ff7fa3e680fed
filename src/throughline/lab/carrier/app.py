"""The carrier's HTTP face: tokens, CAMARA operations, callbacks, and the control desk of the simulator."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from throughline.kernel.logging import get_logger
from throughline.lab.carrier import contract
from throughline.lab.carrier.books import FLAGS, REACHABLE, Books
from throughline.lab.carrier.contract import Breach
from throughline.lab.carrier.keys import CLIENT_ID, ensure_keys
from throughline.lab.simulator import DroppedAnswer, control_routes, with_ticker

log = get_logger(__name__)

_FAULTS = frozenset(
    {"error_429", "error_503", "malformed", "drop_answer", "callback_drop", "callback_twice", "callback_late"}
)
_SETTINGS = frozenset({"push", "callback_delay_s", "silent_end", "allow_http_sink"})
STATUS_SCOPE = "subscription-status:retrive-subscription-status"
REACH_SCOPE = "device-reachability-status:read"
TOKEN_LIFE_S = 300


def build(home: Path, push_url: str = "http://localhost:8000/hooks/line/camara") -> Starlette:
    """The carrier over its books in `home`/lab/carrier.sqlite.

    `sink` must be https by the file; http is taken for a loopback address only, unless the setting
    `allow_http_sink` is false.
    """
    _, public = ensure_keys(home)
    desk = _Desk(Books(home), ECKey.import_key(public.read_text(encoding="ascii")), push_url)
    base = "/subscription-status/v0.1"
    subscriptions = "/device-reachability-status-subscriptions/v0.8/subscriptions"
    return with_ticker(
        desk.tick,
        [
            Route("/oauth2/token", desk.token, methods=["POST"]),
            Route(f"{base}/retrive-subscription-status", desk.status, methods=["POST"]),
            Route(f"{base}/retrieve-subscription-status", desk.status, methods=["POST"]),
            Route("/device-reachability-status/v1/retrieve", desk.reachability, methods=["POST"]),
            Route(subscriptions, desk.subscribe, methods=["POST"]),
            Route(subscriptions, desk.list_subscriptions, methods=["GET"]),
            Route(f"{subscriptions}/{{subscription_id}}", desk.read_subscription, methods=["GET"]),
            Route(f"{subscriptions}/{{subscription_id}}", desk.delete_subscription, methods=["DELETE"]),
            Route("/control/numbers/{phone}", desk.set_number, methods=["PUT"]),
            Route("/control/numbers", desk.list_numbers, methods=["GET"]),
            Route("/control/events", desk.list_events, methods=["GET"]),
            *control_routes(desk.books.ledger, faults=_FAULTS, settings=_SETTINGS),
        ],
    )


class _Desk:
    def __init__(self, books: Books, client_key: ECKey, push_url: str) -> None:
        self.books = books
        self._client_key = client_key
        self._push_url = push_url
        self._tokens: dict[str, tuple[frozenset[str], float]] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=5)

    # --- tokens

    async def token(self, request: Request) -> Response:
        """Client credentials by private_key_jwt: signature, audience, lifetime and single use are checked."""
        form = await request.form()
        try:
            claims = jwt.decode(
                str(form.get("client_assertion", "")), self._client_key, algorithms=["ES256"]
            ).claims
        except (JoseError, ValueError):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        endpoint = f"{request.url.scheme}://{request.url.netloc}/oauth2/token"
        now_s = time.time()
        good = (
            claims.get("iss") == claims.get("sub") == CLIENT_ID
            and str(claims.get("aud", "")) == endpoint
            and isinstance(claims.get("exp"), int)
            and now_s < claims["exp"] <= now_s + 300
        )
        with self._lock:
            if not good or claims.get("jti") in self._used:
                return JSONResponse({"error": "invalid_client"}, status_code=401)
            self._used.add(str(claims.get("jti")))
            scopes = frozenset(str(form.get("scope", "")).split())
            if not any(scope.startswith("dpv:") for scope in scopes):
                return JSONResponse({"error": "invalid_scope"}, status_code=400)
            token = secrets.token_urlsafe(24)
            self._tokens[token] = (scopes, now_s + TOKEN_LIFE_S)
        answer = {"access_token": token, "token_type": "Bearer"}  # nosec B105 - a kind of token, no secret
        return JSONResponse(answer | {"expires_in": TOKEN_LIFE_S})

    def _scopes(self, request: Request) -> frozenset[str] | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = self._tokens.get(token)
        return known[0] if known and known[1] > time.time() else None

    # --- operations

    async def status(self, request: Request) -> Response | DroppedAnswer:
        """subscription-status: the three flags of a number."""
        refusal = self._refuse(request, lambda scopes: STATUS_SCOPE in scopes)
        if refusal is not None:
            return refusal
        body = await self._body(request, contract.STATUS, "SubscriptionStatusRequest")
        if isinstance(body, Response):
            return body
        phone = body.get("phoneNumber")
        if phone is None:
            # All our tokens are two-legged: the number must be named.
            return self._error(request, 422, "MISSING_IDENTIFIER", "The phone number is missing")
        flags = FLAGS[self.books.state(phone)]
        if flags is None:
            return self._error(request, 404, "IDENTIFIER_NOT_FOUND", "The phone number is not known here")
        return self._answer(request, 200, flags, contract.STATUS, "SubscriptionStatusResponse")

    async def reachability(self, request: Request) -> Response | DroppedAnswer:
        """device-reachability-status: is the device connected, and for what."""
        refusal = self._refuse(request, lambda scopes: REACH_SCOPE in scopes)
        if refusal is not None:
            return refusal
        body = await self._body(request, contract.REACHABILITY, "RequestReachabilityStatus")
        if isinstance(body, Response):
            return body
        phone = (body.get("device") or {}).get("phoneNumber")
        if phone is None:
            code = "MISSING_IDENTIFIER" if not body.get("device") else "UNSUPPORTED_IDENTIFIER"
            return self._error(request, 422, code, "The device must be named by its phone number")
        connectivity = REACHABLE[self.books.state(phone)]
        document: dict[str, Any] = {
            "lastStatusTime": self.books.changed_at(phone),
            "reachable": bool(connectivity),
        }
        if connectivity:
            document["connectivity"] = connectivity
        return self._answer(request, 200, document, contract.REACHABILITY, "ReachabilityStatusResponse")

    async def subscribe(self, request: Request) -> Response | DroppedAnswer:
        """Create a subscription to one event type."""
        api = "device-reachability-status-subscriptions:"
        refusal = self._refuse(
            request, lambda scopes: any(one.startswith(api) and one.endswith(":create") for one in scopes)
        )
        if refusal is not None:
            return refusal
        body = await self._body(request, contract.SUBSCRIPTIONS, "SubscriptionRequest", https_sink=True)
        if isinstance(body, Response):
            return body
        if body["protocol"] != "HTTP":
            return self._error(request, 400, "INVALID_PROTOCOL", "Only HTTP is supported")
        credential = body.get("sinkCredential") or {}
        if credential.get("credentialType") != "ACCESSTOKEN" or not credential.get("accessToken"):
            return self._error(request, 400, "INVALID_CREDENTIAL", "Only Access token is supported")
        phone = (body["config"]["subscriptionDetail"].get("device") or {}).get("phoneNumber")
        if phone is None:
            return self._error(
                request, 422, "MISSING_IDENTIFIER", "The device must be named by its phone number"
            )
        row = self.books.subscribe(phone, body)
        return self._answer(request, 201, _subscription(row), None, None)

    async def list_subscriptions(self, request: Request) -> Response | DroppedAnswer:
        """All living subscriptions."""
        refusal = self._refuse(request, _may_read)
        if refusal is not None:
            return refusal
        rows = self.books.ledger.rows(
            "SELECT * FROM subscription WHERE status = 'ACTIVE' ORDER BY id LIMIT 200"
        )
        return JSONResponse([_subscription(row) for row in rows], headers=_correlator(request))

    async def read_subscription(self, request: Request) -> Response | DroppedAnswer:
        """One subscription."""
        refusal = self._refuse(request, _may_read)
        if refusal is not None:
            return refusal
        row = self.books.subscription(request.path_params["subscription_id"])
        if row is None:
            return self._error(request, 404, "NOT_FOUND", "There is no such subscription")
        return self._answer(request, 200, _subscription(row), None, None)

    async def delete_subscription(self, request: Request) -> Response | DroppedAnswer:
        """End a subscription."""
        refusal = self._refuse(request, lambda scopes: any(one.endswith(":delete") for one in scopes))
        if refusal is not None:
            return refusal
        if not self.books.end(request.path_params["subscription_id"], "SUBSCRIPTION_DELETED"):
            return self._error(request, 404, "NOT_FOUND", "There is no such subscription")
        return Response(status_code=204, headers=_correlator(request))

    # --- callbacks

    def tick(self) -> None:
        """Post what is due; end what has expired."""
        self.books.expire()
        for event in self.books.due_events():
            fault = self.books.ledger.take_fault("callback_drop", "callback_twice", "callback_late")
            if fault is not None and fault[0] == "callback_drop":
                self.books.posted(event["id"], good=True, tries=event["tries"])
                continue
            if fault is not None and fault[0] == "callback_late":
                self.books.posted(event["id"], good=False, tries=event["tries"])
                continue
            good = self._post(event)
            if fault is not None:
                self._post(event)
            self.books.posted(event["id"], good=good, tries=event["tries"])

    def _post(self, event: dict[str, Any]) -> bool:
        headers = {
            "Authorization": f"Bearer {event['token']}",
            "Content-Type": "application/cloudevents+json",
        }
        try:
            status = self._http.post(event["sink"], content=event["body"], headers=headers).status_code
        except httpx.HTTPError as error:
            log.warning("the sink was not reached", error=type(error).__name__)
            return False
        # 410 ends it as well; other refusals are tried again.
        return status in {200, 202, 204, 410}

    # --- control

    async def set_number(self, request: Request) -> Response:
        """Put a number into a state: active, out_suspended, suspended, off, cancelled."""
        wish = await request.json()
        state = wish.get("state")
        if state not in FLAGS:
            return JSONResponse({"states": sorted(FLAGS)}, status_code=422)
        push = bool(self.books.ledger.setting("push", True))
        self.books.set_state(request.path_params["phone"], state, push=push, push_url=self._push_url)
        return JSONResponse({"phone": request.path_params["phone"], "state": state})

    async def list_numbers(self, request: Request) -> Response:
        """Numbers whose state was ever set, and subscriptions."""
        del request
        return JSONResponse(
            {
                "numbers": self.books.ledger.rows(
                    "SELECT phone, state, changed_at FROM number ORDER BY phone LIMIT 500"
                ),
                "subscriptions": self.books.ledger.rows(
                    "SELECT id, phone, type, status, sent FROM subscription ORDER BY id LIMIT 500"
                ),
            }
        )

    async def list_events(self, request: Request) -> Response:
        """What was posted and what waits."""
        del request
        rows = self.books.ledger.rows(
            "SELECT id, subscription_id, body, tries, state FROM event ORDER BY id LIMIT 500"
        )
        return JSONResponse([row | {"body": json.loads(row["body"])} for row in rows])

    # --- answers

    def _refuse(
        self, request: Request, allowed: Callable[[frozenset[str]], bool]
    ) -> Response | DroppedAnswer | None:
        fault = self.books.ledger.take_fault("error_429", "error_503", "malformed", "drop_answer")
        if fault is not None:
            match fault[0]:
                case "error_429":
                    return self._error(request, 429, "TOO_MANY_REQUESTS", "Rate limit reached")
                case "error_503":
                    return self._error(request, 503, "UNAVAILABLE", "Service Unavailable")
                case "malformed":
                    return Response(b'{"voiceSmsIn": "perhaps"', media_type="application/json")
                case _:
                    return DroppedAnswer()
        scopes = self._scopes(request)
        if scopes is None:
            return self._error(request, 401, "UNAUTHENTICATED", "A valid token is needed")
        if not allowed(scopes):
            return self._error(request, 403, "PERMISSION_DENIED", "The token lacks the scope")
        return None

    async def _body(
        self, request: Request, api: str, schema: str, *, https_sink: bool = False
    ) -> dict[str, Any] | Response:
        try:
            document = json.loads(await request.body() or b"{}")
        except ValueError:
            return self._error(request, 400, "INVALID_ARGUMENT", "The body is not JSON")
        if not isinstance(document, dict):
            return self._error(request, 400, "INVALID_ARGUMENT", "The body must be an object")
        checked = document
        sink = document.get("sink")
        if https_sink and isinstance(sink, str) and sink.startswith(("http://127.0.0.1", "http://localhost")):
            if not self.books.ledger.setting("allow_http_sink", True):
                return self._error(request, 400, "INVALID_SINK", "The sink must be https")
            checked = document | {"sink": "https" + sink.removeprefix("http")}
        try:
            contract.check(api, schema, checked)
        except Breach as breach:
            return self._error(request, 400, "INVALID_ARGUMENT", str(breach))
        return document

    def _answer(
        self, request: Request, status: int, document: dict[str, Any], api: str | None, schema: str | None
    ) -> Response:
        if api is not None and schema is not None:
            contract.check(api, schema, document)
        return JSONResponse(document, status_code=status, headers=_correlator(request))

    def _error(self, request: Request, status: int, code: str, message: str) -> Response:
        return JSONResponse(
            {"status": status, "code": code, "message": message},
            status_code=status,
            headers=_correlator(request),
        )


def _may_read(scopes: frozenset[str]) -> bool:
    return any(one.startswith("device-reachability-status-subscriptions:") for one in scopes)


def _subscription(row: dict[str, Any]) -> dict[str, Any]:
    document = {
        "id": row["id"],
        "sink": row["sink"],
        "protocol": "HTTP",
        "types": [row["type"]],
        "config": json.loads(row["config"]),
        "startsAt": row["starts_at"],
        "status": row["status"],
    }
    if row["expires_at"]:
        document["expiresAt"] = row["expires_at"]
    return document


def _correlator(request: Request) -> dict[str, str]:
    value = request.headers.get("x-correlator", "")
    return {"x-correlator": value} if 0 < len(value) <= 256 else {}
