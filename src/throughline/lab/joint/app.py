"""The desk's HTTP face: tokens, sponsored data, orders by contract, notifications, and the control of the simulator."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import time
import uuid
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
from throughline.lab.joint import contract
from throughline.lab.joint.books import Books
from throughline.lab.joint.contract import Breach
from throughline.lab.joint.keys import CLIENT_ID, ensure_keys
from throughline.lab.simulator import DroppedAnswer, control_routes, with_ticker

log = get_logger(__name__)

_FAULTS = frozenset(
    {
        "drop_request", "drop_answer", "error_503", "malformed", "refuse", "pending", "not_found",
        "lose_notice", "notice_twice",
    }
)  # fmt: skip
_SETTINGS = frozenset({"late_end", "notice_delay_s"})
SPONSORED = "/sponsored-data/vwip"
TOKEN_LIFE_S = 300
_UUID4 = re.compile(r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89aAbB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$")
_ORDER = {"offer": str, "kind": str, "phoneNumber": str, "amountMinor": int, "currency": str, "days": int}

Answered = Response | DroppedAnswer


def build(home: Path) -> Starlette:
    """The desk over its books in `home`/lab/joint.sqlite."""
    _, public = ensure_keys(home)
    desk = _Desk(Books(home), ECKey.import_key(public.read_text(encoding="ascii")))
    one = SPONSORED + "/sponsorship/{sponsor}/{campaign}/{session}"
    return with_ticker(
        desk.tick,
        [
            Route("/oauth2/token", desk.token, methods=["POST"]),
            Route(f"{SPONSORED}/sponsorship", desk.start, methods=["POST"]),
            Route(f"{one}/session-status", desk.status, methods=["GET"]),
            Route(f"{one}/revoke", desk.revoke, methods=["DELETE"]),
            Route(
                SPONSORED + "/campaign/{sponsor}/{campaign}/active-sponsorships", desk.active, methods=["GET"]
            ),
            Route("/orders/{key}", desk.place, methods=["PUT"]),
            Route("/orders/{key}", desk.read, methods=["GET"]),
            Route("/orders/{key}", desk.cancel, methods=["DELETE"]),
            Route("/control/orders", desk.list_orders, methods=["GET"]),
            Route("/control/sessions/{session}/end", desk.end_session, methods=["POST"]),
            Route("/control/orders/{key}/decide", desk.decide, methods=["POST"]),
            *control_routes(desk.books.ledger, faults=_FAULTS, settings=_SETTINGS),
        ],
    )


class _Desk:
    def __init__(self, books: Books, client_key: ECKey) -> None:
        self.books = books
        self._client_key = client_key
        self._tokens: dict[str, float] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=5)

    # --- who calls

    async def token(self, request: Request) -> Response:
        """Client credentials by private_key_jwt."""
        form = await request.form()
        claims = self._claims(str(form.get("client_assertion", "")))
        endpoint = f"{request.url.scheme}://{request.url.netloc}/oauth2/token"
        if claims is None or claims.get("sub") != CLIENT_ID or claims.get("aud") != endpoint:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        token = secrets.token_urlsafe(24)
        self._tokens[token] = time.time() + TOKEN_LIFE_S
        answer = {"access_token": token, "token_type": "Bearer"}  # nosec B105 - a kind of token, no secret
        return JSONResponse(answer | {"expires_in": TOKEN_LIFE_S})

    def _claims(self, text: str) -> dict[str, Any] | None:
        """The claims of a fresh assertion of the client, once; None for any other text."""
        try:
            claims = jwt.decode(text, self._client_key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            return None
        now_s = time.time()
        good = claims.get("iss") == CLIENT_ID and isinstance(claims.get("exp"), int)
        with self._lock:
            if not good or not now_s < claims["exp"] <= now_s + 300 or claims.get("jti") in self._used:
                return None
            self._used.add(str(claims.get("jti")))
        return dict(claims)

    def _refuse_token(self, request: Request) -> Response | None:
        if not _UUID4.match(request.headers.get("x-correlator", "")):
            return _error(request, 400, "INVALID_ARGUMENT", "x-correlator must be a UUID of version 4")
        if self._tokens.get(request.headers.get("accesstoken", ""), 0) <= time.time():
            return _error(request, 401, "UNAUTHENTICATED", "A valid token is needed")
        return None

    def _fault(self, request: Request, *names: str) -> Answered | None:
        fault = self.books.ledger.take_fault(*names)
        match fault[0] if fault else None:
            case None:
                return None
            case "error_503":
                return _error(request, 503, "UNAVAILABLE", "Service Unavailable")
            case "malformed":
                return Response(b'{"sessionId": "perhaps', status_code=201, media_type="application/json")
            case "refuse":
                return _error(request, 422, "DEVICE_NOT_APPLICABLE", "Not for this number")
            case "not_found":
                return _error(request, 404, "NOT_FOUND", "There is no such thing")
            case _:
                return DroppedAnswer()

    # --- sponsored data

    async def start(self, request: Request) -> Answered:
        """Start a sponsorship."""
        refusal = self._refuse_token(request) or self._fault(
            request, "drop_request", "error_503", "refuse", "malformed"
        )
        if refusal is not None:
            return refusal
        document = _object(await request.body())
        try:
            contract.check("start", document)
        except Breach as breach:
            return _error(request, 400, "INVALID_ARGUMENT", str(breach))
        row = self.books.start(document)
        dropped = self._fault(request, "drop_answer")
        if dropped is not None:
            return dropped
        answer = {
            **_names(row),
            "startTime": row["starts_at"],
            "endTime": row["ends_at"],
            "sponsoredDataVolume": row["volume"],
        }
        return _answer(request, 201, "started", answer)

    async def status(self, request: Request) -> Answered:
        """How a session stands."""
        row = self._row(request)
        if not isinstance(row, dict):
            return row
        answer = {
            **_names(row),
            "phoneNumber": row["phone"],
            "startTime": row["starts_at"],
            "endTime": row["ends_at"],
            "sessionStatus": row["status"],
            "dataVolumeConsumed": row["used"],
            "dataVolumeAvailable": row["volume"] - row["used"],
            "endReason": row["end_reason"] or "not_available",
        }
        return _answer(request, 200, "status", answer)

    async def revoke(self, request: Request) -> Answered:
        """End a session."""
        row = self._row(request)
        if not isinstance(row, dict):
            return row
        if not self.books.end_session(row["id"], "session_revoked"):
            return _error(request, 422, "SESSION_NOT_ACTIVE", "The session has ended")
        dropped = self._fault(request, "drop_answer")
        if dropped is not None:
            return dropped
        answer = {
            **_names(row),
            "phoneNumber": row["phone"],
            "startTime": row["starts_at"],
            "endTime": row["ends_at"],
            "requestResult": "successful_revocation",
        }
        return _answer(request, 200, "revoked", answer)

    async def active(self, request: Request) -> Answered:
        """Who is sponsored now."""
        refusal = self._refuse_token(request) or self._fault(request, "error_503", "drop_request")
        if refusal is not None:
            return refusal
        sponsor, campaign = request.path_params["sponsor"], request.path_params["campaign"]
        rows = self.books.active(sponsor, campaign)
        answer = {
            "sponsorId": sponsor,
            "campaignId": campaign,
            "activeSponsorships": [{"sessionId": row["id"], "phoneNumber": row["phone"]} for row in rows],
            "totalCount": len(rows),
        }
        return _answer(request, 200, "active", answer)

    def _row(self, request: Request) -> dict[str, Any] | Answered:
        refusal = self._refuse_token(request) or self._fault(
            request, "error_503", "not_found", "drop_request"
        )
        if refusal is not None:
            return refusal
        at = request.path_params
        row = self.books.session(at["sponsor"], at["campaign"], at["session"])
        return row or _error(request, 404, "NOT_FOUND", "There is no such session")

    # --- orders by contract

    async def place(self, request: Request) -> Answered:
        """Place an order, once for its key."""
        body = await request.body()
        refusal = self._refuse_signature(request, body) or self._fault(request, "drop_request", "error_503")
        if refusal is not None:
            return refusal
        document = _object(body)
        wrong = [name for name, kind in _ORDER.items() if type(document.get(name)) is not kind]
        if wrong or not 1 <= document["days"] <= 180:
            return _error(request, 400, "INVALID_ORDER", f"wrong: {wrong[:3]}")
        key = request.path_params["key"]
        known = self.books.order(key)
        if known is not None and json.loads(known["request"]) != document:
            return _error(request, 409, "KEY_REUSED", "This key belongs to another order")
        ordered = self.books.ledger.take_fault("refuse", "pending") if known is None else None
        state = {"refuse": "refused", "pending": "pending"}.get(ordered[0] if ordered else "", "granted")
        code = "CREDIT_BARRED" if state == "refused" else None
        row = self.books.place(key, document, state=state, code=code)
        dropped = self._fault(request, "drop_answer", "malformed")
        return dropped or JSONResponse(_order(row), status_code=201 if known is None else 200)

    async def read(self, request: Request) -> Answered:
        """What became of an order."""
        refusal = self._refuse_signature(request, b"") or self._fault(
            request, "error_503", "drop_request", "malformed"
        )
        if refusal is not None:
            return refusal
        row = self.books.order(request.path_params["key"])
        if row is None:
            return _error(request, 404, "ORDER_NOT_FOUND", "This key was never seen")
        return JSONResponse(_order(row))

    async def cancel(self, request: Request) -> Answered:
        """End an order."""
        refusal = self._refuse_signature(request, b"") or self._fault(request, "error_503", "drop_request")
        if refusal is not None:
            return refusal
        key = request.path_params["key"]
        if self.books.order(key) is None:
            return _error(request, 404, "ORDER_NOT_FOUND", "This key was never seen")
        self.books.end_order(key, "revoked")
        return self._fault(request, "drop_answer") or JSONResponse(_order(self.books.order(key) or {}))

    def _refuse_signature(self, request: Request, body: bytes) -> Response | None:
        claims = self._claims(request.headers.get("authorization", "").removeprefix("Bearer "))
        base = f"{request.url.scheme}://{request.url.netloc}"
        wanted = {
            "aud": base,
            "method": request.method,
            "path": request.url.path,
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        if claims is None or any(claims.get(name) != value for name, value in wanted.items()):
            return _error(request, 401, "BAD_SIGNATURE", "The request is not signed by the client")
        return None

    # --- notifications

    def tick(self) -> None:
        """End what has expired, post what is due."""
        self.books.expire()
        for notice in self.books.due_notices():
            contract.check("notice", json.loads(notice["body"]))
            fault = self.books.ledger.take_fault("lose_notice", "notice_twice")
            if fault is not None and fault[0] == "lose_notice":
                self.books.posted(notice["id"], good=True, tries=notice["tries"])
                continue
            good = self._post(notice)
            if fault is not None:
                self._post(notice)
            self.books.posted(notice["id"], good=good, tries=notice["tries"])

    def _post(self, notice: dict[str, Any]) -> bool:
        headers = {
            "x-callbackToken": notice["token"],
            "x-correlator": str(uuid.uuid4()),
            "Content-Type": "application/json",
        }
        try:
            status = self._http.post(notice["url"], content=notice["body"], headers=headers).status_code
        except httpx.HTTPError as error:
            log.warning("the webhook was not reached", error=type(error).__name__)
            return False
        return status in {204, 410}

    # --- control

    async def list_orders(self, request: Request) -> Response:
        """Everything in the books, newest last; tokens are left out."""
        del request
        rows = self.books.ledger.rows
        return JSONResponse(
            {
                "orders": rows("SELECT * FROM joint_order ORDER BY rowid LIMIT 500"),
                "sessions": rows(
                    "SELECT id, campaign, phone, volume, used, starts_at, ends_at, status, end_reason"
                    " FROM session ORDER BY rowid LIMIT 500"
                ),
                "notices": rows("SELECT id, body, tries, state FROM notice ORDER BY id LIMIT 500"),
            }
        )

    async def end_session(self, request: Request) -> Response:
        """`{"reason": "data_exhausted"}`: a session ends by itself."""
        wish = _object(await request.body())
        reason = wish.get("reason", "data_exhausted")
        if reason not in {"data_exhausted", "validity_expired", "session_revoked"}:
            return JSONResponse(
                {"reasons": ["data_exhausted", "validity_expired", "session_revoked"]}, status_code=422
            )
        return JSONResponse({"ended": self.books.end_session(request.path_params["session"], reason)})

    async def decide(self, request: Request) -> Response:
        """`{"state": "granted" | "refused" | "ended"}`: an order gets another state."""
        state = _object(await request.body()).get("state")
        if state not in {"granted", "refused", "ended"}:
            return JSONResponse({"states": ["granted", "refused", "ended"]}, status_code=422)
        with self.books.ledger.transaction() as db:
            db.execute(
                "UPDATE joint_order SET state = ?, code = ? WHERE key = ?",
                (state, "used_up" if state == "ended" else None, request.path_params["key"]),
            )
        return JSONResponse({"state": state})


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _names(row: dict[str, Any]) -> dict[str, str]:
    return {"sponsorId": row["sponsor"], "campaignId": row["campaign"], "sessionId": row["id"]}


def _order(row: dict[str, Any]) -> dict[str, Any]:
    document = {"orderId": row["order_id"], "state": row["state"]}
    for name, column in (("code", "code"), ("startsAt", "starts_at"), ("endsAt", "ends_at")):
        if row[column] is not None:
            document[name] = row[column]
    return document


def _answer(request: Request, status: int, name: str, document: dict[str, Any]) -> Response:
    contract.check(name, document)
    return JSONResponse(
        document, status_code=status, headers={"x-correlator": request.headers.get("x-correlator", "")}
    )


def _error(request: Request, status: int, code: str, message: str) -> Response:
    value = request.headers.get("x-correlator", "")
    headers = {"x-correlator": value} if _UUID4.match(value) else {}
    return JSONResponse(
        {"status": status, "code": code, "message": message}, status_code=status, headers=headers
    )
