"""Headers of every answer, the request's identity in the log, and the one host that passkeys know."""

from __future__ import annotations

import re
import secrets
import time
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.kernel.telemetry import REQUEST_SECONDS, REQUESTS, span

log = get_logger(__name__)

SECURITY = {
    # No inline script, nothing from elsewhere, no frames: a stolen session can't be driven from outside.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "manifest-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), contacts=()",
}
_CORRELATION = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_LOOPBACK = {"127.0.0.1", "[::1]"}


def install(app: FastAPI) -> None:
    """Add the two middlewares."""
    app.add_middleware(OneHost)
    app.add_middleware(RequestHeaders)


class RequestHeaders:
    """Security headers, `X-Request-Id`, one log line a request, no caching of pages with personal data."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._secure = urlsplit(str(settings().base_url)).scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        given = asked.get("x-request-id", "")
        request_id = given if _CORRELATION.match(given) else secrets.token_hex(8)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.monotonic()
        status = 500

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                if self._secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
                headers["X-Request-Id"] = request_id
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            trace = asked.get("traceparent")
            carrier = {"traceparent": trace} if trace else None
            with span(method, parent=carrier, kind=SpanKind.SERVER) as current:
                await self._app(scope, receive, with_headers)
                current.update_name(f"{method} {_route(scope)}")
                current.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": _route(scope),
                        "http.response.status_code": status,
                    }
                )
        finally:
            route = _route(scope)
            REQUESTS.labels(route, str(status)).inc()
            REQUEST_SECONDS.labels(route).observe(time.monotonic() - started)
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round((time.monotonic() - started) * 1000),
            )
            structlog.contextvars.unbind_contextvars("request_id")


def _route(scope: Scope) -> str:
    """The route's pattern, not the path: paths hold ids and, in somebody's mistake, more."""
    return str(getattr(scope.get("route"), "path", "-"))


class OneHost:
    """Send a page asked for at a bare loopback address to the public host name.

    A passkey belongs to a host name and an address has none, so a borrower who opened 127.0.0.1 would
    fail at enrolment. Programs (health checks, hooks, the API) are answered where they ask.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._public = urlsplit(str(settings().base_url))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            name = host if host.endswith("]") else host.rsplit(":", 1)[0]
            wants_page = "text/html" in headers.get("accept", "")
            if wants_page and name in _LOOPBACK and self._public.hostname == "localhost":
                query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
                target = f"{self._public.scheme}://{self._public.netloc}{scope['path']}{query}"
                await RedirectResponse(target, status_code=307)(scope, receive, send)
                return
        await self._app(scope, receive, send)
