"""A small provider in the shape of Tencent Cloud SMS (API 3.0); checks the TC3 signature with code of its own.

It runs as a thread. `mode` and `raw` are its faults.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET_ID, SECRET_KEY, APP_ID, SIGN_NAME = (
    "AKID-test",
    "test-secret-of-the-application",
    "1400006666",
    "不断线",
)
CALLBACK_TOKEN = "a-token-that-only-tencent-has"
TEMPLATE_IDS = {
    "new_message.zh-CN": "1101",
    "new_message.en": "1102",
    "catch_up.zh-CN": "1103",
    "catch_up.en": "1104",
    "number_code.zh-CN": "1105",
    "number_code.en": "1106",
}
ACCOUNT = {
    "secret_id": SECRET_ID,
    "secret_key": SECRET_KEY,
    "app_id": APP_ID,
    "sign_name": SIGN_NAME,
    "region": "ap-guangzhou",
    "template_ids": TEMPLATE_IDS,
    "callback_token": CALLBACK_TOKEN,
}
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<day>[0-9-]{10})/sms/tc3_request, "
    r"SignedHeaders=(?P<names>[a-z;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


def signature_is_right(headers: dict[str, str], body: bytes) -> bool:
    """The vendor's description, step by step."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None or found["id"] != SECRET_ID:
        return False
    names = found["names"].split(";")
    stamp = headers["x-tc-timestamp"]
    if (
        names != sorted(names)
        or not {"content-type", "host"} <= set(names)
        or abs(time.time() - int(stamp)) > 300
    ):
        return False
    if found["day"] != time.strftime("%Y-%m-%d", time.gmtime(int(stamp))):
        return False
    canonical = "POST\n/\n\n"
    for name in names:
        canonical += name + ":" + headers[name].strip().lower() + "\n"
    canonical += "\n" + found["names"] + "\n" + hashlib.sha256(body).hexdigest()
    scope = found["day"] + "/sms/tc3_request"
    to_sign = "\n".join(["TC3-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    date = hmac.new(b"TC3" + SECRET_KEY.encode(), found["day"].encode(), hashlib.sha256).digest()
    service = hmac.new(date, b"sms", hashlib.sha256).digest()
    signing = hmac.new(service, b"tc3_request", hashlib.sha256).digest()
    right = hmac.new(signing, to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, found["signature"])


@dataclass
class TencentProvider:
    """`mode`: ok; mute (takes it, never answers); swallow (does not take it, never answers); `error:<code>` refuses the
    call; any other word is the code of the message. `raw`: (status, body) instead of any answer.
    """

    mode: str = "ok"
    raw: tuple[int, bytes] | None = None
    with_context: bool = True  # statuses give our reference back
    accepted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    reports: dict[str, tuple[str, str]] = field(default_factory=dict)  # our reference -> status, code
    released: threading.Event = field(default_factory=threading.Event)
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

            def handle_error(self, request: Any, client_address: Any) -> None:
                del request, client_address  # clients that give up are what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()

    def calm(self) -> None:
        self.released.set()
        self.mode, self.raw, self.with_context, self.calls = "ok", None, True, 0
        self.accepted.clear()
        self.asked.clear()
        self.reports.clear()
        self.released = threading.Event()

    def calm_mode(self) -> None:
        """It answers again and remembers what it took."""
        self.released.set()
        self.mode, self.released = "ok", threading.Event()

    def serial(self, client_ref: str) -> str:
        """The SerialNo under which a message was taken."""
        refs = [one["SessionContext"] for one in self.accepted]
        return f"2640:{hashlib.sha256(client_ref.encode()).hexdigest()[:16]}{refs.index(client_ref)}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers["content-length"]))
        if not signature_is_right(headers, body):
            return _answer(request, {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "no"}})
        if headers.get("x-tc-version") != "2021-01-11" or not headers.get("x-tc-region"):
            return _answer(request, {"Error": {"Code": "NoSuchVersion", "Message": "no"}})
        params = json.loads(body)
        if params["SmsSdkAppId"] != APP_ID:
            return _answer(
                request, {"Error": {"Code": "InvalidParameterValue.SdkAppIdNotExist", "Message": "no"}}
            )
        if headers["x-tc-action"] == "PullSmsSendStatusByPhoneNumber":
            self.asked.append(params)
            return self._statuses(request, params)
        self.calls += 1
        taken = self.mode in {"ok", "mute"} and self.raw is None
        if taken:
            self.accepted.append(params)
        if self.mode in {"mute", "swallow"}:
            self.released.wait(60)
            request.close_connection = True
            return None
        if self.raw is not None:
            return _send(request, *self.raw)
        if self.mode.startswith("error:"):
            return _answer(request, {"Error": {"Code": self.mode[6:], "Message": "no"}})
        ref = params["SessionContext"]
        status = {
            "SerialNo": self.serial(ref) if taken else "",
            "PhoneNumber": params["PhoneNumberSet"][0],
            "Fee": int(taken),
            "SessionContext": ref,
            "Code": "Ok" if taken else self.mode,
            "Message": "send success" if taken else "no",
            "IsoCode": "CN",
        }
        return _answer(request, {"SendStatusSet": [status]})

    def _statuses(self, request: BaseHTTPRequestHandler, params: dict[str, Any]) -> None:
        if self.raw is not None:
            return _send(request, *self.raw)
        rows = [
            {
                "UserReceiveTime": int(time.time()),
                "CountryCode": "86",
                "SubscriberNumber": params["PhoneNumber"].removeprefix("+86"),
                "PhoneNumber": params["PhoneNumber"],
                "SerialNo": self.serial(one["SessionContext"]),
                "ReportStatus": self.reports[one["SessionContext"]][0],
                "Description": self.reports[one["SessionContext"]][1],
                "SessionContext": one["SessionContext"] if self.with_context else "",
            }
            for one in self.accepted
            if one["PhoneNumberSet"] == [params["PhoneNumber"]] and one["SessionContext"] in self.reports
        ]
        return _answer(request, {"PullSmsSendStatusSet": rows})


def _answer(request: BaseHTTPRequestHandler, said: dict[str, Any]) -> None:
    _send(request, 200, json.dumps({"Response": {**said, "RequestId": "r"}}).encode())


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
