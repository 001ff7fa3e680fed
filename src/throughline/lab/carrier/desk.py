"""From an HTTP request to an operation and back: token, scope, consent, schema, fault, and our own answer checked."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from throughline.lab.carrier import consents, contract, faults
from throughline.lab.carrier.calls import Call, Operation, Refusal
from throughline.lab.carrier.company import Company
from throughline.lab.carrier.contract import Breach
from throughline.lab.carrier.subscriptions import with_https
from throughline.lab.carrier.tokens import Token
from throughline.lab.simulator import DroppedAnswer

MAX_BYTES = 256 * 1024
_CORRELATOR = re.compile(r"[a-zA-Z0-9-_:;.\/<>{}]{0,256}")
# sponsored_data has its own: a UUID of version 4, which every answer must carry.
_UUID4 = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89aAbB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
_BARE_TOKEN = "accesstoken"  # noqa: S105 # nosec B105 - the name of a header


class Door:
    """An ASGI app for one path: every method of it, those that the file does not know with 405."""

    def __init__(self, company: Company, operations: Mapping[str, Operation]) -> None:
        self._company = company
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._operations.get(request.method)
        if operation is None:
            allowed = {"Allow": ", ".join(sorted(self._operations))}
            answer: Response | DroppedAnswer = _error(
                request, Refusal(405, "METHOD_NOT_ALLOWED", "The method is not known here"), allowed
            )
        else:
            answer = await self._answer(request, operation)
        await answer(scope, receive, send)

    async def _answer(self, request: Request, operation: Operation) -> Response | DroppedAnswer:
        name, wish = self._company.ledger.take_fault(*faults.BEFORE, *faults.AFTER) or ("", {})
        try:
            instead = faults.instead(name)
            answer = instead if instead is not None else await self._work(request, operation)
        except Refusal as refusal:
            answer = _error(request, refusal)
        if name == "slow":
            await asyncio.sleep(float(wish.get("after_s", 10)))
        return faults.spoiled(name, wish, answer) if name in faults.AFTER else answer

    async def _work(self, request: Request, operation: Operation) -> Response:
        company = self._company
        if not company.rate.allows(float(company.ledger.setting("rate_per_s", 0)), time.monotonic()):
            raise Refusal(429, "TOO_MANY_REQUESTS", "Rate limit reached")
        token = self._token(request, operation)
        scope = self._scope(token, operation)
        self._check_parameters(request, operation)
        body = await self._body(request, operation)
        if token.phone is not None:
            self._check_consent(token, token.phone, scope)
        given = operation.handler(Call(company, token, body, request.path_params, request.headers, scope))
        status, document = given if isinstance(given, tuple) else (operation.status, given)
        headers = _correlator(request)
        if document is None:
            return Response(status_code=status, headers=headers)
        checked = (
            [with_https(operation.file, one) for one in document] if isinstance(document, list) else document
        )
        contract.check_answer(
            operation.file, operation.method, operation.path, status, with_https(operation.file, checked)
        )
        return JSONResponse(document, status_code=status, headers=headers)

    def _token(self, request: Request, operation: Operation) -> Token:
        if operation.file == "sponsored_data":
            bare = request.headers.get(_BARE_TOKEN, "")
            given = bare if bare.lower().startswith("bearer ") else f"Bearer {bare}"
        else:
            given = request.headers.get("authorization", "")
        token = self._company.tokens.find(given)
        if token is None:
            raise Refusal(401, "UNAUTHENTICATED", "A valid token is needed")
        return token

    def _scope(self, token: Token, operation: Operation) -> str:
        """The scope of the token that opens the operation. Raises Refusal."""
        wanted = contract.scopes(operation.file, operation.method, operation.path)
        if operation.file == "sponsored_data":
            wanted = frozenset(one for one in token.scopes if one.startswith("sponsored-data"))
        found = sorted(wanted & token.scopes)
        if not found:
            raise Refusal(403, "PERMISSION_DENIED", "The token lacks the scope")
        return found[0]

    def _check_consent(self, token: Token, phone: str, scope: str) -> None:
        # Asking for the state of consents needs none; a person's act at the network is one.
        if token.network or scope.startswith("consent-info:"):
            return
        if consents.state_of(self._company.books, phone, scope, token.purpose)[0] != "GRANTED":
            raise Refusal(403, "PERMISSION_DENIED", "The person has not consented to this scope and purpose")

    def _check_parameters(self, request: Request, operation: Operation) -> None:
        for one in contract.parameters(operation.file, operation.method, operation.path):
            place = request.headers if one["in"] == "header" else request.path_params
            value = place.get(one["name"])
            if value is None:
                if one.get("required"):
                    raise Refusal(400, "INVALID_ARGUMENT", f"{one['name']} is missing")
                continue
            try:
                contract.check_value(operation.file, one["schema"], value)
            except Breach:
                raise Refusal(400, "INVALID_ARGUMENT", f"{one['name']} does not fit its schema") from None

    async def _body(self, request: Request, operation: Operation) -> dict[str, Any]:
        if "requestBody" not in contract.operation(operation.file, operation.method, operation.path):
            return {}
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        raw = await request.body()
        if kind != "application/json" or len(raw) > MAX_BYTES:
            raise Refusal(400, "INVALID_ARGUMENT", "The body must be application/json, and not so long")
        try:
            document = json.loads(raw, parse_constant=_refuse_constant)
            json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
            contract.check_request(
                operation.file, operation.method, operation.path, with_https(operation.file, document)
            )
        except Breach as breach:
            code = "INVALID_SINK" if str(breach).startswith("sink:") else "INVALID_ARGUMENT"
            raise Refusal(400, code, str(breach)) from None
        except (ValueError, RecursionError):
            raise Refusal(400, "INVALID_ARGUMENT", "The body is not JSON") from None
        if not isinstance(document, dict):
            raise Refusal(400, "INVALID_ARGUMENT", "The body must be an object")
        return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _error(request: Request, refusal: Refusal, more: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(
        {"status": refusal.status, "code": refusal.code, "message": refusal.message},
        status_code=refusal.status,
        headers={**_correlator(request), **(more or {})},
    )


def _correlator(request: Request) -> dict[str, str]:
    value = request.headers.get("x-correlator")
    if contract.base_path("sponsored_data") in request.url.path:
        return {"x-correlator": value if value and _UUID4.fullmatch(value) else str(uuid4())}
    return {"x-correlator": value} if value and _CORRELATOR.fullmatch(value) else {}
