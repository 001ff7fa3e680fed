"""A small SMS provider over HTTP, as real as our tests need it; checks the ACS3 signature with code of its own.

`python sms_provider.py` is not needed: it runs as a thread, so that it outlives a killed worker process.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

KEY_ID, KEY_SECRET, SIGN_NAME = "LTAI-test", "test-secret-of-the-account", "不断线"
CALLBACK_TOKEN = "a-token-that-only-the-provider-has"

ACCOUNT = {
    "access_key_id": KEY_ID,
    "access_key_secret": KEY_SECRET,
    "sign_name": SIGN_NAME,
    "callback_token": CALLBACK_TOKEN,
}


def signature_is_right(method: str, target: str, headers: dict[str, str]) -> bool:
    """The vendor's description, step by step."""
    algorithm, _, rest = headers["authorization"].partition(" ")
    parts = dict(item.split("=", 1) for item in rest.split(","))
    names = parts["SignedHeaders"].split(";")
    path, _, query = target.partition("?")
    pairs = sorted(
        (unquote(name), unquote(value))
        for name, _, value in (item.partition("=") for item in query.split("&"))
    )
    canonical_query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    canonical_headers = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = (
        f"{method}\n{path}\n{canonical_query}\n{canonical_headers}\n{';'.join(names)}\n"
        + headers["x-acs-content-sha256"]
    )
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    right = hmac.new(KEY_SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    needed = {
        "host",
        "x-acs-action",
        "x-acs-version",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-content-sha256",
    }
    return (
        algorithm == "ACS3-HMAC-SHA256"
        and parts["Credential"] == KEY_ID
        and needed <= set(names)
        and hmac.compare_digest(right, parts["Signature"])
    )


@dataclass
class SmsProvider:
    """`mode`: ok; mute (takes it, never answers); swallow (does not take it, never answers); or a code to refuse with."""

    mode: str = "ok"
    status: int = 400
    blind: bool = False  # QuerySendDetails gives no answer
    accepted: list[dict[str, str]] = field(default_factory=list)
    calls: int = 0
    queries: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    states: dict[str, int] = field(default_factory=dict)  # OutId -> SendStatus; 1 unless set
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                provider.handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                del request, client_address  # a killed client is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        assert isinstance(self.server, socketserver.BaseServer)
        self.server.shutdown()
        self.server.server_close()

    def calm(self) -> None:
        self.released.set()
        self.mode, self.status, self.blind, self.calls, self.queries = "ok", 400, False, 0, 0
        self.accepted.clear()
        self.states.clear()
        self.released = threading.Event()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not signature_is_right("POST", request.path, headers):
            return _answer(request, 400, {"Code": "SignatureDoesNotMatch", "Message": "no", "RequestId": "r"})
        query = request.path.partition("?")[2]
        params = {
            unquote(name): unquote(value)
            for name, _, value in (item.partition("=") for item in query.split("&"))
        }
        if headers["x-acs-action"] == "QuerySendDetails":
            return self._details(request, params)
        self.calls += 1
        if self.mode in {"ok", "mute"}:
            self.accepted.append(params)
        if self.mode in {"mute", "swallow"}:
            self.released.wait(60)
            request.close_connection = True
            return None
        if self.mode == "ok":
            biz_id = f"biz{len(self.accepted)}"
            return _answer(request, 200, {"Code": "OK", "Message": "OK", "BizId": biz_id, "RequestId": "r"})
        return _answer(request, self.status, {"Code": self.mode, "Message": "no", "RequestId": "r"})

    def _details(self, request: BaseHTTPRequestHandler, params: dict[str, str]) -> None:
        self.queries += 1
        if self.blind:
            return _answer(request, 503, {"Code": "ServiceUnavailable", "Message": "no", "RequestId": "r"})
        rows = [
            {
                "PhoneNum": row["PhoneNumbers"],
                "OutId": row["OutId"],
                "SendStatus": self.states.get(row["OutId"], 1),
                "ErrCode": "DELIVERED" if self.states.get(row["OutId"]) == 3 else "",
            }
            for row in self.accepted
            if row["PhoneNumbers"] == params["PhoneNumber"]
        ]
        body = {"Code": "OK", "TotalCount": len(rows), "SmsSendDetailDTOs": {"SmsSendDetailDTO": rows}}
        return _answer(request, 200, body)


def _answer(request: BaseHTTPRequestHandler, status: int, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
