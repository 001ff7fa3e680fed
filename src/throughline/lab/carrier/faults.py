"""Misbehaviour of the API's answers on command. Callbacks and tokens have their own faults.

The first group happens instead of the work, the second to the answer of work that was done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from throughline.lab.carrier.calls import Refusal
from throughline.lab.carrier.times import instant, text
from throughline.lab.simulator import DroppedAnswer

BEFORE = ("error_429", "error_503", "expired_token", "bare_error")
AFTER = (
    "drop_answer",
    "malformed",
    "truncated",
    "wrong_type",
    "unknown_enum",
    "empty_answer",
    "huge_answer",
    "stale_status",
    "slow",
)
_REFUSALS = {
    "error_429": Refusal(429, "TOO_MANY_REQUESTS", "Rate limit reached"),
    "error_503": Refusal(503, "UNAVAILABLE", "Service Unavailable"),
    "expired_token": Refusal(401, "UNAUTHENTICATED", "Request not authenticated due to expired credentials"),
}
_STALE_S = 86_400 * 3
_HUGE = 2 * 1024 * 1024


def instead(name: str) -> Response | None:
    """The answer that a gateway before the carrier gives, or None; raises Refusal for CAMARA's own."""
    if name in _REFUSALS:
        raise _REFUSALS[name]
    if name == "bare_error":
        # Not CAMARA's shape: what a proxy of the operator says.
        return HTMLResponse("<html><h1>502 Bad Gateway</h1></html>", status_code=502)
    return None


def spoiled(name: str, wish: Mapping[str, Any], answer: Response) -> Response | DroppedAnswer:
    """An answer after a fault of the second group."""
    body = bytes(answer.body)
    match name:
        case "drop_answer":
            return DroppedAnswer()
        case "malformed":
            return Response(b'{"voiceSmsIn": "perhaps"', answer.status_code, media_type="application/json")
        case "truncated":
            return Response(body[: len(body) // 2], answer.status_code, media_type="application/json")
        case "empty_answer":
            return Response(b"", answer.status_code, media_type="application/json")
        case "huge_answer":
            return Response(body.rstrip() + b" " * _HUGE, answer.status_code, media_type="application/json")
        case "wrong_type":
            return JSONResponse(_each(json.loads(body or b"null"), lambda _: [17]), answer.status_code)
        case "unknown_enum":
            changed = _each(
                json.loads(body or b"null"), lambda one: f"{one}_V2" if isinstance(one, str) else one
            )
            return JSONResponse(changed, answer.status_code)
        case "stale_status":
            return _stale(answer, body, float(wish.get("after_s", _STALE_S)))
        case _:
            return answer


def _stale(answer: Response, body: bytes, by_s: float) -> Response:
    document = json.loads(body or b"null")
    if not isinstance(document, dict) or "lastStatusTime" not in document:
        return answer
    at = instant(document["lastStatusTime"]) - timedelta(seconds=by_s)
    return JSONResponse(document | {"lastStatusTime": text(at)}, answer.status_code)


def _each(document: Any, change: Any) -> Any:
    if isinstance(document, dict):
        return {name: change(value) for name, value in document.items()}
    return [change(value) for value in document] if isinstance(document, list) else document
